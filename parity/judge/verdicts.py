"""The verdict on a port: its error against the float64 truth, in units of the reference's own.

For every array, e_ref is the largest error of several legitimate float32 runs of the reference,
and e_port the port's error, both against the truth. The ratio e_port / max(e_ref, floor) is taken
in the 2-norm and in the max-norm. The floor is what the array's kind, forward or gradient, has for
typical error in this network: the reference may be lucky with one array, or sum it in pairs where
others sum one after another. What the bound rests on is in docs/how-parity-is-judged.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from restoration.process.arrays import Reader

BOUND = 16.0
"""Largest ratio of an honest port. Measured: honest ports stay below 5, faults start at 50."""

HALF_ULP = 2.0**-24
"""Least error that a float32 result can be expected to have, relative to its size."""


class Verdict(StrEnum):
    """What is known of a port on a case, or of one of its arrays."""

    AGREE = "agree"
    DIFFER = "differ"
    INCOMPLETE = "incomplete"
    FAILED = "could not run"


@dataclass(frozen=True)
class Error:
    """The distance of an array from the truth in both norms.

    Positions where the truth is not finite are left out; `mismatch` says in words when the array
    cannot be compared at all, or is not finite where the truth is.
    """

    two_norm: float = 0.0
    max_norm: float = 0.0
    mismatch: str = ""


@dataclass(frozen=True)
class Noise:
    """What the reference's float32 runs say of an array, in both norms.

    error: their largest. size: of the truth. floor: the least error that is expected of a port.
    """

    error: tuple[float, float]
    size: tuple[float, float]
    floor: tuple[float, float] = (0.0, 0.0)

    @property
    def is_vanishing(self) -> bool:
        """Whether the truth is zero but for rounding, as a bias's gradient before a softmax."""
        return any(error >= size > 0 for error, size in zip(self.error, self.size, strict=True))


@dataclass(frozen=True)
class ArrayVerdict:
    """One array of a port.

    ratio: the larger of both norms', infinite where the arrays cannot be compared. noise: the
    reference's own error in the max-norm, relative to the largest value, 0 for an array that is
    zero but for rounding. why: empty if it agrees.
    """

    name: str
    verdict: Verdict
    ratio: float
    two_ratio: float = 0.0
    max_ratio: float = 0.0
    noise: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class CaseVerdict:
    """A port on a case. arrays: every expected one, and unexpected ones as INCOMPLETE."""

    verdict: Verdict
    arrays: Sequence[ArrayVerdict]
    expected: int
    compared: int

    @property
    def worst(self) -> ArrayVerdict | None:
        """The array with the largest ratio."""
        return max(self.arrays, key=lambda array: array.ratio, default=None)


def error_of(array: np.ndarray, truth: np.ndarray) -> Error:
    """Compare an array with the truth, in float64."""
    if array.shape != truth.shape:
        return Error(mismatch=f"shape {array.shape}, expected {truth.shape}")
    if not np.issubdtype(truth.dtype, np.inexact):
        wrong = int(np.count_nonzero(array != truth))
        return Error(mismatch=f"{wrong} of {truth.size} integers differ" if wrong else "")
    if array.dtype != np.float32:
        return Error(mismatch=f"dtype {array.dtype}, expected float32")
    exact = truth.astype(np.float64)
    value = array.astype(np.float64)
    finite = np.isfinite(exact)
    if not finite.all() or not np.isfinite(value).all():
        same = np.array_equal(np.isnan(value), np.isnan(exact)) and np.array_equal(
            value[np.isinf(exact)], exact[np.isinf(exact)]
        )
        if not same or not np.array_equal(np.isfinite(value), finite):
            wrong = int(np.count_nonzero(np.isfinite(value) != finite))
            return Error(mismatch=f"NaN or Inf at {wrong} places where the truth has none")
        exact, value = exact[finite], value[finite]
    difference = np.abs(value - exact)
    return Error(
        two_norm=float(np.linalg.norm(difference)),
        max_norm=float(difference.max(initial=0.0)),
    )


def size_of(truth: np.ndarray) -> tuple[float, float]:
    """The 2-norm and the largest absolute value of an array's finite numbers."""
    exact = truth.astype(np.float64)
    exact = exact[np.isfinite(exact)]
    return float(np.linalg.norm(exact)), float(np.abs(exact).max(initial=0.0))


