"""Tables for attention inside square windows of a map."""

from __future__ import annotations

import functools

import numpy as np

_BARRED = -100.0


@functools.lru_cache(maxsize=8)
def relative_places(window: int) -> np.ndarray:
    """Which row of a table of offsets belongs to each pair of pixels, (w^4,) int32.

    The pair's offset (dy, dx), from the second to the first, has row (dy + w - 1)(2 w - 1) + dx +
    w - 1.
    """
    rows, columns = np.divmod(np.arange(window * window), window)
    dy = rows[:, None] - rows[None, :] + window - 1
    dx = columns[:, None] - columns[None, :] + window - 1
    return (dy * (2 * window - 1) + dx).reshape(-1).astype(np.int32)


@functools.lru_cache(maxsize=8)
def shift_mask(height: int, width: int, window: int, shift: int) -> np.ndarray:
    """-100 between pixels of a window that a circular shift brought together, else 0.

    (windows, w^2, w^2) float32, for a map whose sides are multiples of the window.
    """
    bands = (_bands(height, window, shift)[:, None] * 3 + _bands(width, window, shift)).astype(int)
    split = bands.reshape(height // window, window, width // window, window)
    groups = split.transpose(0, 2, 1, 3).reshape(-1, window * window)
    return np.where(groups[:, :, None] == groups[:, None, :], 0, _BARRED).astype(np.float32)


def _bands(length: int, window: int, shift: int) -> np.ndarray:
    """0 for pixels of whole windows, 1 and 2 for the two parts of the last one."""
    places = np.arange(length)
    return (places >= length - window).astype(int) + (places >= length - shift)
