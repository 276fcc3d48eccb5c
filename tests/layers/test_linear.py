"""Shims of `layers/linear.py` against NumPy."""

from __future__ import annotations

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
from tests.reference.linear import linear, matmul

CASES: list[Case] = [
    (matmul, [draw(2, 3, 4, 5), draw(2, 3, 5, 6)], {}),
    (matmul, [draw(1, 1, 2, 3), draw(1, 1, 3, 4)], {}),
    (matmul, [draw(2, 3, 4, 5), draw(2, 3, 6, 5)], {"transpose_y": True}),
    (linear, [draw(2, 3, 2, 6), draw(5, 6), draw(5)], {}),
    (linear, [draw(5, 4), draw(3, 4), draw(3)], {}),
    (matmul, [draw(1, 3, 4), draw(1, 4, 2)], {}),
    (matmul, [draw(1, 3, 4), draw(1, 2, 4)], {"transpose_y": True}),
    (matmul, [draw(2, 2, 3, 4), draw(2, 2, 4, 2)], {}),
]


@each(CASES)
def test_forward(backend: Backend, case: Case) -> None:
    check_forward(backend, case)


@each(CASES)
def test_gradients(backend: Backend, case: Case) -> None:
    check_gradients(backend, case)


def test_linear(backend: Backend) -> None:
    weights = {"weight": draw(50, 40), "bias": draw(50)}
    x = draw(2, 3, 4, 40)
    options = {"bias": True, "std": 0.02}
    initial, found = backend.call("module_layer", "Linear", [40, 50], options, weights, x)
    assert initial["weight"].std() == pytest.approx(0.02, rel=0.1)
    assert np.array_equal(initial["bias"], np.zeros(50))
    close(found, x.astype(np.float64) @ weights["weight"].T + weights["bias"])
    initial, _ = backend.call("module_layer", "Linear", [40, 50], {"bias": True}, weights, x)
    assert all(np.abs(values).max() <= 40**-0.5 for values in initial.values())


@pytest.mark.parametrize("transpose_y", [False, True])
@pytest.mark.parametrize("stack", [(1,), (1, 3), (2, 2), (17,)], ids=str)
def test_large_products_and_their_gradients(
    backend: Backend, stack: tuple[int, ...], transpose_y: bool
) -> None:
    """Few of them go another way than many in Jittor, wide ones than high ones in PyTorch."""
    x, y = draw(*stack, 40, 64), draw(*stack, 64, 60)
    arrays = [x, np.ascontiguousarray(y.swapaxes(-1, -2)) if transpose_y else y]
    options = {"transpose_y": transpose_y}
    (found,) = backend.call("layer", "matmul", arrays, options)
    close(found, matmul(*(array.astype(np.float64) for array in arrays), **options))
    probe = draw(*found.shape)
    by_x, by_y = backend.call("layer_gradients", "matmul", arrays, options, [probe])
    close(by_x, matmul(probe.astype(np.float64), y.astype(np.float64), transpose_y=True))
    expected = np.einsum("...pl,...pq->...lq", x.astype(np.float64), probe)
    close(by_y, expected.swapaxes(-1, -2) if transpose_y else expected)