def margins_of(reference: Mapping[str, Any]) -> dict[str, str]:
    """The arrays that hold decisions, each with the one that holds their margins."""
    decisions = reference["decisions"]
    return {f"output/{name}": f"output/{margin}" for name, margin in decisions.items()}


def noise_of(reference: Mapping[str, Any]) -> dict[str, Noise]:
    """The noise of each array but decisions, from the result of `measure_reference`."""
    margins = margins_of(reference)
    return _with_floors(
        {
            name: Noise(_largest(reference["noise"][name].values()), tuple(size))
            for name, size in reference["sizes"].items()
            if name not in reference["unusable"] and name not in margins
        }
    )


def _largest(errors: Iterable[Sequence[float]]) -> tuple[float, float]:
    """The largest error of some runs, in each norm."""
    two_norms, max_norms = zip(*errors, strict=True)
    return max(two_norms), max(max_norms)


def _with_floors(noise: Mapping[str, Noise]) -> dict[str, Noise]:
    """Give each array the median relative error of its kind as a floor, times its size.

    An array that is zero but for rounding has no size of its own; it gets its kind's.
    """
    floored: dict[str, Noise] = {}
    for kind in (False, True):
        members = {name: array for name, array in noise.items() if is_gradient(name) is kind}
        regular = [
            array for array in members.values() if all(array.size) and not array.is_vanishing
        ]
        if not regular:
            floored |= members
            continue
        sizes = np.array([array.size for array in regular])
        errors = np.array([array.error for array in regular])
        relative = np.maximum(HALF_ULP, np.median(errors / sizes, axis=0))
        typical = np.median(sizes, axis=0)
        for name, array in members.items():
            size = typical if array.is_vanishing else np.array(array.size)
            two_norm, max_norm = relative * size
            floored[name] = dataclasses.replace(array, floor=(two_norm, max_norm))
    return {name: floored[name] for name in noise}


def is_gradient(name: str) -> bool:
    """Whether an array is a gradient, by its name."""
    return name.startswith("gradient/")


def judge_array(name: str, array: np.ndarray, truth: np.ndarray, noise: Noise) -> ArrayVerdict:
    """Judge one array of a port."""
    error = error_of(array, truth)
    if error.mismatch:
        return _unequal(name, error.mismatch)
    return _judge_error(name, error, noise)


def judge_case(
    port: Reader,
    truth: Reader,
    problem: Reader,
    reference: Mapping[str, Any],
    modes: Sequence[str],
) -> CaseVerdict:
    """Judge all arrays of a port against everything that the reference has.

    reference: the result of `measure_reference`. modes: further modes of execution whose outputs
    the port must have given.
    """
    noise = noise_of(reference)
    margins = margins_of(reference)
    sources = {name: name for name in truth.names}
    for name in truth.names:
        if name.startswith("output/"):
            sources |= {name.replace("output/", f"output@{mode}/", 1): name for mode in modes}
    verdicts = []
    for name, source in sources.items():
        if name not in port:
            verdicts.append(_unmatched(name, "the port gave none"))
        elif source in reference["unusable"]:
            why = f"the reference's own float32 run has {reference['unusable'][source]}"
            verdicts.append(_unmatched(name, why))
        elif source in margins:
            margin = margins[source]
            verdicts.append(
                judge_decisions(name, port[name], truth[source], truth[margin], noise[margin])
            )
        else:
            verdicts.append(judge_array(name, port[name], truth[source], noise[source]))
    parameters = {
        name.replace("weights/", "parameter/", 1): name
        for name in problem.names
        if name.startswith("weights/")
    }
    for name, source in parameters.items():
        if name not in port:
            verdicts.append(_unmatched(name, "the port gave none"))
        else:
            verdicts.append(_judge_parameter(name, port[name], problem[source]))
    verdicts += [
        _unmatched(name, "the reference has none of that name")
        for name in port.names
        if name not in sources and name not in parameters
    ]
    return _collect(verdicts)


