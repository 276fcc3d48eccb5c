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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.diagnose.forced import Check, Forced
from parity.judge.errors import norms_of
from parity.judge.verdicts import BOUND

_BUDGET_S = 12.0  # for one stretch
_KEPT = 30  # of the steps that are combined with others, those that come closest alone
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
        self._known: dict[tuple[Any, ...], str] = {}
        self._known_values: dict[tuple[Any, ...], tuple[float, ...]] = {}

    def explain(self, check: Check) -> Explanation | None:
        """What makes the reference compute the port's numbers at a check, if that is known."""
        self._check = check
        self._stretch = self._forced.stretch_of(check)
        self._deadline = time.monotonic() + _BUDGET_S
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
        known = [step for step in steps if self._known.get(step.site) == step.detail]
        known += [
            self._fixed(unknown, self._known_values[unknown.site])
            for unknown in unknowns
            if unknown.site in self._known_values
        ]
        bases: list[tuple[float, tuple[Step, ...]]] = []
        for count in range(1, min(len(known), 5) + 1):
            for chosen in itertools.combinations(known, count):
                if _overlap(chosen):
                    continue
                residual = self._residual(chosen)
                bases.append((residual, chosen))
                if residual <= 1.5 * BOUND:
                    yield chosen
        ordered = sorted(bases, key=lambda item: item[0])[:2]
        starts: list[tuple[Step, ...]] = [chosen for _, chosen in bases[-1:]]
        starts += [chosen for residual, chosen in ordered if residual < self._check.ratio]
        starts = [*dict.fromkeys(starts), ()]
        ranked: list[tuple[float, tuple[Step, ...]]] = []
        for start in starts:
            for step in steps:
                chosen = (*start, step)
                if _overlap(chosen):
                    continue
                residual = self._residual(chosen)
                if residual <= 1.5 * BOUND:
                    yield chosen
                elif math.isfinite(residual):
                    ranked.append((residual, chosen))
            for chosen in self._solved(start, unknowns):
                yield chosen
        ranked.sort(key=lambda item: item[0])
        best = [chosen for _, chosen in ranked[:_KEPT]]
        for chosen in best:
            if self._is_late():
                return
            yield from self._solved(chosen, unknowns)
        pairs: list[tuple[float, tuple[Step, ...]]] = []
        for chosen in best:
            for _, other in ranked:
                combined = (*chosen, *(step for step in other if step not in chosen))
                if len(combined) == len(chosen) or _overlap(combined):
                    continue
                if self._is_late():
                    return
                residual = self._residual(combined)
                if residual <= 1.5 * BOUND:
                    yield combined
                elif math.isfinite(residual):
                    pairs.append((residual, combined))
        pairs.sort(key=lambda item: item[0])
        for _, chosen in pairs[:8]:
            yield from self._solved(chosen, unknowns)
            for step in steps:
                if self._is_late():
                    return
                combined = (*chosen, step)
                if not _overlap(combined) and self._residual(combined) <= 1.5 * BOUND:
                    yield combined

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

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

    # Steps.

    def _steps(self) -> list[Step]:
        """Everything known that can be otherwise in the stretch."""
        tape, grouped = self._forced.tape, defaultdict(list)
        single: list[Step] = []
        for call in self._stretch.calls:
            for found in self._catalogue.mutations(call, self._value):
                site = (*_site(call), found.cause)
                grouped[site, found.detail].append(found)
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
        order = {"activation extra": 1, "half precision": 2}
        del tape
        return sorted(steps, key=lambda step: order.get(step.cause, 0))

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
                    (number, value)
                    for number, (other, value) in enumerate(tape.taps)
                    if other != slot and value.shape == shape and tape.made[number] <= call.number
                ]
                for number, value in others[:: max(1, len(others) // _MOST_OPERANDS)]:
                    yield Step(
                        "skip from the wrong place",
                        "another tensor is added",
                        (*_site(call), "skip", place, number),
                        (call.number,),
                        (_with_operand(place, value),),
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
            slots = {part.slot for part in _places((other.arguments, other.keywords))}
            if other.number <= call.number or not slots & following:
                continue
            if "softmax" in other.name:
                return "attention scale"
            following |= set(other.results)
        for other in self._stretch.calls:
            slots = {part.slot for part in _places((other.arguments, other.keywords))}
            if other.name in ("add", "__add__", "__radd__", "__iadd__") and slots & set(
                call.results
            ):
                return "residual scale"
        return "scale"

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
        return self._forced.ratio(self._check.value, found, units)

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
        return self._forced.ratio(self._check.value, found, units)

    def _wobble(self, seed: int) -> Any:
        return self._forced._tapes.wobble(seed) if seed else None

    # Solving for numbers.

    def _fixed(self, unknown: _Unknown, value: Sequence[float]) -> Step:
        old = ", ".join(f"{number:.6g}" for number in unknown.value)
        new = ", ".join(f"{number:.6g}" for number in value)
        return Step(
            unknown.cause,
            f"{new} for {old}",
            unknown.site,
            tuple(number.call for number in unknown.numbers),
            tuple(number.change(value) for number in unknown.numbers),
        )

    def _fit(
        self, start: tuple[Step, ...], unknowns: Sequence[_Unknown]
    ) -> tuple[Step, ...] | None:
        """Gauss and Newton's steps for a few numbers; None unless the port's numbers are met."""
        sizes = [len(unknown.value) for unknown in unknowns]
        if sum(sizes) > _MOST_UNKNOWNS or sum(len(unknown.numbers) for unknown in unknowns) > 64:
            return None
        cuts = np.cumsum(sizes)[:-1]
        theta = np.concatenate([unknown.value for unknown in unknowns])
        positive = np.concatenate(
            [
                np.full(size, unknown.numbers[0].positive)
                for size, unknown in zip(sizes, unknowns, strict=True)
            ]
        )
        target = self._check.value

        def steps_at(theta: np.ndarray) -> tuple[Step, ...]:
            parts = np.split(theta, cuts)
            return tuple(
                self._fixed(unknown, tuple(map(float, part)))
                for unknown, part in zip(unknowns, parts, strict=True)
            )

        def off(theta: np.ndarray) -> np.ndarray | None:
            found = self._play((*start, *steps_at(theta)))
            if found is None or found.shape != target.shape or not np.isfinite(found).all():
                return None
            return (found - target).ravel()

        residual = off(theta)
        if residual is None:
            return None
        first = least = float(np.linalg.norm(residual))
        for number in range(_FIT_STEPS):
            if self._is_late():
                return None
            columns = []
            for place in range(len(theta)):
                moved = theta.copy()
                step = 1e-6 * max(abs(theta[place]), 1e-3 if not positive[place] else 1e-12)
                moved[place] += step
                other = off(moved)
                if other is None:
                    return None
                columns.append((other - residual) / step)
            jacobian = np.stack(columns, 1)
            if not np.abs(jacobian).max():
                return None
            move = np.linalg.lstsq(jacobian, -residual, rcond=None)[0]
            trial = theta + move
            trial = np.where(positive & (trial <= 0), theta / 10, trial)
            other = off(trial)
            halvings = 0
            while (other is None or np.linalg.norm(other) > least) and halvings < 4:
                trial = theta + (trial - theta) / 2
                other = off(trial)
                halvings += 1
            if other is None:
                return None
            theta, residual = trial, other
            now = float(np.linalg.norm(residual))
            two = self._check.units.two
            if now <= 0.5 * BOUND * two and abs(now - least) <= 0.01 * two:
                break
            if now > 0.9 * first and number >= 1:
                return None  # this number is not it
            if now >= 0.999 * least:
                break
            least = min(least, now)
        found = steps_at(theta)
        old = np.concatenate([unknown.value for unknown in unknowns])
        if (np.abs(theta) < 1e-9 * np.abs(old)).any():
            return None  # something is left out, which other steps say better
        if self._residual((*start, *found)) > 1.5 * BOUND:
            return None
        least = max(self._residual((*start, *found)), 1.0)
        for digits in range(1, 6):  # what a person would have written
            rounded = np.array([float(f"{number:.{digits}g}") for number in theta])
            if self._residual((*start, *steps_at(rounded))) <= 2 * least:
                theta, found = rounded, steps_at(rounded)
                break
        for unknown, part in zip(unknowns, np.split(theta, cuts), strict=True):
            self._known_values[unknown.site] = tuple(map(float, part))
        return found


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


def _places(values: Any) -> Iterator[Any]:
    if hasattr(values, "slot"):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _places(value)
    elif isinstance(values, tuple | list):
        for value in values:
            yield from _places(value)
