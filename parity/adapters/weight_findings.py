"""What is wrong with a port's own weights: every one is compared with the reference's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.adapters.mapping import COUNTERS, WeightMap, WeightPair, owner_of, role_of
from parity.judge.verdicts import BOUND


@dataclass(frozen=True)
class WeightDifference:
    """A weight of the port that is not the reference's. cause: in a word, or "". ratio: the largest
    difference, in units of the largest number's rounding."""

    reference: str
    port: str
    cause: str
    detail: str
    ratio: float


@dataclass(frozen=True)
class Weights:
    """What weights are compared by.

    reference, port: entries by name. raw: the reference's file as it is, with what norms of weights
    are computed of. folded: names of weights that were computed of others.
    """

    reference: Mapping[str, np.ndarray]
    port: Mapping[str, np.ndarray]
    raw: Mapping[str, np.ndarray]
    folded: Sequence[str]


def compare_weights(weights: Weights, mapped: WeightMap) -> list[WeightDifference]:
    """All differences of weights that were paired."""
    found = []
    for pair in mapped.pairs:
        one = pair.of_reference(weights.reference[pair.reference])
        other = pair.of_port(weights.port[pair.port])
        moved = pair.move.forward(one, other.shape)
        ratio = float("inf")
        if other.size == one.size:
            scale = float(np.abs(one).max(initial=0.0)) or 1.0
            error = float(np.abs(moved.astype(np.float64) - other).max(initial=0.0))
            ratio = error / (scale * 2.0**-24)
        if ratio > BOUND:
            cause, detail = next(_causes(pair, moved, weights), ("", "other numbers"))
            found.append(WeightDifference(pair.reference, pair.port, cause, detail, ratio))
    return found


def _causes(pair: WeightPair, moved: np.ndarray, weights: Weights) -> Iterator[tuple[str, str]]:
    """What a wrong weight is, if it can be told from the numbers.

    moved: the reference's, as it should be in the port.
    """
    one = pair.of_reference(weights.reference[pair.reference])
    other = pair.of_port(weights.port[pair.port])
    if other.size != one.size:
        if other.size == 1:
            cause = "PReLU shared" if one.ndim == 1 else "weight shared"
            yield cause, f"one number for {one.size}"
        rest = one.shape[:1] + one.shape[2:], other.shape[:1] + other.shape[2:]
        yield (
            "groups" if one.ndim > 2 and rest[0] == rest[1] else "",
            f"{other.shape} for {one.shape}",
        )
        return
    yield from _unfolded(pair, other, weights)
    for name, array in weights.reference.items():
        if (
            name != pair.reference
            and array.size == other.size
            and role_of(name) == role_of(pair.reference)
            and np.ptp(array) > 0
            and np.array_equal(array.ravel(), other.ravel())
        ):
            moving = role_of(name).startswith("running")
            yield (
                "statistics of other layers" if moving else "weights of other layers",
                f"the port has {name}",
            )
    if _is_rounded(moved, other):
        yield "weights rounded", "to half precision"
    with np.errstate(all="ignore"):
        factors = other.astype(np.float64) / moved
    first = factors.flat[0]
    if moved.size > 4 and np.isfinite(factors).all() and np.ptp(factors) < 1e-5 * abs(first):
        yield "weights scaled", f"by {first:.6g}"
    yield from _queries_keys_values(pair, moved, other, weights)
    if np.array_equal(np.sort(moved, axis=None), np.sort(other, axis=None)):
        yield "weights permuted", "the same numbers in another order"
    if np.array_equal(other, np.ones_like(other)) or not other.any():
        yield "weights not loaded", "as a new layer has them"


def _queries_keys_values(
    pair: WeightPair, moved: np.ndarray, other: np.ndarray, weights: Weights
) -> Iterator[tuple[str, str]]:
    """The thirds of a layer that makes three things of one size out of its input, in another
    order."""
    layer = weights.reference.get(f"{owner_of(pair.reference)}.weight")
    if layer is None or layer.ndim < 2 or not len(layer) == len(other) == 3 * layer.shape[1] > 3:
        return
    for order in itertools.permutations(range(3)):
        parts = np.split(moved, 3)
        if np.array_equal(np.concatenate([parts[part] for part in order]), other):
            words = ", ".join(("queries", "keys", "values")[part] for part in order)
            yield "order of queries, keys and values", words


def _unfolded(pair: WeightPair, other: np.ndarray, weights: Weights) -> Iterator[tuple[str, str]]:
    if pair.reference not in weights.folded:
        return
    for name, array in weights.raw.items():
        if (
            owner_of(name).startswith(owner_of(pair.reference))
            and array.size == other.size
            and np.allclose(array.reshape(other.shape), other, rtol=1e-6, atol=0)
        ):
            yield "norm of weights not folded", f"the port has {name} as it is"


def _is_rounded(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one.astype(np.float16).astype(np.float32), other)


def leftovers(
    names: Sequence[str], state: Mapping[str, np.ndarray], trained: Mapping[str, bool]
) -> tuple[list[str], list[str]]:
    """Entries without a partner: those that matter, and counters and constants that pass."""
    matter: list[str] = []
    passing: list[str] = []
    for name in names:
        is_counter = name.rpartition(".")[2] in COUNTERS
        is_float = np.issubdtype(state[name].dtype, np.floating)
        (matter if is_float and not is_counter and trained.get(name) else passing).append(name)
    return matter, passing
