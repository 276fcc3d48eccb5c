"""Shims of `layers/attention.py` against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backends import Backend
from tests.layers.checks import (
    Case,
    check_forward,
    check_gradients,
    close,
    draw,
    each,
)
from tests.reference.attention import mask_shifted_windows, scaled_dot_product_attention

CASES: list[Case] = [
    (
        mask_shifted_windows,
        [draw(12, 1, 4, 4)],
        {"height": 4, "width": 6, "window": 2, "shift": 1},
    ),
]


@each(CASES)
def test_forward(backend: Backend, case: Case) -> None:
    check_forward(backend, case)


@each(CASES)
def test_gradients(backend: Backend, case: Case) -> None:
    check_gradients(backend, case)


@pytest.mark.parametrize("rows", [0, 1, 3], ids=["no offsets", "the same for all", "of each row"])
def test_scaled_dot_product_attention(backend: Backend, rows: int) -> None:
    query, key, value = draw(3, 2, 5, 4), draw(3, 2, 6, 4), draw(3, 2, 6, 4)
    arrays = [query, key, value]
    if rows:
        arrays.append(10 * draw(rows, 2, 5, 6))
    options: dict[str, Any] = {"scale": 0.3} if rows else {"offsets": None, "scale": 0.3}
    expected = scaled_dot_product_attention(
        *(array.astype(np.float64) for array in arrays), scale=0.3
    )
    (found,) = backend.call("layer", "scaled_dot_product_attention", arrays, options)
    close(found, expected)


def test_relative_position_bias(backend: Backend) -> None:
    """One number per head and offset from the second pixel to the first."""
    window, heads = 3, 2
    table = draw(25, heads)
    x = draw(1, heads, 9, 9)
    initial, found = backend.call(
        "module_layer", "RelativePositionBias", [window, heads], {}, {"weight": table}, x
    )
    assert list(initial) == ["weight"]
    assert 0 < np.abs(initial["weight"]).max() <= 2
    assert initial["weight"].std() == pytest.approx(0.02, rel=0.5)
    expected = x.astype(np.float64)
    for i in range(9):
        for j in range(9):
            dy, dx = i // 3 - j // 3, i % 3 - j % 3
            expected[0, :, i, j] += table[(dy + 2) * 5 + dx + 2]
    close(found, expected)
