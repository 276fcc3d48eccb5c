"""Why a stretch differs: known causes are tried on the reference until it computes the same.

A cause is one call done otherwise, at each place that has the same line; or a number of a call,
which is then solved for. Several causes in one stretch are found together. Only what brings the
reference to the port's numbers within rounding is named.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.diagnose.forced import Check, Forced, ratio_of
from parity.judge.errors import norms_of
from parity.judge.verdicts import BOUND

# In seconds of the thread's own time, so that no other work on the machine counts.
_BUDGET_S = 12.0  # for one stretch
_WHOLE_BUDGET_S = 180.0  # for all; then each has what follows
_LEAST_BUDGET_S = 1.5
_KEPT = 30  # of the steps that are combined with others, those that come closest alone
_KEPT_PAIRS = 8
_MOST_KNOWN = 5
_MOST_OPERANDS = 24
_FIT_STEPS = 12
_MOST_UNKNOWNS = 6


@dataclass(frozen=True)
class Step:
    """One thing done otherwise. calls: numbers of the calls, none for what is done to the end.

    site: where and what, the same in every stretch that runs the same line.
    """

    cause: str
    detail: str
    site: tuple[Any, ...]
    calls: tuple[int, ...] = ()
    changes: tuple[Any, ...] = ()
    ending: Any = None
    is_after: bool = False


@dataclass(frozen=True)
class Explanation:
    """Steps that together make the reference compute what the port has."""

    steps: tuple[Step, ...]
    ratio_before: float
    ratio_after: float


@dataclass
class _Unknown:
    """A number to solve for, at every call of its site."""

    site: tuple[Any, ...]
    numbers: tuple[Any, ...]
    cause: str

    @property
    def value(self) -> np.ndarray:
        return np.array(self.numbers[0].value, np.float64)


class Search:
    """Explains stretches one after another; what explained one is tried first on the next.

    catalogue: the module with the changes of calls (`torch_impl/mutations.py`).
    """

    def __init__(self, forced: Forced, catalogue: Any):
        self._forced, self._catalogue = forced, catalogue
        self._started = time.thread_time()
        self._known: dict[tuple[Any, ...], str] = {}
        self._known_values: dict[tuple[Any, ...], tuple[float, ...]] = {}

    def explain(self, check: Check) -> Explanation | None:
        """What makes the reference compute the port's numbers at a check, if that is known."""
        self._check = check
        self._stretch = self._forced.stretch_of(check)
        left = self._started + _WHOLE_BUDGET_S - time.thread_time()
        budget = min(_BUDGET_S, max(_LEAST_BUDGET_S, left))
        self._deadline = time.thread_time() + budget
        self._residuals: dict[tuple[int, ...], float] = {}
        steps = self._steps()
        unknowns = self._unknowns()
        for found in self._attempts(steps, unknowns):
            ratio = self._verified(found)
            if ratio <= BOUND:
                for step in found:
                    self._known[step.site] = step.detail
                return Explanation(tuple(found), check.ratio, ratio)
        return None

    # What is tried, in order.

    def _attempts(
        self, steps: Sequence[Step], unknowns: Sequence[_Unknown]
    ) -> Iterator[tuple[Step, ...]]:
        """Combinations of steps that may explain the stretch, the likeliest first."""
        starts: list[tuple[Step, ...]] = []
        yield from self._of_known(steps, unknowns, starts)
        ranked: list[tuple[float, tuple[Step, ...]]] = []
        for start in [*dict.fromkeys(starts), ()]:
            others = [(step,) for step in steps]
            yield from self._combined([start], others, ranked)
            yield from self._solved(start, unknowns)
        if (offset := self._offset()) is not None:
            yield (offset,)
        best = _best(ranked, _KEPT)
        for chosen in best:
            yield from self._solved(chosen, unknowns)
        pairs: list[tuple[float, tuple[Step, ...]]] = []
        yield from self._combined(best, _best(ranked, len(ranked)), pairs)
        for chosen in _best(pairs, _KEPT_PAIRS):
            yield from self._solved(chosen, unknowns)
        yield from self._combined(_best(pairs, _KEPT_PAIRS), [(step,) for step in steps], [])

    def _of_known(
        self,
        steps: Sequence[Step],
        unknowns: Sequence[_Unknown],
        starts: list[tuple[Step, ...]],
    ) -> Iterator[tuple[Step, ...]]:
        """What explained other stretches; `starts` gets what others are tried on top of."""
        known = [step for step in steps if self._known.get(step.site) == step.detail]
        known += [
            self._fixed(unknown, self._known_values[unknown.site])
            for unknown in unknowns
            if unknown.site in self._known_values
        ]
        tried: list[tuple[float, tuple[Step, ...]]] = []
        for count in range(1, min(len(known), _MOST_KNOWN) + 1):
            yield from self._combined([()], itertools.combinations(known, count), tried)
        starts += [chosen for _, chosen in tried[-1:]]
        starts += [
            chosen
            for residual, chosen in sorted(tried, key=lambda item: item[0])[:2]
            if residual < self._check.ratio
        ]

    def _combined(
        self,
        starts: Sequence[tuple[Step, ...]],
        others: Iterable[tuple[Step, ...]],
        ranked: list[tuple[float, tuple[Step, ...]]],
    ) -> Iterator[tuple[Step, ...]]:
        """Steps on top of others that meet the port's numbers; `ranked` gets all that were tried,
        with how far they are off."""
        others = list(others)
        for start in starts:
            for other in others:
                combined = (*start, *(step for step in other if step not in start))
                if len(combined) == len(start) or _overlap(combined):
                    continue
                if self._is_late():
                    return
                residual = self._residual(combined)
                if residual <= 1.5 * BOUND:
                    yield combined
                elif math.isfinite(residual):
                    ranked.append((residual, combined))

    def _is_late(self) -> bool:
        return time.thread_time() > self._deadline

    def _solved(
        self, start: tuple[Step, ...], unknowns: Sequence[_Unknown]
    ) -> Iterator[tuple[Step, ...]]:
        """A number solved for, alone, and any two together where that is cheap."""
        taken = {call for step in start for call in step.calls if not step.is_after}
        free = [
            unknown
            for unknown in unknowns
            if not taken.intersection(number.call for number in unknown.numbers)
        ]
        for unknown in free:
            if (found := self._fit(start, [unknown])) is not None:
                yield (*start, *found)
        if not start:
            for pair in itertools.combinations(free, 2):
                if self._is_late():
                    return
                calls = [number.call for unknown in pair for number in unknown.numbers]
                if len(set(calls)) == len(calls) and (found := self._fit(start, pair)) is not None:
                    yield (*start, *found)

    def _offset(self) -> Step | None:
        """A number for each channel that is added behind a layer without a bias."""
        layers = [
            call
            for call in self._stretch.calls
            if call.name == "linear" or call.name.startswith("conv")
        ]
        if not layers or any(self._has_bias(call) for call in layers):
            return None
        off = self._check.value - self._check.computed
        axis = off.ndim - 1 if layers[-1].name == "linear" else 1
        others = tuple(place for place in range(off.ndim) if place != axis)
        mean = off.mean(others, keepdims=True)
        if np.ptp(mean) == 0:
            return None

        def ending(value: Any) -> Any:
            return value + type(value)(mean) if isinstance(value, np.ndarray) else value + mean

        return Step("bias extra", "one for each channel", ("end", "bias"), ending=ending)

    @staticmethod
    def _has_bias(call: Any) -> bool:
        return (len(call.arguments) > 2 and call.arguments[2] is not None) or (
            call.keywords.get("bias") is not None
        )

    # Steps.

    def _steps(self) -> list[Step]:
        """Everything known that can be otherwise in the stretch."""
        grouped: dict[Any, list[Any]] = defaultdict(list)
        single: list[Step] = []
        for call in self._stretch.calls:
            for found in self._catalogue.mutations(call, self._value):
                cause = found.cause
                if cause == "order of parts" and self._makes_likenesses(call):
                    cause = "order of queries, keys and values"
                site = (*_site(call), cause)
                grouped[site, found.detail].append(replace(found, cause=cause))
        steps: list[Step] = []
        for (site, detail), members in grouped.items():
            if len(members) > 1:
                steps.append(_step(site, detail, members))
            single += [_step(site, detail, [member]) for member in members[:4]]
        steps += single
        low, high = float(self._check.value.min()), float(self._check.value.max())
        for cause, detail, ending in self._catalogue.endings(low, high):
            site = ("end", self._check.reference.rpartition(".")[2], cause)
            steps.append(Step(cause, detail, site, ending=ending))
        steps += self._operands()
        order = {"split order": 1, "activation extra": 3, "half precision": 4}
        return sorted(
            steps,
            key=lambda step: order.get(step.cause, 2 if step.ending is not None else 0),
        )

    def _operands(self) -> Iterator[Step]:
        """Sums whose operand is another tensor that was there."""
        tape = self._forced.tape
        for call in self._stretch.calls:
            if call.name not in ("add", "__add__", "__radd__", "__iadd__", "add_"):
                continue
            for place, part in enumerate(call.arguments[:2]):
                slot = getattr(part, "slot", None)
                if slot is None:
                    continue
                shape = tape.tensors[slot].shape
                others = [
                    number
                    for number, (other, _) in enumerate(tape.taps)
                    if other != slot
                    # What the operand was computed from is no other branch: a step is left out.
                    and number not in tape.history(slot).sources
                    and tape.tensors[other].shape == shape
                    and tape.made[number] <= call.number
                ]
                for number in others[:: max(1, len(others) // _MOST_OPERANDS)]:
                    yield Step(
                        "skip from the wrong place",
                        "another tensor is added",
                        (*_site(call), "skip", place, number),
                        (call.number,),
                        (_with_operand(place, tape.tapped(number)),),
                    )

    def _unknowns(self) -> list[_Unknown]:
        grouped: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for call in self._stretch.calls:
            for number in self._catalogue.numbers(call, self._value, self._is_constant):
                site = (*_site(call), str(number.argument), number.value)
                grouped[site].append(replace(number, cause=self._word(call, number)))
        return [
            _Unknown(site, tuple(members), members[0].cause) for site, members in grouped.items()
        ]

    def _word(self, call: Any, number: Any) -> str:
        """What a factor or an offset is, by what its result is used for."""
        if number.cause == "constant" and len(number.value) == 3:
            return "normalisation constant"
        if number.cause != "scale":
            return number.cause
        if len(number.value) == 3:
            return "normalisation constant"
        following = set(call.results)
        for other in self._stretch.calls:
            slots = {part.slot for part in places((other.arguments, other.keywords))}
            if other.number <= call.number or not slots & following:
                continue
            if "softmax" in other.name or self._is_likeness(other, slots):
                return "attention scale"
            following |= set(other.results)
        for other in self._stretch.calls:
            slots = {part.slot for part in places((other.arguments, other.keywords))}
            if other.name in ("add", "__add__", "__radd__", "__iadd__") and slots & set(
                call.results
            ):
                return "residual scale"
        return "scale"

    def _is_likeness(self, call: Any, slots: set[int]) -> bool:
        """Whether a call multiplies matrices that both depend on what was put in."""
        return call.name in ("matmul", "__matmul__", "bmm", "einsum") and (
            sum(bool(self._forced.tape.history(slot).sources) for slot in slots) > 1
        )

    def _makes_likenesses(self, call: Any) -> bool:
        """Whether what a call gives, or is split into, are queries, keys and values: two of the
        three are multiplied as matrices."""
        whole, parts = set(call.results), list[set[int]]()
        if len(call.results) == 3:
            whole, parts = set(), [{slot} for slot in call.results]
        for other in self._stretch.calls:
            slots = {part.slot for part in places((other.arguments, other.keywords))}
            if other.number <= call.number:
                continue
            if slots & whole:
                if len(other.results) == 3 or other.name in ("__getitem__", "select", "narrow"):
                    parts += [{slot} for slot in other.results]
                else:
                    whole.update(other.results)
                continue
            met = [part for part in parts if part & slots]
            if len(met) > 1:
                is_one = other.name == "scaled_dot_product_attention"
                return len(parts) == 3 and (is_one or self._is_likeness(other, slots))
            for part in met:
                part.update(other.results)
        return False

    def _is_constant(self, slot: int) -> bool:
        tensor = self._forced.tape.tensors[slot]
        history = self._forced.tape.history(slot)
        return not history.sources and type(tensor).__name__ != "Parameter"

    def _value(self, part: Any) -> Any:
        slot = getattr(part, "slot", None)
        return part if slot is None else self._forced.tape.tensors[slot]

    # Trying.

    def _play(self, steps: Sequence[Step], **options: Any) -> np.ndarray | None:
        changes: dict[int, Any] = {}
        ending: Callable[[Any], Any] | None = None
        for step in sorted(steps, key=lambda step: step.is_after):
            for call, change in zip(step.calls, step.changes, strict=True):
                before = changes.get(call)
                changes[call] = _followed(before, change) if step.is_after else change
            if step.ending is not None:
                ending = _chained(ending, step.ending)
        try:
            return self._forced.tape.play(self._stretch, changes=changes, ending=ending, **options)
        except Exception:  # the change does not fit what the call got
            return None

    def _residual(self, steps: Sequence[Step]) -> float:
        found = self._play(steps)
        if found is None:
            return math.inf
        units = self._check.units
        if any(step.cause == "half precision" for step in steps):
            units = self._half_units(steps, found)
        return ratio_of(self._check.value, found, units)

    def _half_units(self, steps: Sequence[Step], found: np.ndarray) -> Any:
        """What half precision may be off: products are summed in it, or are not. Only where the
        port's numbers are all of that precision."""
        name = next(step.detail for step in steps if step.cause == "half precision")
        if not _is_half(self._check.value, name):
            return type(self._check.units)(0.0, 0.0)
        norms = norms_of(found)
        coarse = (2.0**-9 if name == "float16" else 2.0**-6) / BOUND
        return type(self._check.units)(coarse * norms.two, coarse * norms.max)

    def _verified(self, steps: Sequence[Step]) -> float:
        """The ratio with the noise of the changed stretch itself."""
        found = self._play(steps)
        if found is None:
            return math.inf
        errors = [
            norms_of(single.astype(np.float64) - found)
            for seed in range(2)
            if (single := self._play(steps, single=True, scale=self._wobble(seed))) is not None
            and single.shape == found.shape
        ]
        units = self._check.units
        if errors:
            norms = norms_of(found)
            ulp = 2.0**-23
            units = type(units)(
                max(ulp * norms.two, *(error.two for error in errors)),
                max(ulp * norms.max, *(error.max for error in errors)),
            )
        if any(step.cause == "half precision" for step in steps):
            units = self._half_units(steps, found)
        return ratio_of(self._check.value, found, units)

    def _wobble(self, seed: int) -> Any:
        return self._forced.tapes.wobble(seed) if seed else None

    # Solving for numbers.

    def _fixed(self, unknown: _Unknown, value: Sequence[float]) -> Step:
        old = ", ".join(f"{number:.6g}" for number in unknown.value)
        new = ", ".join(f"{number:.6g}" for number in value)
        is_rounded = unknown.cause in ("constant", "scale") and all(
            _is_rounded(*pair) for pair in zip(value, unknown.value, strict=True)
        )
        return Step(
            "constant rounded" if is_rounded else unknown.cause,
            f"{new} for {old}",
            unknown.site,
            tuple(number.call for number in unknown.numbers),
            tuple(number.change(value) for number in unknown.numbers),
        )

    def _fit(
        self, start: tuple[Step, ...], unknowns: Sequence[_Unknown]
    ) -> tuple[Step, ...] | None:
        """Steps with the numbers that meet the port's; None where none do."""
        sizes = [len(unknown.value) for unknown in unknowns]
        if sum(sizes) > _MOST_UNKNOWNS or sum(len(unknown.numbers) for unknown in unknowns) > 64:
            return None
        cuts = np.cumsum(sizes)[:-1]
        old = np.concatenate([unknown.value for unknown in unknowns])
        positive = np.repeat([unknown.numbers[0].positive for unknown in unknowns], sizes)
        target = self._check.value

        def steps_at(theta: np.ndarray) -> tuple[Step, ...]:
            return tuple(
                self._fixed(unknown, tuple(map(float, part)))
                for unknown, part in zip(unknowns, np.split(theta, cuts), strict=True)
            )

        def off(theta: np.ndarray) -> np.ndarray | None:
            found = self._play((*start, *steps_at(theta)))
            if found is None or found.shape != target.shape or not np.isfinite(found).all():
                return None
            return (found - target).ravel()

        theta = solve(off, old, positive, self._check.units.two, self._is_late)
        if theta is None or (np.abs(theta) < 1e-9 * np.abs(old)).any():
            return None  # a number that is left out is another step's to say
        if self._residual((*start, *steps_at(theta))) > 1.5 * BOUND:
            return None
        least = max(self._residual((*start, *steps_at(theta))), 1.0)
        for digits in range(1, 6):  # what a person would have written
            rounded = np.array([float(f"{number:.{digits}g}") for number in theta])
            if self._residual((*start, *steps_at(rounded))) <= 2 * least:
                theta = rounded
                break
        for unknown, part in zip(unknowns, np.split(theta, cuts), strict=True):
            self._known_values[unknown.site] = tuple(map(float, part))
        return steps_at(theta)


def solve(
    off: Callable[[np.ndarray], np.ndarray | None],
    start: np.ndarray,
    positive: np.ndarray,
    unit: float,
    is_late: Callable[[], bool],
) -> np.ndarray | None:
    """Numbers at which a residual vanishes, by Gauss and Newton's steps; None where it does not.

    off: the residual, None where it cannot be had. positive: which can only be that. unit: of
    rounding, in the 2-norm.
    """
    theta, residual = start, off(start)
    if residual is None:
        return None
    first = least = float(np.linalg.norm(residual))
    for number in range(_FIT_STEPS):
        move = None if is_late() else _move(off, theta, residual, positive)
        if move is None:
            return None
        trial = np.where(positive & (theta + move <= 0), theta / 10, theta + move)
        other = off(trial)
        for _ in range(4):
            if other is not None and np.linalg.norm(other) <= least:
                break
            trial = theta + (trial - theta) / 2
            other = off(trial)
        if other is None:
            return None
        theta, residual = trial, other
        now = float(np.linalg.norm(residual))
        if now > 0.9 * first and number >= 1:
            return None  # these numbers are not it
        if now <= 0.5 * BOUND * unit or now >= 0.999 * least:
            break
        least = min(least, now)
    return theta


def _move(
    off: Callable[[np.ndarray], np.ndarray | None],
    theta: np.ndarray,
    residual: np.ndarray,
    positive: np.ndarray,
) -> np.ndarray | None:
    """The step to where the residual, taken as linear, is least."""
    columns = []
    for place in range(len(theta)):
        step = 1e-6 * max(abs(theta[place]), 1e-12 if positive[place] else 1e-3)
        moved = theta.copy()
        moved[place] += step
        other = off(moved)
        if other is None:
            return None
        columns.append((other - residual) / step)
    jacobian = np.stack(columns, 1)
    if not np.abs(jacobian).max():
        return None
    move: np.ndarray = np.linalg.lstsq(jacobian, -residual, rcond=None)[0]
    return move


def _best(ranked: Sequence[tuple[float, tuple[Step, ...]]], count: int) -> list[tuple[Step, ...]]:
    return [chosen for _, chosen in sorted(ranked, key=lambda item: item[0])[:count]]


def _is_rounded(number: float, other: float) -> bool:
    """Whether a number is another with fewer digits."""
    return number != other and any(
        math.isclose(number, float(f"{other:.{digits}g}"), rel_tol=1e-9) for digits in range(2, 8)
    )


def _is_half(values: np.ndarray, name: str) -> bool:
    """Whether all numbers are ones that a type of 16 bits holds."""
    single = values.astype(np.float32)
    if name == "float16":
        return bool((single.astype(np.float16).astype(np.float32) == single).all())
    return not bool((single.view(np.uint32) & 0xFFFF).any())


def _overlap(steps: Sequence[Step]) -> bool:
    calls = [(call, step.is_after) for step in steps for call in step.calls]
    endings = [step.cause for step in steps if step.ending is not None]
    return len(set(calls)) < len(calls) or len(set(endings)) < len(endings)


def _site(call: Any) -> tuple[Any, ...]:
    return (*(call.frames[0][:2] if call.frames else ("", 0)), call.name)


def _step(site: tuple[Any, ...], detail: str, members: Sequence[Any]) -> Step:
    return Step(
        members[0].cause,
        detail,
        site,
        tuple(member.call for member in members),
        tuple(member.change for member in members),
        is_after=members[0].is_after,
    )


def _followed(first: Any, second: Callable[[Any], Any]) -> Any:
    """A change of a call whose result is changed, too."""

    def changed(function: Any, args: Any, kwargs: Any) -> Any:
        result = function(*args, **kwargs) if first is None else first(function, args, kwargs)
        return second(result)

    return changed


def _chained(first: Callable[[Any], Any] | None, second: Callable[[Any], Any]) -> Any:
    if first is None:
        return second
    return lambda value: second(first(value))


def _with_operand(place: int, value: Any) -> Any:
    def changed(function: Any, args: Any, kwargs: Any) -> Any:
        other = tuple(
            value.to(part.dtype) if number == place else part for number, part in enumerate(args)
        )
        return function(*other, **kwargs)

    return changed


def places(values: Any) -> Iterator[Any]:
    """What stands for a recorded tensor in the arguments of a call, however they are nested."""
    if hasattr(values, "slot"):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from places(value)
    elif isinstance(values, tuple | list):
        for value in values:
            yield from places(value)
