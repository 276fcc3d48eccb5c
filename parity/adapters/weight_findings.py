"""What is wrong with a port's own weights: every one is compared with the reference's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.adapters.mapping import COUNTERS, WeightMap, WeightPair, owner_of, role_of
from restoration.arrays import Arrays


@dataclass(frozen=True)
class WeightDifference:
    """A weight of the port that is not the reference's. cause: in a word, or "". ratio: the largest
    difference, in units of the largest number's rounding."""

    reference: str
    port: str
    cause: str
    detail: str
    ratio: float


def compare_weights(
    reference: Arrays, port: Arrays, mapped: WeightMap, raw: Arrays, folded: Sequence[str]
) -> list[WeightDifference]:
    """All differences of weights that were paired.

    raw: the reference's file as it is, with what norms of weights are computed of. folded: names of
    weights that were computed of others.
    """
    found = []
    for pair in mapped.pairs:
        one, other = reference[pair.reference], port[pair.port]
        moved = pair.move.forward(one, other.shape)
        if other.size == one.size:
            scale = float(np.abs(one).max(initial=0.0)) or 1.0
            error = float(np.abs(moved.astype(np.float64) - other).max(initial=0.0))
            ratio = error / (scale * 2.0**-24)
            if ratio <= 16:
                continue
        else:
            ratio = float("inf")
        cause, detail = _cause(pair, one, other, moved, reference, raw, folded)
        found.append(WeightDifference(pair.reference, pair.port, cause, detail, ratio))
    return found


def _cause(
    pair: WeightPair,
    one: np.ndarray,
    other: np.ndarray,
    moved: np.ndarray,
    reference: Arrays,
    raw: Arrays,
    folded: Sequence[str],
) -> tuple[str, str]:
    """What a wrong weight is, if it can be told from the numbers."""
    if other.size != one.size:
        if other.size == 1:
            return "PReLU shared" if one.ndim == 1 else "weight shared", (
                f"one number for {one.size}"
            )
        return "", f"{other.shape} for {one.shape}"
    if pair.reference in folded:
        for name, array in raw.items():
            if (
                owner_of(name).startswith(owner_of(pair.reference))
                and array.size == other.size
                and np.allclose(array.reshape(other.shape), other, rtol=1e-6, atol=0)
            ):
                return "norm of weights not folded", f"the port has {name} as it is"
    for name, array in reference.items():
        if (
            name != pair.reference
            and array.size == other.size
            and role_of(name) == role_of(pair.reference)
            and np.ptp(array) > 0
            and np.array_equal(array.ravel(), other.ravel())
        ):
            cause = "weights of other layers"
            if role_of(name).startswith("running"):
                cause = "statistics of other layers"
            return cause, f"the port has {name}"
    if _is_rounded(moved, other):
        return "weights rounded", "to half precision"
    with np.errstate(all="ignore"):
        factors = other.astype(np.float64) / moved
    if (
        moved.size > 4
        and np.isfinite(factors).all()
        and np.ptp(factors) < 1e-5 * abs(factors.flat[0])
    ):
        return "weights scaled", f"by {factors.flat[0]:.6g}"
    if np.array_equal(np.sort(moved, axis=None), np.sort(other, axis=None)):
        return "weights permuted", "the same numbers in another order"
    if np.array_equal(other, np.ones_like(other)) or np.array_equal(other, np.zeros_like(other)):
        return "weights not loaded", "as a new layer has them"
    return "", "other numbers"


def _is_rounded(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one.astype(np.float16).astype(np.float32), other)


def leftovers(
    names: Sequence[str], state: Arrays, trained: Mapping[str, bool]
) -> tuple[list[str], list[str]]:
    """Entries without a partner: those that matter, and counters and constants that pass."""
    matter, passing = [], []
    for name in names:
        is_counter = name.rpartition(".")[2] in COUNTERS
        is_float = np.issubdtype(state[name].dtype, np.floating)
        (matter if is_float and not is_counter and trained.get(name) else passing).append(name)
    return matter, passing
