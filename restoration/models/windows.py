"""Square windows: relative positions, the masks of circularly shifted maps.

As in Swin transformers (Liu et al., ICCV 2021). A shifted map is rolled up and to the left by
`shift`; windows of its last row and column then hold pixels from opposite borders of the image,
which must not see each other.
"""

from __future__ import annotations

import functools

import numpy as np

MASKED = -100.0
"""What is added to the logit of a pair that must not see each other."""


def relative_positions(window: int) -> np.ndarray:
    """Which row of a bias table each pair of a window's pixels uses, (window^4,) int64.

    The table has a row for each (dy, dx) from -(window - 1) to window - 1, dy first; pairs are in
    row-major order, the query's pixel first.
    """
    rows, columns = np.divmod(np.arange(window**2), window)
    down = rows[:, None] - rows[None, :] + window - 1
    right = columns[:, None] - columns[None, :] + window - 1
    return (down * (2 * window - 1) + right).reshape(-1)


@functools.lru_cache(maxsize=8)
def masks_of_kinds(window: int, shift: int) -> np.ndarray:
    """Masks of the four kinds of windows, (4, 1, window^2, window^2) float32, 0 or -100.

    Kind 0 lies inside, 1 in the last column, 2 in the last row, 3 in both.
    """
    side = np.arange(window) >= window - shift
    rows, columns = np.divmod(np.arange(window**2), window)
    apart_down = side[rows][:, None] != side[rows][None, :]
    apart_right = side[columns][:, None] != side[columns][None, :]
    apart = [(apart_down & (kind >= 2)) | (apart_right & (kind % 2 == 1)) for kind in range(4)]
    return np.where(np.stack(apart)[:, None], MASKED, 0.0).astype(np.float32)


def kinds_of_windows(images: int, rows: int, columns: int) -> np.ndarray:
    """The kind of each window of a batch of grids, row by row, (images * rows * columns,) int64."""
    is_last_row = np.arange(rows) == rows - 1
    is_last_column = np.arange(columns) == columns - 1
    return np.tile((2 * is_last_row[:, None] + is_last_column[None, :]).reshape(-1), images)


@functools.lru_cache(maxsize=8)
def shift_mask(height: int, width: int, window: int, shift: int) -> np.ndarray:
    """-100 between pixels of a window that a circular shift brought together, else 0.

    (windows, w^2, w^2) float32, for a map whose sides are multiples of the window.
    """
    kinds = kinds_of_windows(1, height // window, width // window)
    return masks_of_kinds(window, shift)[kinds, 0]
