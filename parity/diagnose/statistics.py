"""Moving statistics after one call in training mode, judged by what each module was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parity.judge.verdicts import BOUND

_ULP = 2.0**-23


@dataclass(frozen=True)
class Statistics:
    """A normalisation's moving statistics before and after a call, and what entered it."""

    entered: np.ndarray
    mean: tuple[np.ndarray, np.ndarray]
    variance: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class StatisticsDifference:
    """How the port's update differs. ratio: in units of rounding, if the port's were done as the
    reference's; ratio_after: as it does it."""

    cause: str
    detail: str
    ratio: float
    ratio_after: float


@dataclass(frozen=True)
class Rule:
    """new = old + share * (of the batch - old). correction: what the variance is divided by is the
    number of values less this; None where that cannot be told."""

    share: float
    correction: int | None


def rule_of(found: Statistics) -> Rule:
    """How a module moves its statistics, told from what it did."""
    mean, variances, _ = _of_batch(found.entered, len(found.mean[0]))
    old, new = (part.astype(np.float64) for part in found.mean)
    step = mean - old
    share = float((new - old) @ step / (step @ step)) if step @ step else 0.0
    errors = [
        _error(found.variance[0] + share * (variance - found.variance[0]), found.variance[1])
        for variance in variances
    ]
    told = abs(errors[0] - errors[1]) > 8 * _ULP
    return Rule(share, int(np.argmin(errors)) if told else None)


def expected(found: Statistics, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """The statistics that a rule gives."""
    mean, variances, _ = _of_batch(found.entered, len(found.mean[0]))
    variance = variances[rule.correction or 0]
    return (
        found.mean[0] + rule.share * (mean - found.mean[0]),
        found.variance[0] + rule.share * (variance - found.variance[0]),
    )


def compare_statistics(reference: Statistics, port: Statistics) -> StatisticsDifference | None:
    """What is otherwise about the port's update, or None."""
    ours, theirs = rule_of(reference), rule_of(port)

    def ratio(rule: Rule) -> float:
        mean, variance = expected(port, rule)
        return max(_error(mean, port.mean[1]), _error(variance, port.variance[1])) / _ULP / 4

    before = ratio(Rule(round(ours.share, 6), ours.correction))
    if before <= BOUND:
        return None
    words = []
    cause = ""
    share = float(f"{theirs.share:.3g}")
    if abs(share - ours.share) > 1e-3 * max(abs(ours.share), 1e-3):
        cause = "momentum"
        words.append(f"the new value counts {share:g} instead of {ours.share:.3g}")
        if share == 0:
            cause = "statistics not updated"
    if None not in (ours.correction, theirs.correction) and ours.correction != theirs.correction:
        kind = "unbiased variance" if theirs.correction else "biased variance"
        cause = cause or kind
        words.append(f"the variance is the {'un' if theirs.correction else ''}biased one")
    after = ratio(Rule(theirs.share, theirs.correction))
    if not cause or after > BOUND:
        return StatisticsDifference("", "moving statistics", before, after)
    return StatisticsDifference(cause, ", and ".join(words), before, after)


def by_module(state: Mapping[str, np.ndarray]) -> set[str]:
    """Modules that keep moving statistics."""
    return {name.rpartition(".")[0] for name in state}


def _of_batch(
    entered: np.ndarray, channels: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], int]:
    """Mean and both variances of each channel, and of how many numbers."""
    axis = 1 if entered.ndim > 1 and entered.shape[1] == channels else entered.ndim - 1
    flat = np.moveaxis(entered.astype(np.float64), axis, 0).reshape(channels, -1)
    count = flat.shape[1]
    biased = flat.var(1)
    return flat.mean(1), (biased, biased * count / max(count - 1, 1)), count


def _error(one: np.ndarray, other: np.ndarray) -> float:
    scale = float(np.abs(one).max(initial=0.0)) or 1.0
    return float(np.abs(one - other).max(initial=0.0)) / scale
