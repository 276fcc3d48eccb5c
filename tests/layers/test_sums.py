"""Sums over many numbers in shims and their gradients, against float64.

All summands are alike and positive, which is the worst for adding one after another: 65536 of them
then lose three to four digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.backends import Backend
from tests.layers.checks import draw
from tests.reference.activation import softmax

SIDE = 256
TENTH = np.float64(np.float32(0.1))
BOUND = 1e-6


def _map(channels: int = 1) -> np.ndarray:
    return np.full((1, channels, SIDE, SIDE), 0.1, np.float32)


def _off(found: np.ndarray, expected: np.ndarray | float) -> float:
    """The largest error, in units of the largest number."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(("shape", "dim"), [((2, SIDE**2), 1), ((3, 2, 33 * 33), 2)], ids=str)
def test_softmax(backend: Backend, shape: tuple[int, ...], dim: int) -> None:
    """A gradient is a difference of what is nearly equal: where all weights are positive."""
    x, probe = draw(*shape), np.abs(draw(*shape)) + 1
    shares = softmax(x.astype(np.float64), dim=dim)
    (found,) = backend.call("layer", "softmax", [x], {"dim": dim})
    assert _off(found, shares) < 3 * BOUND
    (slopes,) = backend.call("layer_gradients", "softmax", [x], {"dim": dim}, [probe])
    product = shares * probe
    assert _off(slopes, product - shares * product.sum(dim, keepdims=True)) < 3 * BOUND


def test_means(backend: Backend) -> None:
    (found,) = backend.call("layer", "global_avg_pool", [_map()], {})
    assert _off(found, TENTH) < BOUND
    for loss in ("absolute_difference", "image_mean", "image_sum"):
        arrays = [_map(3), np.zeros_like(_map(3))][: 1 + (loss == "absolute_difference")]
        (found,) = backend.call("function", "losses.images", loss, arrays, {})
        assert _off(found, TENTH * (3 * SIDE**2 if loss == "image_sum" else 1)) < BOUND, loss


def test_expand(backend: Backend) -> None:
    options = {"height": SIDE, "width": SIDE}
    x = np.ones((1, 1, 1, 1), np.float32)
    (found,) = backend.call("layer_gradients", "expand", [x], options, [_map()])
    assert _off(found, TENTH * SIDE**2) < BOUND


def test_bias_of_linear(backend: Backend) -> None:
    """By as many rows as go into blocks, and by a number that is prime."""
    weights = {"weight": draw(2, 3), "bias": draw(2)}
    for rows, bound in ((SIDE**2, BOUND), (251, 5 * BOUND)):
        x, probe = draw(rows, 3), np.full((rows, 2), 0.1, np.float32)
        *_, found = backend.call(
            "module_layer_gradients", "Linear", [3, 2], {"bias": True}, weights, [x, probe]
        )
        assert _off(found, TENTH * rows) < bound


def test_slope_of_prelu(backend: Backend) -> None:
    weights = {"weight": np.array([0.25], np.float32)}
    x = np.where(np.arange(SIDE) % 2, -_map(), _map())
    by_x, by_slope = backend.call("module_layer_gradients", "PReLU", [], {}, weights, [x, _map()])
    assert _off(by_slope, -(TENTH**2) * SIDE**2 / 2) < BOUND
    assert np.array_equal(by_x, np.where(x > 0, np.float32(0.1), np.float32(0.025)))


@pytest.mark.parametrize(
    ("name", "arguments", "options", "weights"),
    [
        ("Conv2d", [1, 2, 1], {"padding": 0, "bias": True}, {"weight": (2, 1, 1, 1), "bias": (2,)}),
        (
            "ConvTranspose2d",
            [1, 2, 1],
            {"stride": 1, "padding": 0, "bias": True},
            {"weight": (1, 2, 1, 1), "bias": (2,)},
        ),
        ("DepthwiseConv2d", [1], {"border": "zeros"}, {"weight": (1, 1, 3, 3), "bias": (1,)}),
        ("LayerNorm", [4], {"eps": 1e-5}, {"weight": (4,), "bias": (4,)}),
        ("LayerNorm2d", [4], {"eps": 1e-5}, {"weight": (4,), "bias": (4,)}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bias_in_jittor(
    backends: Callable[[str], Backend],
    name: str,
    arguments: list[Any],
    options: dict[str, Any],
    weights: dict[str, tuple[int, ...]],
) -> None:
    """Here Jittor keeps more digits than PyTorch, which itself adds one number after another."""
    x = {"DepthwiseConv2d": (1, SIDE, SIDE, 1), "LayerNorm": (1, SIDE, SIDE, 4)}.get(name)
    backend = backends("jittor")
    state = {key: draw(*shape) for key, shape in weights.items()}
    channels, is_last = arguments[0], name in ("DepthwiseConv2d", "LayerNorm")
    x = draw(1, SIDE, SIDE, channels) if is_last else draw(1, channels, SIDE, SIDE)
    _, result = backend.call("module_layer", name, arguments, options, state, x)
    probe = np.full_like(result, 0.1)
    gradients = backend.call("module_layer_gradients", name, arguments, options, state, [x, probe])
    assert _off(gradients[-1], TENTH * SIDE**2) < BOUND
