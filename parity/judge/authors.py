"""The reference against the authors' own code: its float64 results against the stored ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from parity.cases.case import Case
from parity.judge.errors import NOTHING, Norms, have_equal_nonfinite, norms_of, quotient
from parity.judge.measurement import ArrayKey, ArrayKind
from parity.judge.noise import Noise
from restoration.process.arrays import Reader

AUTHORS_BOUND = 1e-11
"""Largest relative difference of our float64 reference from the authors' own float64 results."""


def distances(exact: Reader, case: Case, noise: Mapping[ArrayKey, Noise]) -> dict[ArrayKey, float]:
    """Relative distances in the worse of both norms; infinite where nothing can be compared:
    where an array is missing, has another shape, or NaN or infinity elsewhere.

    Gradients that are zero but for rounding are measured by the largest gradient.
    """
    norms = {key: norms_of(array) for key, array in case.expected.items()}
    norms |= {key: summary.norms for key, summary in case.summaries.items()}
    gradients = [norm for key, norm in norms.items() if key.is_gradient]
    largest = Norms(*np.max(gradients or [NOTHING], axis=0))
    found = {}
    for key, own in norms.items():
        scale = largest if key in noise and noise[key].is_vanishing else own
        found[key] = max(
            (
                quotient(error, norm)
                for errors in _errors(exact, case, key)
                for error, norm in zip(errors, scale, strict=True)
            ),
            default=math.inf,
        )
    return found


def _errors(exact: Reader, case: Case, key: ArrayKey) -> list[Norms]:
    """How far an array is from what is stored of it; empty if they cannot be compared."""
    if str(key) not in exact:
        return []
    array, errors = exact[str(key)], []
    if key in case.expected:
        stored = case.expected[key]
        if case.copies and key.kind is ArrayKind.INPUT_GRADIENT:
            copies, array = array, np.zeros_like(stored)
            np.add.at(array, np.array(case.copies), copies)
        if array.shape != stored.shape or not have_equal_nonfinite(array, stored):
            return []
        errors.append(norms_of(array - stored))
    if key in case.summaries:
        errors.append(case.summaries[key].distance(array))
    return errors
