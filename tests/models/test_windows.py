"""Windows against loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest

from restoration.models.windows import MASKED, kinds_of_windows, masks_of_kinds, relative_positions


@pytest.mark.parametrize("window", [1, 2, 4, 7])
def test_relative_positions(window: int) -> None:
    found = relative_positions(window).reshape((window,) * 4)
    for y, x, v, u in np.ndindex(found.shape):
        row = (y - v + window - 1) * (2 * window - 1) + (x - u + window - 1)
        assert found[y, x, v, u] == row


@pytest.mark.parametrize(("window", "shift"), [(2, 1), (4, 2), (7, 3)])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 3), (3, 2)])
def test_masks_part_what_the_roll_brought_together(
    window: int, shift: int, rows: int, columns: int
) -> None:
    """Pixels that were not neighbors before the roll must not see each other."""
    height, width = rows * window, columns * window
    down, right = np.indices((height, width))
    regions = 3 * _region(down, height, window, shift) + _region(right, width, window, shift)
    kinds = kinds_of_windows(2, rows, columns)
    assert np.array_equal(kinds[: rows * columns], kinds[rows * columns :])
    masks = masks_of_kinds(window, shift)
    for place in range(rows * columns):
        top, left = place // columns * window, place % columns * window
        own = regions[top : top + window, left : left + window].reshape(-1)
        expected = np.where(own[:, None] == own[None, :], 0, MASKED)
        assert np.array_equal(masks[kinds[place], 0], expected)


def _region(places: np.ndarray, size: int, window: int, shift: int) -> np.ndarray:
    """Three strips of a rolled axis, as Swin transformers part them."""
    return np.where(places < size - window, 0, np.where(places < size - shift, 1, 2))
