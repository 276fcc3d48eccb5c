"""What a reader of a row should know that is no fault, in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.judge.errors import quotient
from parity.judge.measurement import ArrayKey, PortMeasurement, ReferenceMeasurement
from parity.judge.noise import noise_of
from parity.judge.verdicts import CaseVerdict
from restoration.process import arrays

UNCERTAIN = 1e-3
"""Relative noise of the reference from which an array is reported as ill-conditioned."""


def on_conditioning(judged: CaseVerdict) -> list[str]:
    """Where rounding alone moves the reference so far that smaller differences are not seen."""
    uncertain = [array for array in judged.arrays if array.noise > UNCERTAIN]
    if not uncertain:
        return []
    worst = max(uncertain, key=lambda array: array.noise)
    return [
        f"ill-conditioned: rounding alone moves {len(uncertain)} arrays by over "
        f"{UNCERTAIN:.1%}, up to {worst.noise:.1%} in {worst.key}; smaller differences there "
        "cannot be seen"
    ]


def on_truth(reference: ReferenceMeasurement) -> list[str]:
    """Where the network gives no numbers, in float64 or in float32, though all it gets are some."""
    found = []
    if reference.has_no_truth:
        found.append(("the float64 truth itself is not finite", reference.nonfinite))
    if reference.unusable:
        found.append(("float32 cannot hold what float64 can", reference.unusable))
    return [
        f"{what}, on finite weights and inputs: {next(iter(arrays.values()))} in "
        f"{next(iter(arrays)).in_words}, {len(arrays)} arrays in all; no port can be judged by them"
        for what, arrays in found
    ]


def on_decisions(exact: arrays.Reader, reference: ReferenceMeasurement) -> list[str]:
    """How many decisions there were, how they fell, and how near the closest one was."""
    if not reference.decisions:
        return []
    noise = noise_of(reference)
    taken = np.concatenate([exact[str(key)].reshape(-1) for key in reference.decisions])
    margin, times = min(
        (float(np.abs(exact[str(key)]).min()), quotient(1.0, noise[key].error.max))
        for key in reference.decisions.values()
    )
    return [
        f"{taken.size} decisions, {int(taken.sum())} of them yes; the closest by a margin of "
        f"{margin:.2g}, {margin * times:.1g} times its rounding; all that follows them is compared "
        "under the reference's decisions"
    ]


def on_authors(distances: Mapping[ArrayKey, float]) -> list[str]:
    """How far the reference is from the authors' code."""
    if not distances:
        return []
    return [f"{len(distances)} arrays of the authors' code: {max(distances.values()):.1e} at most"]


def on_refusals(port: PortMeasurement) -> list[str]:
    """Modes of execution that a port cannot take."""
    return [f"{mode} mode: {why}" for mode, why in port.refusals.items()]
