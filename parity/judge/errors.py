"""How far arrays are from the truth, and how large they are, in both norms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_BLOCK = 8192
"""Numbers that are squared at once: so few that BLAS uses one thread, as threads that wait for each
other cost more than they bring, and a norm does not depend on the number of cores."""


class Norms(NamedTuple):
    """The 2-norm and the max-norm of an array, or of a difference."""

    two: float
    max: float


NOTHING = Norms(0.0, 0.0)


@dataclass(frozen=True)
class Error:
    """The distance of an array from the truth in both norms.

    Positions where the truth is not finite are left out; `mismatch` says in words when the array
    cannot be compared at all, or is not finite where the truth is.
    """

    two_norm: float = 0.0
    max_norm: float = 0.0
    mismatch: str = ""

    @property
    def norms(self) -> Norms:
        return Norms(self.two_norm, self.max_norm)


def error_of(array: np.ndarray, truth: np.ndarray) -> Error:
    """Compare an array with the truth, in float64."""
    if array.shape != truth.shape:
        return Error(mismatch=f"shape {array.shape}, expected {truth.shape}")
    if not np.issubdtype(truth.dtype, np.inexact):
        wrong = int(np.count_nonzero(array != truth))
        return Error(mismatch=f"{wrong} of {truth.size} integers differ" if wrong else "")
    if array.dtype != np.float32:
        return Error(mismatch=f"dtype {array.dtype}, expected float32")
    exact = truth.astype(np.float64, copy=False)
    value = array.astype(np.float64)
    # All but NaN and infinity, which are looked for only where the distance says so.
    with np.errstate(invalid="ignore"):  # of infinities
        distance = _norms(np.subtract(value, exact, out=np.empty_like(exact, order="C")))
    if math.isfinite(distance.two):
        return Error(*distance)
    finite = np.isfinite(exact)
    if not have_equal_nonfinite(value, exact):
        wrong = int(np.count_nonzero(np.isfinite(value) != finite))
        return Error(mismatch=f"NaN or Inf at {wrong} places where the truth has none")
    exact, value = exact[finite], value[finite]
    return Error(*norms_of(value - exact))


def norms_of(array: np.ndarray) -> Norms:
    """The norms of an array's finite numbers."""
    exact = array.astype(np.float64, order="C", copy=False)
    norms = _norms(exact)
    return norms if math.isfinite(norms.two) else _norms(exact[np.isfinite(exact)])


def _norms(exact: np.ndarray) -> Norms:
    """The norms of numbers in float64; the first is not finite where one of them is not."""
    numbers = exact.ravel()
    with np.errstate(invalid="ignore", over="ignore"):
        most = max(numbers.max(initial=0.0), -numbers.min(initial=0.0))
        parts = (numbers[place : place + _BLOCK] for place in range(0, numbers.size, _BLOCK))
        two = math.sqrt(sum(float(part @ part) for part in parts))
    return Norms(two, float(most))


def nonfinite(array: np.ndarray) -> str:
    """How many of an array's numbers are none, "1 NaN, 2 infinite"; "" if all are finite."""
    if not np.issubdtype(array.dtype, np.inexact) or np.isfinite(array).all():
        return ""
    counts = {"NaN": np.isnan(array).sum(), "infinite": np.isinf(array).sum()}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def have_equal_nonfinite(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether arrays of one shape have NaN, infinity and minus infinity at the same places."""
    finite = np.isfinite(one)
    return np.array_equal(finite, np.isfinite(other)) and np.array_equal(
        one[~finite], other[~finite], equal_nan=True
    )


def quotient(numerator: float, denominator: float) -> float:
    """0/0 is 0, and anything else over 0 is infinite."""
    if numerator == 0.0:
        return 0.0
    return numerator / denominator if denominator else np.inf
