"""Shims of `layers/norm.py` against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends import Backend
from tests.layers.checks import (
    draw,
)


@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_layer_norm(backend: Backend, mean: float) -> None:
    """A mean of squares minus a squared mean would lose all digits at 1000."""
    weights = {"weight": draw(16), "bias": draw(16)}
    x = draw(4, 3, 16) + np.float32(mean)
    initial, found = backend.call("module_layer", "LayerNorm", [16], {"eps": 1e-5}, weights, x)
    assert np.array_equal(initial["weight"], np.ones(16))
    assert np.array_equal(initial["bias"], np.zeros(16))
    exact = x.astype(np.float64)
    centered = exact - exact.mean(axis=2, keepdims=True)
    spread = np.sqrt((centered**2).mean(axis=2, keepdims=True) + 1e-5)
    expected = centered / spread * weights["weight"] + weights["bias"]
    # Numbers near 1000, and their mean, are known to 3e-5, some of which the factors enlarge.
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-4 if mean else 5e-6)


def test_layer_norm2d(backend: Backend) -> None:
    """Also where the mean is a hundred times the deviation."""
    x, weights = draw(2, 6, 3, 4) + 100, {"weight": draw(6), "bias": draw(6)}
    initial, found = backend.call("module_layer", "LayerNorm2d", [6], {"eps": 1e-5}, weights, x)
    assert (initial["weight"] == 1).all()
    assert (initial["bias"] == 0).all()
    exact = x.astype(np.float64)
    exact = (exact - exact.mean(1, keepdims=True)) / np.sqrt(exact.var(1, keepdims=True) + 1e-5)
    expected = exact * weights["weight"][:, None, None] + weights["bias"][:, None, None]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
