"""Random numbers of a network from one NumPy stream, the same on both sides: masks and noise.

The n-th draw has the same numbers in every framework, if sides draw in the same order and shapes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Stream:
    """Counts what is drawn. count: how often."""

    def __init__(self, seed: int):
        self._seed, self.count = seed, 0

    def uniform(self, shape: Sequence[int]) -> np.ndarray:
        """In [0, 1), float32."""
        return self._generator().random(tuple(shape), np.float32)

    def normal(self, shape: Sequence[int]) -> np.ndarray:
        """Of mean 0 and deviation 1, float32."""
        return self._generator().standard_normal(tuple(shape), np.float32)

    def kept(self, shape: Sequence[int], share: float) -> np.ndarray:
        """1 where something is kept, in that share of places, else 0."""
        return (self.uniform(shape) >= np.float32(1 - share)).astype(np.float32)

    def _generator(self) -> np.random.Generator:
        self.count += 1
        return np.random.default_rng((self._seed, self.count))
