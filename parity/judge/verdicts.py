"""The verdict on a port: its error against the float64 truth, in units of the reference's own.

For every array, e_ref is the largest error of several legitimate float32 runs of the reference,
and e_port the port's error, both against the truth. The ratio e_port / max(e_ref, floor) is taken
in the 2-norm and in the max-norm. The floor is what the array's kind, forward or gradient, has for
typical error in this network: the reference may be lucky with one array, or sum it in pairs where
others sum one after another. What the bound rests on is in docs/how-parity-is-judged.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from parity.judge.errors import Error, error_of, quotient
from parity.judge.measurement import ArrayKey, ArrayKind, ReferenceMeasurement
from parity.judge.noise import Noise, largest, noise_of, with_floors
from restoration.process.arrays import Reader

BOUND = 16.0
"""Largest ratio of an honest port. Measured: honest ports stay below 5, faults start at 50."""


class Verdict(StrEnum):
    """What is known of a port on a case, or of one of its arrays."""

    AGREE = "agree"
    DIFFER = "differ"
    INCOMPLETE = "incomplete"
    FAILED = "could not run"


NOT_GIVEN = "the port gave none"
"""Why an expected array could not be compared: the module was not run, say."""


@dataclass(frozen=True)
class ArrayVerdict:
    """One array of a port.

    ratio: the larger of both norms', infinite where the arrays cannot be compared. noise: the
    reference's own error in the max-norm, relative to the largest value, 0 for an array that is
    zero but for rounding. why: empty if it agrees. error, unit: in the max-norm and relative to the
    largest value, the port's error and the one that has the ratio 1; 0 where nothing was measured.
    """

    key: ArrayKey
    verdict: Verdict
    ratio: float
    two_ratio: float = 0.0
    max_ratio: float = 0.0
    noise: float = 0.0
    why: str = ""
    error: float = 0.0
    unit: float = 0.0


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

    def condensed(self) -> CaseVerdict:
        """The same with the worst array alone, for which there is room in a run of many cases."""
        return dataclasses.replace(self, arrays=[self.worst] if self.worst else [])


def judge_case(
    port: Reader,
    truth: Reader,
    weights: Mapping[str, np.ndarray],
    reference: ReferenceMeasurement,
    modes: Sequence[str],
) -> CaseVerdict:
    """Judge all arrays of a port against everything that the reference has.

    weights: what was sent to be loaded. modes: further modes of execution whose outputs the port
    must have given.
    """
    noise = noise_of(reference)
    exact = [ArrayKey.parse(name) for name in truth.names]
    outputs = [key for key in exact if key.kind is ArrayKind.OUTPUT]
    sources = {key: key for key in exact}
    sources |= {dataclasses.replace(key, mode=mode): key for key in outputs for mode in modes}
    found = {ArrayKey.parse(name): name for name in port.names}
    verdicts = []
    for key, source in sources.items():
        if key not in found:
            verdicts.append(unmatched(key, NOT_GIVEN))
        elif reference.has_no_truth and source in reference.nonfinite:
            why = f"the float64 truth itself has {reference.nonfinite[source]}"
            verdicts.append(unmatched(key, why))
        elif source in reference.unusable:
            why = f"the reference's own float32 run has {reference.unusable[source]}"
            verdicts.append(unmatched(key, why))
        elif source in reference.decisions:
            margin = reference.decisions[source]
            verdicts.append(
                judge_decisions(
                    key, port[found[key]], truth[str(source)], truth[str(margin)], noise[margin]
                )
            )
        else:
            array = port[found[key]]
            verdicts.append(judge_array(key, array, truth[str(source)], noise[source]))
    parameters = {ArrayKey.parameter(name): array for name, array in weights.items()}
    for key, given in parameters.items():
        if key not in found:
            verdicts.append(unmatched(key, NOT_GIVEN))
        else:
            verdicts.append(_judge_parameter(key, port[found[key]], given))
    verdicts += [
        unmatched(key, "the reference has none of that name")
        for key in found
        if key not in sources and key not in parameters
    ]
    return collect(verdicts)


def judge_reference(reference: ReferenceMeasurement) -> CaseVerdict:
    """Judge the reference's plain float32 run by its other float32 runs, as if it were a port."""
    plain = {}
    others = {}
    for key, runs in reference.noise.items():
        if key in reference.decisions:
            continue
        plain[key], *rest = runs.values()
        others[key] = Noise(largest(rest), reference.norms[key])
    noise = with_floors(others)
    return collect(
        [
            unmatched(key, f"the truth has {reference.nonfinite[key]}")
            if reference.has_no_truth and key in reference.nonfinite
            else unmatched(key, f"its own float32 runs have {reference.unusable[key]}")
            if key in reference.unusable
            else judge_error(key, Error(*plain[key]), noise[key])
            if key in plain
            else ArrayVerdict(key, Verdict.AGREE, 0.0)
            for key in reference.noise
        ]
    )


