"""Which weight of a port is which of the reference: by values, names, shapes and order of calls.

Modules are paired first, then what they hold. Every assumption is kept in words.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np

from parity.measure.weights import seeded_weights
from restoration.arrays import Arrays

_ROLES = {
    "weight": ("weight", "gamma", "w", "kernel", "scale", "g", "embedding_table", "alpha", "a"),
    "bias": ("bias", "beta", "b", "shift"),
    "running_mean": ("running_mean", "moving_mean", "mean"),
    "running_var": ("running_var", "moving_variance", "moving_var", "variance", "var"),
}
_ROLE = {name: role for role, names in _ROLES.items() for name in names}
COUNTERS = ("num_batches_tracked",)


@dataclass(frozen=True)
class Move:
    """How a weight of the reference becomes the port's: axes are permuted, then flipped, then the
    result is reshaped. The identity by default."""

    axes: tuple[int, ...] = ()
    flips: tuple[int, ...] = ()

    def forward(self, array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        moved = array.transpose(self.axes) if self.axes else array
        moved = np.flip(moved, self.flips) if self.flips else moved
        if moved.size == math.prod(shape):
            return np.ascontiguousarray(moved).reshape(shape)
        if _has_other_groups(moved.shape, shape):
            return _regrouped(moved, shape[1])
        return np.full(shape, moved.mean(), moved.dtype)  # one number for many

    def back(self, array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """The inverse, to a shape of the reference; one number becomes as many as are needed."""
        if array.size != math.prod(shape):
            if array.size == 1:
                return np.full(shape, array.reshape(()), array.dtype)
            if _has_other_groups(array.shape, shape) and not self.axes and not self.flips:
                return _regrouped(array, shape[1])
            raise ValueError(f"{array.shape} cannot become {tuple(shape)}")
        axes = self.axes or tuple(range(len(shape)))
        moved = array.reshape([shape[axis] for axis in axes])
        moved = np.flip(moved, self.flips) if self.flips else moved
        return np.ascontiguousarray(moved.transpose(np.argsort(axes)))


def _has_other_groups(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two weights are those of convolutions that differ in their groups alone."""
    if len(one) < 3 or len(one) != len(other) or (one[0], *one[2:]) != (other[0], *other[2:]):
        return False
    most, least = max(one[1], other[1]), min(one[1], other[1])
    return most % least == 0 and one[0] % (most // least) == 0


def _regrouped(weight: np.ndarray, width: int) -> np.ndarray:
    """The weight of a convolution with other groups, of so many inputs each: blocks of what it has
    of them, or blocks among zeros, of a convolution without groups."""
    found = np.zeros((len(weight), width, *weight.shape[2:]), weight.dtype)
    groups = max(width, weight.shape[1]) // min(width, weight.shape[1])
    rows, size = len(weight) // groups, min(width, weight.shape[1])
    for group in range(groups):
        block = slice(group * rows, (group + 1) * rows), slice(group * size, (group + 1) * size)
        few = block[0], slice(size)
        if width == size:
            found[few] = weight[block]
        else:
            found[block] = weight[few]
    return found


@dataclass(frozen=True)
class WeightPair:
    """An entry of the reference, the port's that stands for it, and why they are taken for it.

    reference_part, port_part: rows of the first axis, of an entry that is several of the other
    side's in one; None for all.
    """

    reference: str
    port: str
    how: str
    move: Move = Move()
    reference_part: tuple[int, int] | None = None
    port_part: tuple[int, int] | None = None

    def of_reference(self, array: np.ndarray) -> np.ndarray:
        """What of the reference's entry is meant, as a view."""
        return array[slice(*self.reference_part)] if self.reference_part else array

    def of_port(self, array: np.ndarray) -> np.ndarray:
        return array[slice(*self.port_part)] if self.port_part else array


class Rule(NamedTuple):
    """A pattern for names of the reference, and the port's name for them.

    reference_part, port_part: as of a `WeightPair`.
    """

    pattern: str
    name: str
    reference_part: tuple[int, int] | None = None
    port_part: tuple[int, int] | None = None


@dataclass
class WeightMap:
    """pairs: of entries. modules: the port's module by the reference's. hows: what tells so. left:
    entries of either side that have no partner."""

    pairs: list[WeightPair] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    hows: dict[str, str] = field(default_factory=dict)
    reference_left: list[str] = field(default_factory=list)
    port_left: list[str] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)

    def converted(
        self, reference: Mapping[str, np.ndarray], port: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The reference's weights by the port's names. port: entries of the shapes it has."""
        found: dict[str, np.ndarray] = {}
        for pair in self.pairs:
            target = found.setdefault(pair.port, np.array(port[pair.port]))
            place = pair.of_port(target)
            place[...] = pair.move.forward(
                pair.of_reference(reference[pair.reference]), place.shape
            )
        return found

    def restored(
        self, port: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The port's weights, or what else it has of them, by the reference's names; without those
        that it has not, or in a size that does not fit. reference: entries of the shapes it has."""
        found: dict[str, np.ndarray] = {}
        for pair in self.pairs:
            if pair.port not in port:
                continue
            if pair.reference not in found:
                found[pair.reference] = np.array(reference[pair.reference])
            place = pair.of_reference(found[pair.reference])
            with contextlib.suppress(ValueError):
                place[...] = pair.move.back(pair.of_port(port[pair.port]), place.shape)
        return found


def role_of(name: str) -> str:
    """What an entry is of its module, in PyTorch's words; "" for a parameter of the user's own."""
    return _ROLE.get(name.rpartition(".")[2], "")


def owner_of(name: str) -> str:
    return name.rpartition(".")[0]


def own_name_of(name: str) -> str:
    """The name that an entry has in its module."""
    return name.rpartition(".")[2]


def squeezed(shape: Iterable[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def call_order(events: Sequence[Mapping[str, object]]) -> dict[str, int]:
    """When each module was called first."""
    order: dict[str, int] = {}
    for event in events:
        order.setdefault(str(event["module"]), len(order))
    return order


@dataclass
class _Side:
    """A side's entries, and its modules that hold some, in the order of their calls."""

    state: Arrays
    owners: dict[str, list[str]]

    @classmethod
    def of(cls, state: Arrays, order: Mapping[str, int]) -> _Side:
        owners = _owners(_floats(state))
        in_order = sorted(owners.items(), key=lambda item: order.get(item[0], 10**9))
        return cls(state, dict(in_order))

    def signature(self, module: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
        names = self.owners[module]
        return tuple(sorted((role_of(name), squeezed(self.state[name].shape)) for name in names))

    def core(self, module: str) -> tuple[object, ...]:
        """The signature without a bias, which one side may have too much."""
        signature = self.signature(module)
        return tuple(part for part in signature if part[0] != "bias") or signature

    def roles(self, module: str) -> tuple[str, ...]:
        return tuple(sorted(map(role_of, self.owners[module])))


@dataclass
class _Pairs:
    """Modules that are paired so far: the port's, and why, by the reference's."""

    ours: _Side
    theirs: _Side
    modules: dict[str, str] = field(default_factory=dict)
    hows: dict[str, str] = field(default_factory=dict)
    parts: list[WeightPair] = field(default_factory=list)
    alone: frozenset[str] = frozenset()  # of the reference, that are to have no partner

    def add(self, one: str, other: str, how: str) -> None:
        self.modules[one], self.hows[one] = other, how

    def free(self) -> tuple[list[str], list[str]]:
        taken = self.alone | set(self.modules) | {owner_of(pair.reference) for pair in self.parts}
        others = set(self.modules.values()) | {owner_of(pair.port) for pair in self.parts}
        return (
            [name for name in self.ours.owners if name not in taken],
            [name for name in self.theirs.owners if name not in others],
        )


def map_weights(
    reference: Arrays,
    port: Arrays,
    reference_order: Mapping[str, int],
    port_order: Mapping[str, int],
    *,
    by_values: bool,
    rules: Sequence[Rule] = (),
    aligned: Mapping[str, str | None] | None = None,
) -> WeightMap:
    """Pair the entries of two networks.

    reference, port: all entries by name. orders: of first calls, by module. by_values: whether the
    port has weights of its own that came from the reference's, so that equal numbers tell. rules:
    the first that fits a name counts. aligned: modules that were paired by hand, None for no
    partner.
    """
    aligned = aligned or {}
    pairs = _Pairs(
        _Side.of(reference, reference_order),
        _Side.of(port, port_order),
        alone=frozenset(one for one, other in aligned.items() if other is None),
    )
    for one, other in aligned.items():
        if one in pairs.ours.owners and other in pairs.theirs.owners:
            pairs.add(one, other, "alignment")
    pairs.parts += _parts_by_rules(reference, port, rules)
    chosen = _by_rules(reference, port, rules)
    for one, other in chosen.items():
        if owner_of(one) not in aligned:
            pairs.add(owner_of(one), owner_of(other), "rules")
    if by_values:
        for one, other in _equal_modules(pairs):
            pairs.add(one, other, "equal values")
    _pair_by_names(pairs)
    joined = _pair_parts(pairs, by_values=by_values)
    _pair_by_shapes(pairs)
    _pair_groups(pairs, pairs.ours.core, pairs.theirs.core, "shapes but for a bias")
    _pair_by_roles(pairs)
    result = WeightMap(modules=pairs.modules, hows=pairs.hows)
    result.pairs += pairs.parts
    for one in pairs.modules:
        result.pairs += _pair_entries(pairs, one, chosen, by_values=by_values)
    paired = {pair.reference for pair in result.pairs}, {pair.port for pair in result.pairs}
    result.reference_left = [name for name in reference if name not in paired[0]]
    result.port_left = [name for name in port if name not in paired[1]]
    counts: dict[str, int] = defaultdict(int)
    for how in pairs.hows.values():
        counts[how] += 1
    result.assumptions = [
        f"{count} modules with weights were paired by {how}" for how, count in counts.items()
    ] + joined
    return result


def _floats(state: Arrays) -> dict[str, np.ndarray]:
    return {name: value for name, value in state.items() if np.issubdtype(value.dtype, np.floating)}


def _owners(state: Iterable[str]) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = defaultdict(list)
    for name in state:
        owners[owner_of(name)].append(name)
    return dict(owners)


def _equal_modules(pairs: _Pairs) -> list[tuple[str, str]]:
    """Free modules that share the numbers of an entry, those with most of them first."""
    ours, theirs = pairs.ours, pairs.theirs
    reference, port = ours.state, theirs.state
    mine, others = pairs.free()
    places: dict[tuple[int, float], list[str]] = defaultdict(list)
    for other in others:
        for name in theirs.owners[other]:
            places[_fingerprint(port[name])].append(name)
    votes: dict[tuple[str, str], int] = defaultdict(int)
    for one in mine:
        for name in ours.owners[one]:
            if reference[name].size < 2 or np.ptp(reference[name]) == 0:
                continue
            found = [
                other
                for other in places.get(_fingerprint(reference[name]), ())
                if role_of(other) == role_of(name) or not role_of(name) or not role_of(other)
            ]
            # Moving statistics are the ones that converters put into other layers.
            weight = 1 if role_of(name).startswith("running") else 4
            for other in found:
                votes[one, owner_of(other)] += weight * 100 // len(found)
    chosen: list[tuple[str, str]] = []
    used: set[str] = set()
    used_theirs: set[str] = set()
    for one, other in sorted(votes, key=lambda key: -votes[key]):
        if one not in used and other not in used_theirs:
            chosen.append((one, other))
            used.add(one)
            used_theirs.add(other)
    return chosen


def _fingerprint(array: np.ndarray) -> tuple[int, float]:
    """The same for all orders of an array's numbers."""
    return array.size, float(np.sort(array.astype(np.float64).ravel()) @ np.arange(array.size))


def _pair_by_names(pairs: _Pairs) -> None:
    mine, others = pairs.free()
    for name in mine:
        if name in others and pairs.ours.core(name) == pairs.theirs.core(name):
            pairs.add(name, name, "names")


def _pair_parts(pairs: _Pairs, *, by_values: bool) -> list[str]:
    """Pair modules that are several of the other side's in one, as a layer that makes queries, keys
    and values; what was assumed, in words."""
    said = []
    for whole, others, is_reference in (
        (pairs.ours, pairs.theirs, True),
        (pairs.theirs, pairs.ours, False),
    ):
        mine, free = pairs.free() if is_reference else reversed(pairs.free())
        signatures = {others.signature(name) for name in free}
        for module in mine:
            if whole.signature(module) in signatures:
                continue
            parts = _parts(whole, module, others, free, by_values=by_values)
            if not parts:
                continue
            free = [name for name in free if name not in parts]
            _add_parts(pairs, whole, module, parts, is_reference=is_reference)
            sides = ("the reference", "the port") if is_reference else ("the port", "the reference")
            said.append(
                f"{module} of {sides[0]} is {', '.join(parts)} of {sides[1]}, "
                f"joined in this order{' (equal values)' if by_values else ''}"
            )
    return said


def _parts(
    whole: _Side, module: str, others: _Side, free: Sequence[str], *, by_values: bool
) -> list[str]:
    """The modules of one parent that one module is made of, in order; none where there are none."""
    names = whole.owners[module]
    size = {role_of(name): whole.state[name].shape for name in names}

    def rows(part: str) -> int:
        """How many rows of the whole a part has; 0 where it is none."""
        shapes = {role_of(name): others.state[name].shape for name in others.owners[part]}
        if set(shapes) != set(size) or "" in size or not all(shapes.values()):
            return 0
        if any(squeezed(shapes[role][1:]) != squeezed(size[role][1:]) for role in size):
            return 0
        firsts = {shapes[role][0] for role in size}
        return firsts.pop() if len(firsts) == 1 else 0

    totals = {shape[0] if shape else 0 for shape in size.values()}
    if len(totals) != 1:
        return []
    (total,) = totals
    fitting = {part: count for part in free if 0 < (count := rows(part)) < total}
    if by_values:
        found = {
            start: part for part in fitting if (start := _start(whole, module, others, part)) >= 0
        }
        ordered = [found[start] for start in sorted(found)]
        return ordered if sum(fitting[part] for part in ordered) == total else []
    for first in fitting:
        run: list[str] = []
        count = 0
        for part in [name for name in fitting if owner_of(name) == owner_of(first)]:
            if (run or part == first) and count < total:
                run.append(part)
                count += fitting[part]
        if count == total:
            return run
    return []


def _start(whole: _Side, module: str, others: _Side, part: str) -> int:
    """The row of a module's weight at which another's stands, -1 for nowhere."""
    one = next(whole.state[name] for name in whole.owners[module] if role_of(name) == "weight")
    other = next(others.state[name] for name in others.owners[part] if role_of(name) == "weight")
    flat, rows = other.reshape(len(other), -1), one.reshape(len(one), -1)
    for start in range(len(rows) - len(flat) + 1):
        if np.array_equal(rows[start : start + len(flat)], flat):
            return start
    return -1


def _add_parts(
    pairs: _Pairs, whole: _Side, module: str, parts: Sequence[str], *, is_reference: bool
) -> None:
    others = pairs.theirs if is_reference else pairs.ours
    for name in whole.owners[module]:
        start = 0
        for part in parts:
            other = next(one for one in others.owners[part] if role_of(one) == role_of(name))
            span = start, start + len(others.state[other])
            start = span[1]
            pairs.parts.append(
                WeightPair(name, other, "parts", reference_part=span)
                if is_reference
                else WeightPair(other, name, "parts", port_part=span)
            )


def _pair_by_shapes(pairs: _Pairs) -> None:
    """In order of calls among those of the same shapes, where both sides have as many."""
    _pair_groups(pairs, pairs.ours.signature, pairs.theirs.signature, "shapes and order of calls")
    mine, others = pairs.free()
    matcher = SequenceMatcher(
        None,
        [pairs.ours.signature(name) for name in mine],
        [pairs.theirs.signature(name) for name in others],
        autojunk=False,
    )
    for start, other_start, size in matcher.get_matching_blocks():
        for step in range(size):
            pairs.add(mine[start + step], others[other_start + step], "shapes and order of calls")


def _pair_by_roles(pairs: _Pairs) -> None:
    """What is left, in order of calls, among those that hold entries of the same roles."""
    _pair_groups(pairs, pairs.ours.roles, pairs.theirs.roles, "kind and order of calls")


def _pair_groups(
    pairs: _Pairs,
    key: Callable[[str], object],
    other_key: Callable[[str], object],
    how: str,
) -> None:
    mine, others = pairs.free()
    groups: dict[object, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for name in mine:
        groups[key(name)][0].append(name)
    for name in others:
        groups[other_key(name)][1].append(name)
    for one, other in groups.values():
        if len(one) == len(other):
            for ref_name, port_name in zip(one, other, strict=True):
                pairs.add(ref_name, port_name, how)


def _by_rules(reference: Arrays, port: Arrays, rules: Sequence[Rule]) -> dict[str, str]:
    """The port's name for each of the reference's that a rule has for all of it."""
    found: dict[str, str] = {}
    for name in reference:
        for rule in rules:
            other = _named(rule, name, port)
            if other is not None and not rule.reference_part and not rule.port_part:
                found[name] = other
                break
    return found


def _parts_by_rules(reference: Arrays, port: Arrays, rules: Sequence[Rule]) -> list[WeightPair]:
    """The pairs of rules that are for some rows; those that an entry has not are left out."""
    found = []
    for rule in rules:
        for name in reference if rule.reference_part or rule.port_part else ():
            other = _named(rule, name, port)
            if other is None:
                continue
            pair = WeightPair(name, other, "rules", Move(), rule.reference_part, rule.port_part)
            if pair.of_reference(reference[name]).size == pair.of_port(port[other]).size > 0:
                found.append(pair)
    return found


def _named(rule: Rule, name: str, port: Arrays) -> str | None:
    """The port's name that a rule has for one of the reference's; None where it has none."""
    match = re.fullmatch(rule.pattern, name)
    other = match.expand(rule.name) if match else None
    return other if other in port else None


def _pair_entries(
    pairs: _Pairs, module: str, chosen: Mapping[str, str], *, by_values: bool
) -> list[WeightPair]:
    """Entries of two modules, by their roles, or by their shapes where names say nothing."""
    reference, port = pairs.ours.state, pairs.theirs.state
    rest = list(pairs.theirs.owners[pairs.modules[module]])
    result = []
    for name in pairs.ours.owners[module]:
        role = role_of(name)
        found = [other for other in rest if chosen.get(name) == other]
        found += [other for other in rest if role and role_of(other) == role]
        found += [other for other in rest if not role and own_name_of(other) == own_name_of(name)]
        found += [
            other
            for other in rest
            if squeezed(port[other].shape) == squeezed(reference[name].shape)
            and (not role or not role_of(other))
        ]
        if found:
            rest.remove(found[0])
            move = move_between(reference[name], port[found[0]], by_values=by_values)
            result.append(WeightPair(name, found[0], pairs.hows[module], move))
    return result


def drawn(state: Arrays, seed: int) -> Arrays:
    """Weights that make every entry of a stranger's network matter: `seeded_weights`, with moving
    variances around 1."""
    weights = dict(seeded_weights(state, (seed,)))
    for name, array in weights.items():
        role = role_of(name)
        if role == "running_var":
            weights[name] = np.exp(2 * array)
        elif role == "weight" and array.ndim == 1 and not name.endswith("weight"):
            weights[name] = 1 + array
    return weights


def move_between(reference: np.ndarray, port: np.ndarray, *, by_values: bool) -> Move:
    """How a weight was rearranged: told by equal numbers, or else by its shape."""
    if reference.size != port.size:
        return Move()
    if by_values and not _same(reference, port):
        for move in _moves(reference.ndim):
            moved = reference.transpose(move.axes) if move.axes else reference
            moved = np.flip(moved, move.flips) if move.flips else moved
            if squeezed(moved.shape) == squeezed(port.shape) and _same(moved, port):
                return move
    if squeezed(reference.shape) != squeezed(port.shape):
        for move in _moves(reference.ndim):
            if move.flips:
                continue
            moved_shape = tuple(reference.shape[axis] for axis in move.axes)
            if squeezed(moved_shape) == squeezed(port.shape):
                return move
    return Move()


def _moves(ndim: int) -> list[Move]:
    axes = list(range(ndim))
    orders = [()] + [order for order in itertools.permutations(axes) if list(order) != axes]
    flips = [()] + [chosen for count in (1, 2) for chosen in itertools.combinations(axes, count)]
    if ndim > 4:
        orders, flips = [()], [()]
    return [Move(order, flip) for flip in flips for order in orders]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.size == other.size and np.array_equal(
        np.ascontiguousarray(one).ravel(), np.ascontiguousarray(other).ravel()
    )
