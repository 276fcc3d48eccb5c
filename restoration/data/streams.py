"""Random numbers by what they are for, so that a run needs no saved generator.

Every number of a run comes from a generator keyed by (seed, purpose, epoch, index): batches are the
same in every framework and for every number of workers and devices, and a resumed run draws what
the uninterrupted one would have drawn.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, purpose: str, epoch: int = 0, index: int = 0) -> np.random.Generator:
    """A generator of its own for one purpose, as ("crop", epoch 3, sample 17).

    NumPy's Philox counts blocks of numbers under a key; the key is a digest of the four.
    """
    text = f"{seed}\n{purpose}\n{epoch}\n{index}".encode()
    words = np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), np.uint64)
    return np.random.Generator(np.random.Philox(key=words))


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of samples in an epoch, a permutation of range(count)."""
    return stream(seed, "order", epoch).permutation(count)
