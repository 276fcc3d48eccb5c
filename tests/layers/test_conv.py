"""Shims of `layers/conv.py` against NumPy."""

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
from tests.reference.conv import conv1x1, conv2d, conv_transpose2d, filter_valid

CASES: list[Case] = [
    (filter_valid, [draw(2, 3, 5, 6), draw(3, 3)], {}),
    (conv2d, [draw(2, 3, 4, 5), draw(3, 1, 3, 3)], {"padding": 1, "groups": 3}),
    (conv2d, [draw(3, 1, 7, 8), draw(1, 1, 3, 3)], {"stride": 2, "padding": 0}),
    (conv1x1, [draw(2, 6, 3, 4), draw(5, 6, 1, 1)], {}),
    (conv1x1, [draw(2, 6, 3, 4), draw(5, 6, 1, 1), draw(5)], {}),
    (conv2d, [draw(2, 3, 4, 5), draw(4, 3, 3, 3)], {"padding": 1}),
    (conv2d, [draw(1, 3, 4, 5), draw(4, 3, 1, 1)], {"padding": 0}),
]


@each(CASES)
def test_forward(backend: Backend, case: Case) -> None:
    check_forward(backend, case)


@each(CASES)
def test_gradients(backend: Backend, case: Case) -> None:
    check_gradients(backend, case)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1, "bias": True},
        {"padding": 0, "bias": True, "stride": 2},
        {"padding": 2, "bias": True, "dilation": 2},
        {"padding": 1, "bias": True, "groups": 2},
    ],
    ids=str,
)
def test_conv2d(backend: Backend, options: dict[str, Any]) -> None:
    weights = {"weight": draw(6, 4 // options.get("groups", 1), 3, 3), "bias": draw(6)}
    x = draw(2, 4, 7, 8)
    initial, found = backend.call("module_layer", "Conv2d", [4, 6, 3], options, weights, x)
    assert {name: array.shape for name, array in initial.items()} == {
        name: array.shape for name, array in weights.items()
    }
    geometry = {name: value for name, value in options.items() if name != "bias"}
    close(found, conv2d(x.astype(np.float64), weights["weight"], weights["bias"], **geometry))


def test_conv2d_without_bias_has_none(backend: Backend) -> None:
    weights = {"weight": draw(6, 4, 3, 3)}
    options = {"padding": 1, "bias": False}
    x = draw(1, 4, 5, 5)
    initial, found = backend.call("module_layer", "Conv2d", [4, 6, 3], options, weights, x)
    assert list(initial) == ["weight"]
    close(found, conv2d(x.astype(np.float64), weights["weight"], np.zeros(6), padding=1))


@pytest.mark.parametrize(("kernel", "padding"), [(4, 1), (2, 0)])
def test_conv_transpose2d(backend: Backend, kernel: int, padding: int) -> None:
    weights = {"weight": draw(4, 3, kernel, kernel), "bias": draw(3)}
    options = {"stride": 2, "padding": padding, "bias": True}
    x = draw(2, 4, 3, 5)
    _, found = backend.call("module_layer", "ConvTranspose2d", [4, 3, kernel], options, weights, x)
    assert found.shape == (2, 3, 6, 10)
    expected = conv_transpose2d(
        x.astype(np.float64), weights["weight"], weights["bias"], stride=2, padding=padding
    )
    close(found, expected)


@pytest.mark.parametrize(
    ("name", "options", "fan_in"),
    [
        ("Conv2d", {"padding": 1, "bias": True}, 40 * 9),
        ("ConvTranspose2d", {"stride": 2, "padding": 1, "bias": True}, 50 * 9),
    ],
)
def test_fresh_weights_are_uniform_as_in_pytorch(
    backend: Backend, name: str, options: dict[str, Any], fan_in: int
) -> None:
    """U(-b, b) with b = 1/sqrt(weight.shape[1] k k), for weight and bias."""
    shape = (50, 40, 3, 3) if name == "Conv2d" else (40, 50, 3, 3)
    weights = {"weight": np.zeros(shape, np.float32), "bias": np.zeros(50, np.float32)}
    x = np.zeros((1, 40, 4, 4), np.float32)
    initial, _ = backend.call("module_layer", name, [40, 50, 3], options, weights, x)
    bound = 1 / np.sqrt(fan_in)
    for values in initial.values():
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        # A lucky draw of all 50 biases below 0.6: one in 1e11.
        assert np.abs(values).max() > 0.6 * bound
        assert abs(values.mean()) < 0.25 * bound
    assert initial["weight"].std() == pytest.approx(bound / np.sqrt(3), rel=0.03)


@pytest.mark.parametrize("border", ["zeros", "reflect"])
def test_depthwise_conv2d(backend: Backend, border: str) -> None:
    weights = {"weight": draw(6, 1, 3, 3), "bias": draw(6)}
    x = draw(3, 4, 5, 6)
    initial, found = backend.call(
        "module_layer", "DepthwiseConv2d", [6], {"border": border}, weights, x
    )
    assert {name: array.shape for name, array in initial.items()} == {
        "weight": (6, 1, 3, 3),
        "bias": (6,),
    }
    around = ((0, 0), (1, 1), (1, 1), (0, 0))
    padded = np.pad(
        x.astype(np.float64), around, mode="reflect" if border == "reflect" else "constant"
    ).transpose(0, 3, 1, 2)
    expected = conv2d(padded, weights["weight"], weights["bias"], padding=0, groups=6)
    close(found, expected.transpose(0, 2, 3, 1))
