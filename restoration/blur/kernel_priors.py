"""What a blur kernel looks like before anything is known of it."""

from __future__ import annotations

import numpy as np

_LARGEST = 30.0


def boundary_penalty(size: int) -> np.ndarray:
    """How unwelcome a kernel's entries are, (size, size) float32: 0 in the middle, then up to 30.

    As Self-Blind-VSR's authors have it: for 13 the inner 9 x 9 entries are free; up to 7 none but
    the very middle is, for there the part of the kernel that they mean to free is empty.
    """
    places = np.arange(size) - size // 2
    weights = np.exp(-(places**2) / (2 * size**2))
    field = np.outer(weights, weights)
    penalty = _LARGEST * (1 - field / field.max())
    margin = (size - (size // 2 + size % 2)) // 2 - 1
    if margin > 0:
        penalty[margin:-margin, margin:-margin] = 0
    return penalty.astype(np.float32)
