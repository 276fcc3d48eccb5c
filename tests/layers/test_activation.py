"""Shims of `layers/activation.py` against NumPy."""

from __future__ import annotations

import numpy as np

from tests.backends import Backend
from tests.layers.checks import (
    Case,
    check_curved,
    check_slopes,
    close,
    draw,
    each,
)
from tests.reference.activation import cos_sin, gelu, leaky_relu, sigmoid, softmax, softplus

CURVED: list[Case] = [
    (softmax, [draw(3, 4, 5)], {"dim": 1}),
    (softmax, [draw(3, 1, 5)], {"dim": 1}),
    (leaky_relu, [draw(2, 3, 5, 4)], {"slope": 0.2}),
    (softplus, [15 * draw(2, 3, 5, 4)], {}),
    (sigmoid, [8 * draw(2, 3, 5, 4)], {}),
]


@each(CURVED)
def test_curved(backend: Backend, case: Case) -> None:
    check_slopes(backend, case)


def test_gelu(backend: Backend) -> None:
    check_curved(backend, "gelu", [2 * draw(2, 3, 5, 4)], gelu)


def test_gelu_and_its_slopes(backend: Backend) -> None:
    """Exact, not by tanh, which is 5e-4 off; PyTorch itself leaves 8e-7."""
    x = 3 * draw(4, 5, 6, 7)
    (found,) = backend.call("layer", "gelu", [x], {})
    np.testing.assert_allclose(found, gelu(x.astype(np.float64)), rtol=0, atol=1e-6)
    (slopes,) = backend.call("layer_gradients", "gelu", [x], {}, [np.ones_like(x)])
    exact = x.astype(np.float64)
    expected = (gelu(exact + 1e-6) - gelu(exact - 1e-6)) / 2e-6
    np.testing.assert_allclose(slopes, expected, rtol=0, atol=2e-6)


def test_cos_sin_and_its_slopes(backend: Backend) -> None:
    x = 20 * draw(7, 5)
    (found,) = backend.call("layer", "cos_sin", [x], {})
    exact = x.astype(np.float64)
    np.testing.assert_allclose(found, cos_sin(exact), rtol=0, atol=3e-7)
    (slopes,) = backend.call("layer_gradients", "cos_sin", [x], {}, [np.ones_like(found)])
    np.testing.assert_allclose(slopes, np.cos(exact) - np.sin(exact), rtol=0, atol=6e-7)


def test_prelu(backend: Backend) -> None:
    x = draw(2, 3, 4, 5)
    weights = {"weight": np.array([-0.3], np.float32)}
    initial, found = backend.call("module_layer", "PReLU", [], {}, weights, x)
    assert np.array_equal(initial["weight"], np.array([0.25], np.float32))
    close(found, np.where(x < 0, -0.3 * x.astype(np.float64), x))
