"""How far arrays are from the truth, and how large they are, in both norms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_BLOCK = 32768
"""Numbers that are taken at once: few enough for the processor's cache."""


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
    # All but NaN and infinity, which are looked for only where the distance says so.
    distance = norms_between(array, truth)
    if math.isfinite(distance.two):
        return Error(*distance)
    exact, value = truth.astype(np.float64, copy=False), array.astype(np.float64)
    finite = np.isfinite(exact)
    if not have_equal_nonfinite(value, exact):
        wrong = int(np.count_nonzero(np.isfinite(value) != finite))
        return Error(mismatch=f"NaN or Inf at {wrong} places where the truth has none")
    exact, value = exact[finite], value[finite]
    return Error(*norms_of(value - exact))


def norms_of(array: np.ndarray) -> Norms:
    """The norms of an array's finite numbers."""
    norms = _norms(_blocks(array))
    return norms if math.isfinite(norms.two) else _norms(_blocks(array[np.isfinite(array)]))


def norms_between(one: np.ndarray, other: np.ndarray) -> Norms:
    """The norms of the difference of two arrays of one shape, in float64; the first is not finite
    where one of their numbers is not."""
    pairs = zip(_blocks(one), _blocks(other), strict=True)
    with np.errstate(invalid="ignore"):  # of infinities
        return _norms(part - known for part, known in pairs)


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """An array's numbers in float64, some at a time."""
    numbers = array.ravel()
    for place in range(0, numbers.size, _BLOCK):
        yield numbers[place : place + _BLOCK].astype(np.float64, copy=False)


def _norms(blocks: Iterable[np.ndarray]) -> Norms:
    """The norms of numbers; the first is not finite where one of them is not.

    Sums do not go through BLAS, whose threads wait for each other longer than they work.
    """
    square = most = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        for part in blocks:
            square += float(np.einsum("i,i->", part, part))
            most = max(most, float(part.max()), -float(part.min()))
    return Norms(math.sqrt(square), most)


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
