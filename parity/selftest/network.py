"""A small network in NumPy, and legitimate ways to compute it in float32.

It needs no framework, so that anybody can see what the judge does: three convolutions of 3x3 with
biases, a ReLU after the first and a tanh after the second, on a picture of 12 x 14 pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

_WIDTHS = (3, 6, 8, 3)
_SIZE = (12, 14)

Sums = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Products of patches (9 in, pixels) and weights (out, 9 in), summed: (out, pixels)."""


@dataclass(frozen=True)
class Problem:
    """An image (c, h, w) and the layers' weights."""

    image: np.ndarray
    weights: Mapping[str, np.ndarray]

    def perturbed(self, rng: np.random.Generator) -> Problem:
        """Every number one unit in its last place up or down."""

        def moved(array: np.ndarray) -> np.ndarray:
            step = np.spacing(np.abs(array))
            return array + np.where(rng.random(array.shape) < 0.5, -step, step)

        return Problem(moved(self.image), {name: moved(w) for name, w in self.weights.items()})


def draw(seed: int) -> Problem:
    """A problem in float32."""
    rng = np.random.default_rng(seed)
    image = rng.random((_WIDTHS[0], *_SIZE)).astype(np.float32)
    weights = {}
    for layer, (cin, cout) in enumerate(itertools.pairwise(_WIDTHS), 1):
        scale = (9 * cin) ** -0.5
        weights[f"conv{layer}.weight"] = (scale * rng.standard_normal((cout, 9 * cin))).astype(
            np.float32
        )
        weights[f"conv{layer}.bias"] = (0.1 * rng.standard_normal(cout)).astype(np.float32)
    return Problem(image, weights)


def run(
    problem: Problem, dtype: type = np.float32, sums: Sums = np.matmul, factor: float = 1.0
) -> dict[str, np.ndarray]:
    """What leaves each layer, and the output.

    sums: how products are summed. factor: activations are kept times this between layers.
    """
    x: np.ndarray = problem.image.astype(dtype)
    found = {}
    for layer in (1, 2, 3):
        weight: np.ndarray = problem.weights[f"conv{layer}.weight"].astype(dtype)
        bias: np.ndarray = problem.weights[f"conv{layer}.bias"].astype(dtype)
        patches = _patches(x * dtype(factor))
        x = np.asarray((_summed(sums, weight, patches) / dtype(factor)) + bias[:, None], dtype)
        x = x.reshape(-1, *_SIZE)
        x = np.maximum(x, 0) if layer == 1 else np.tanh(x) if layer == 2 else x
        found[f"tap/conv{layer}#0.out0"] = x
    return found | {"output/image": x}


def _summed(sums: Sums, weight: np.ndarray, patches: np.ndarray) -> np.ndarray:
    return sums(weight, patches)


def _patches(x: np.ndarray) -> np.ndarray:
    """(c, h, w) -> (9 c, h w), the border zeros."""
    c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    shifted = [padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)]
    return np.stack(shifted, 1).reshape(9 * c, h * w)


def backwards(weight: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """Summed from the other end."""
    return weight[:, ::-1] @ patches[::-1]


def one_by_one(weight: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """Added one after another, as textbooks do."""
    total = np.zeros((len(weight), patches.shape[1]), weight.dtype)
    for column in range(weight.shape[1]):
        total += weight[:, column, None] * patches[column]
    return total


def in_halves(weight: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """The second half first."""
    half = weight.shape[1] // 2
    return weight[:, half:] @ patches[half:] + weight[:, :half] @ patches[:half]


def by_rows(weight: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """A few pixels at a time, as threads share them."""
    parts = [weight @ patches[:, start : start + 5] for start in range(0, patches.shape[1], 5)]
    return np.concatenate(parts, 1)


def shuffled(weight: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """In an order that is none."""
    order = np.random.default_rng(weight.shape[1]).permutation(weight.shape[1])
    return weight[:, order] @ patches[order]


def exactly(weight: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """Summed in double precision, as some accelerators do in wider registers."""
    return (weight.astype(np.float64) @ patches).astype(weight.dtype)


HONEST: Mapping[str, tuple[Sums, float]] = {
    "sums from the other end": (backwards, 1.0),
    "sums one by one": (one_by_one, 1.0),
    "sums in halves": (in_halves, 1.0),
    "a few pixels at a time": (by_rows, 1.0),
    "sums in another order": (shuffled, 1.0),
    "sums in wider registers": (exactly, 1.0),
    "activations times 3": (np.matmul, 3.0),
    "activations times 1/7": (one_by_one, 1 / 7),
}
"""Ports that are right: how they sum, and what they keep activations times."""