def judge_array(key: ArrayKey, array: np.ndarray, truth: np.ndarray, noise: Noise) -> ArrayVerdict:
    """Judge one array of a port."""
    return judge_error(key, error_of(array, truth), noise)


def judge_decisions(
    key: ArrayKey, decisions: np.ndarray, truth: np.ndarray, margins: np.ndarray, noise: Noise
) -> ArrayVerdict:
    """Judge decisions by how clear they were: the ratio is the largest margin against which one
    was taken, in units of the margins' own noise."""
    error = error_of(decisions, truth)
    if error.mismatch:
        return _unequal(key, error.mismatch)
    differ = (decisions > 0.5) != (truth > 0.5)
    if not differ.any():
        return ArrayVerdict(key, Verdict.AGREE, 0.0)
    margin = float(np.abs(margins[differ]).max())
    ratio = quotient(margin, noise.units.max)
    why = (
        f"{differ.sum()} of {differ.size} decisions differ, one against a margin of {margin:.2g}, "
        f"{ratio:.3g} times its noise"
    )
    verdict = Verdict.AGREE if ratio <= BOUND else Verdict.DIFFER
    return ArrayVerdict(key, verdict, ratio, max_ratio=ratio, why=why)


def judge_error(key: ArrayKey, error: Error, noise: Noise) -> ArrayVerdict:
    """Judge an error by the reference's."""
    if error.mismatch:
        return _unequal(key, error.mismatch)
    two_ratio = quotient(error.two_norm, noise.units.two)
    max_ratio = quotient(error.max_norm, noise.units.max)
    ratio = max(two_ratio, max_ratio)
    measured = ArrayVerdict(
        key,
        Verdict.AGREE,
        ratio,
        two_ratio,
        max_ratio,
        0.0 if noise.is_vanishing else quotient(noise.error.max, noise.norms.max),
        error=quotient(error.max_norm, noise.norms.max),
        unit=quotient(noise.units.max, noise.norms.max),
    )
    return rejudged(measured, BOUND)


def rejudged(array: ArrayVerdict, bound: float) -> ArrayVerdict:
    """What was measured of an array, judged by a bound.

    What could not be compared stays so, and so does what no bound excuses, whose ratio is infinite.
    """
    if array.verdict is Verdict.INCOMPLETE or (np.isinf(array.ratio) and array.why):
        return array
    verdict = Verdict.AGREE if array.ratio <= bound else Verdict.DIFFER
    why = array.why if verdict is array.verdict or verdict is Verdict.DIFFER else ""
    if verdict is Verdict.DIFFER and not why:
        norm = "2-norm" if array.two_ratio >= array.max_ratio else "max-norm"
        why = f"{array.ratio:.3g} times the reference's own error in the {norm}"
        why += f", up to {array.error:.2g} of the largest value" if array.error else ""
    return dataclasses.replace(array, verdict=verdict, why=why)


def _judge_parameter(key: ArrayKey, back: np.ndarray, given: np.ndarray) -> ArrayVerdict:
    """A parameter read back after loading must be the one that was sent, bit for bit."""
    same_kind = back.dtype == given.dtype and back.shape == given.shape
    if same_kind and back.tobytes() == given.tobytes():
        return ArrayVerdict(key, Verdict.AGREE, 0.0)
    return _unequal(key, "changed by loading")


def _unequal(key: ArrayKey, why: str) -> ArrayVerdict:
    return ArrayVerdict(key, Verdict.DIFFER, np.inf, np.inf, np.inf, why=why)


def unmatched(key: ArrayKey, why: str) -> ArrayVerdict:
    return ArrayVerdict(key, Verdict.INCOMPLETE, 0.0, why=why)


def collect(verdicts: Sequence[ArrayVerdict]) -> CaseVerdict:
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
