"""Which weight of a port is which of the reference: by values, names, shapes and order of calls.

Modules are paired first, then what they hold. Every assumption is kept in words.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

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
        return np.full(shape, moved.mean(), moved.dtype)  # one number for many

    def back(self, array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """The inverse, to a shape of the reference; one number becomes as many as are needed."""
        if array.size != math.prod(shape):
            if array.size == 1:
                return np.full(shape, array.reshape(()), array.dtype)
            raise ValueError(f"{array.shape} cannot become {tuple(shape)}")
        axes = self.axes or tuple(range(len(shape)))
        moved = array.reshape([shape[axis] for axis in axes])
        moved = np.flip(moved, self.flips) if self.flips else moved
        return np.ascontiguousarray(moved.transpose(np.argsort(axes)))


@dataclass(frozen=True)
class WeightPair:
    """An entry of the reference, the port's that stands for it, and why they are taken for it."""

    reference: str
    port: str
    how: str
    move: Move = Move()


@dataclass
class WeightMap:
    """pairs: of entries. modules: the port's module by the reference's. left: entries of either
    side that have no partner."""

    pairs: list[WeightPair] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    reference_left: list[str] = field(default_factory=list)
    port_left: list[str] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)


def role_of(name: str) -> str:
    """What an entry is of its module, in PyTorch's words; "" for a parameter of the user's own."""
    return _ROLE.get(name.rpartition(".")[2], "")


def owner_of(name: str) -> str:
    return name.rpartition(".")[0]


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

    def signature(self, module: str) -> tuple[object, ...]:
        names = self.owners[module]
        return tuple(sorted((role_of(name), squeezed(self.state[name].shape)) for name in names))

    def roles(self, module: str) -> tuple[str, ...]:
        return tuple(sorted(map(role_of, self.owners[module])))


@dataclass
class _Pairs:
    """Modules that are paired so far: the port's, and why, by the reference's."""

    ours: _Side
    theirs: _Side
    modules: dict[str, str] = field(default_factory=dict)
    hows: dict[str, str] = field(default_factory=dict)

    def add(self, one: str, other: str, how: str) -> None:
        self.modules[one], self.hows[one] = other, how

    def free(self) -> tuple[list[str], list[str]]:
        taken = set(self.modules.values())
        return (
            [name for name in self.ours.owners if name not in self.modules],
            [name for name in self.theirs.owners if name not in taken],
        )


def map_weights(
    reference: Arrays,
    port: Arrays,
    reference_order: Mapping[str, int],
    port_order: Mapping[str, int],
    *,
    by_values: bool,
    rules: Sequence[tuple[str, str]] = (),
) -> WeightMap:
    """Pair the entries of two networks.

    reference, port: all entries by name. orders: of first calls, by module. by_values: whether the
    port has weights of its own that came from the reference's, so that equal numbers tell. rules:
    patterns for names of the reference, and the port's names.
    """
    pairs = _Pairs(_Side.of(reference, reference_order), _Side.of(port, port_order))
    chosen = _by_rules(reference, port, rules)
    for one, other in chosen.items():
        pairs.add(owner_of(one), owner_of(other), "rules")
    if by_values:
        for one, other in _equal_modules(pairs.ours, pairs.theirs):
            pairs.add(one, other, "equal values")
    _pair_by_names(pairs)
    _pair_by_shapes(pairs)
    _pair_by_roles(pairs)
    result = WeightMap(modules=pairs.modules)
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
    ]
    return result


def _floats(state: Arrays) -> dict[str, np.ndarray]:
    return {name: value for name, value in state.items() if np.issubdtype(value.dtype, np.floating)}


def _owners(state: Iterable[str]) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = defaultdict(list)
    for name in state:
        owners[owner_of(name)].append(name)
    return dict(owners)


def _equal_modules(ours: _Side, theirs: _Side) -> list[tuple[str, str]]:
    """Modules that share the numbers of an entry, those with most of them first."""
    reference, port = ours.state, theirs.state
    places: dict[tuple[int, float], list[str]] = defaultdict(list)
    for names in theirs.owners.values():
        for name in names:
            places[_fingerprint(port[name])].append(name)
    votes: dict[tuple[str, str], int] = defaultdict(int)
    for one, names in ours.owners.items():
        for name in names:
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
        if name in others and pairs.ours.signature(name) == pairs.theirs.signature(name):
            pairs.add(name, name, "names")


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


def _by_rules(reference: Arrays, port: Arrays, rules: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The port's name for each of the reference's that a rule has; the first that fits counts."""
    found: dict[str, str] = {}
    for name in reference:
        for pattern, other in rules:
            match = re.fullmatch(pattern, name)
            if match and match.expand(other) in port:
                found[name] = match.expand(other)
                break
    return found


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
