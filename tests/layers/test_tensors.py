"""Shims of `layers/tensors.py` against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends import Backend
from tests.layers.checks import (
    Case,
    check_forward,
    check_gradients,
    draw,
    each,
)
from tests.reference.tensors import materialize

CASES: list[Case] = [
    (materialize, [draw(2, 3)], {}),
]


@each(CASES)
def test_forward(backend: Backend, case: Case) -> None:
    check_forward(backend, case)


@each(CASES)
def test_gradients(backend: Backend, case: Case) -> None:
    check_gradients(backend, case)


def test_parameters_to_be_trained(backend: Backend) -> None:
    (found,) = backend.call("layer", "constant_parameter", [], {"shape": (2, 3), "value": 0.5})
    assert np.array_equal(found, np.full((2, 3), 0.5, np.float32))
    (found,) = backend.call("layer", "uniform_parameter", [], {"shape": (50, 40), "bound": 0.25})
    assert found.shape == (50, 40)
    assert np.abs(found).max() <= 0.25
    assert found.std() == pytest.approx(0.25 / 3**0.5, rel=0.1)


def test_no_grad(backend: Backend) -> None:
    """The function is called, and what goes into it gets no gradient."""
    x = draw(2, 3)
    found, slopes = backend.call("stopped", x)
    np.testing.assert_allclose(found, 2 * x, rtol=1e-6)
    np.testing.assert_allclose(slopes, np.ones_like(x))


def test_tensor_like(backend: Backend) -> None:
    found = backend.call("as_tensor", np.array([[0.25, -100.0]]))
    assert found.dtype == np.float32
    assert found.tolist() == [[0.25, -100.0]]


def test_embedding(backend: Backend) -> None:
    state = backend.call("initial_state", "Embedding", [50, 40], {"std": 0.5})
    assert list(state) == ["weight"]
    assert state["weight"].shape == (50, 40)
    assert state["weight"].std() == pytest.approx(0.5, rel=0.1)
