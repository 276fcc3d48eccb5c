"""Attention, in NumPy from their definitions."""

from __future__ import annotations

import numpy as np


def scaled_dot_product_attention(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    offsets: np.ndarray | None = None,
    *,
    scale: float,
) -> np.ndarray:
    logits = scale * np.einsum("rhqd,rhkd->rhqk", query, key)
    powers = np.exp(logits if offsets is None else logits + offsets)
    return np.einsum("rhqk,rhkd->rhqd", powers / powers.sum(axis=3, keepdims=True), value)


def mask_shifted_windows(
    logits: np.ndarray, height: int, width: int, window: int, shift: int
) -> np.ndarray:
    """From the definition: pixels of a window belong together if no edge of the map parts them."""
    rows, columns = np.indices((height, width))
    wraps = rows + shift >= height, columns + shift >= width
    groups = wraps[0] * 2 + wraps[1]
    result = logits.copy()
    place = 0
    for _image in range(len(logits) // (height // window * (width // window))):
        for top in range(0, height, window):
            for left in range(0, width, window):
                own = groups[top : top + window, left : left + window].ravel()
                result[place] += np.where(own[:, None] == own, 0, -100)
                place += 1
    return result