def judge_reference(reference: Mapping[str, Any]) -> CaseVerdict:
    """Judge the reference's plain float32 run by its other float32 runs, as if it were a port."""
    plain = {}
    others = {}
    margins = margins_of(reference)
    for name, runs in reference["noise"].items():
        if name in margins:
            continue
        plain[name], *rest = runs.values()
        others[name] = Noise(_largest(rest), tuple(reference["sizes"][name]))
    noise = _with_floors(others)
    return _collect(
        [
            _unequal(name, reference["unusable"][name])
            if name in reference["unusable"]
            else _judge_error(name, Error(*plain[name]), noise[name])
            if name in plain
            else ArrayVerdict(name, Verdict.AGREE, 0.0)
            for name in reference["noise"]
        ]
    )


def judge_decisions(
    name: str, decisions: np.ndarray, truth: np.ndarray, margins: np.ndarray, noise: Noise
) -> ArrayVerdict:
    """Judge decisions by how clear they were: the ratio is the largest margin against which one
    was taken, in units of the margins' own noise."""
    error = error_of(decisions, truth)
    if error.mismatch:
        return _unequal(name, error.mismatch)
    differ = (decisions > 0.5) != (truth > 0.5)
    if not differ.any():
        return ArrayVerdict(name, Verdict.AGREE, 0.0)
    largest = float(np.abs(margins[differ]).max())
    unit = max(noise.error[1], noise.floor[1], HALF_ULP * noise.size[1])
    ratio = quotient(largest, unit)
    why = (
        f"{differ.sum()} of {differ.size} decisions differ, one against a margin of {largest:.2g}, "
        f"{ratio:.3g} times its noise"
    )
    verdict = Verdict.AGREE if ratio <= BOUND else Verdict.DIFFER
    return ArrayVerdict(name, verdict, ratio, max_ratio=ratio, why=why)


def _judge_error(name: str, error: Error, noise: Noise) -> ArrayVerdict:
    """Judge an error by the reference's."""
    units = [
        max(own, floor, HALF_ULP * size)
        for own, floor, size in zip(noise.error, noise.floor, noise.size, strict=True)
    ]
    two_ratio = quotient(error.two_norm, units[0])
    max_ratio = quotient(error.max_norm, units[1])
    ratio = max(two_ratio, max_ratio)
    relative_noise = 0.0 if noise.is_vanishing else quotient(noise.error[1], noise.size[1])
    if ratio <= BOUND:
        return ArrayVerdict(name, Verdict.AGREE, ratio, two_ratio, max_ratio, relative_noise)
    norm = "2-norm" if two_ratio >= max_ratio else "max-norm"
    relative_error = quotient(error.max_norm, noise.size[1])
    why = (
        f"{ratio:.3g} times the reference's own error in the {norm}, "
        f"up to {relative_error:.2g} of the largest value"
    )
    return ArrayVerdict(name, Verdict.DIFFER, ratio, two_ratio, max_ratio, relative_noise, why)


def _judge_parameter(name: str, back: np.ndarray, given: np.ndarray) -> ArrayVerdict:
    """A parameter read back after loading must be the one that was sent, bit for bit."""
    same_kind = back.dtype == given.dtype and back.shape == given.shape
    if same_kind and back.tobytes() == given.tobytes():
        return ArrayVerdict(name, Verdict.AGREE, 0.0)
    return _unequal(name, "changed by loading")


def _unequal(name: str, why: str) -> ArrayVerdict:
    return ArrayVerdict(name, Verdict.DIFFER, np.inf, np.inf, np.inf, why=why)


def _unmatched(name: str, why: str) -> ArrayVerdict:
    return ArrayVerdict(name, Verdict.INCOMPLETE, 0.0, why=why)


def _collect(verdicts: Sequence[ArrayVerdict]) -> CaseVerdict:
    """A difference outweighs a gap, a gap outweighs agreement; nothing compared is a gap."""
    kinds = {array.verdict for array in verdicts}
    missing = sum(array.verdict is Verdict.INCOMPLETE for array in verdicts)
    if Verdict.DIFFER in kinds:
        overall = Verdict.DIFFER
    elif missing or not verdicts:
        overall = Verdict.INCOMPLETE
    else:
        overall = Verdict.AGREE
    return CaseVerdict(overall, verdicts, len(verdicts), len(verdicts) - missing)


def quotient(numerator: float, denominator: float) -> float:
    """0/0 is 0, and anything else over 0 is infinite."""
    if numerator == 0.0:
        return 0.0
    return numerator / denominator if denominator else np.inf
