"""What models call in their framework itself, as it means the same in all three, against NumPy."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from tests.backends import Backend
from tests.layers.checks import check_forward, check_gradients, draw
from tests.reference.indexing import flip, unfold


@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("align_corners", [True, False])
def test_grid_sample(backend: Backend, padding: str, align_corners: bool) -> None:
    """Samples at places in pixels, some of them outside."""
    x = draw(2, 3, 5, 7)
    places = np.random.default_rng(4).uniform(-1.5, [7.5, 5.5], (2, 4, 6, 2))
    size = np.array([7, 5])
    grid = 2 * places / (size - 1) - 1 if align_corners else (2 * places + 1) / size - 1
    padded = np.pad(
        x, [(0, 0), (0, 0), (3, 3), (3, 3)], mode="edge" if padding == "border" else "constant"
    )
    low = np.floor(places).astype(int)
    part = places - low
    expected = np.zeros((2, 3, 4, 6))
    for down in (0, 1):
        for right in (0, 1):
            weight = np.abs(1 - right - part[..., 0]) * np.abs(1 - down - part[..., 1])
            for n in range(2):
                rows, columns = low[n, ..., 1] + down + 3, low[n, ..., 0] + right + 3
                expected[n] += weight[n] * padded[n][:, rows, columns]
    call = "F.grid_sample(x, more[0], mode='bilinear', "
    call += f"padding_mode={padding!r}, align_corners={align_corners})"
    (found,) = backend.call("layer", call, [x, grid.astype(np.float32)], {})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 1), (6, 2, 2)])
def test_unfold(backend: Backend, size: int, stride: int, padding: int) -> None:
    call = f"F.unfold(x, {size}, stride={stride}, padding={padding})"
    reference = functools.partial(unfold, size=size, stride=stride, padding=padding)
    check_forward(backend, (reference, [draw(1, 2, 4, 6)], {}), call)
    check_gradients(backend, (reference, [draw(1, 2, 4, 6)], {}), call)


def test_flip(backend: Backend) -> None:
    case = (functools.partial(flip, dims=(2, 3)), [draw(2, 3, 4, 3)], {})
    check_forward(backend, case, "torch.flip(x, (2, 3))")
    check_gradients(backend, case, "torch.flip(x, (2, 3))")


def test_detach(backend: Backend) -> None:
    """The derivative of x times a constant is the constant, not twice as much."""
    x = draw(2, 3)
    (found,) = backend.call("layer", "detach(x)", [x], {})
    assert np.array_equal(found, x)
    (slopes,) = backend.call("layer_gradients", "x * detach(x)", [x], {}, [np.ones_like(x)])
    np.testing.assert_allclose(slopes, x, rtol=1e-6)


def test_full_like(backend: Backend) -> None:
    """The shape and kind, and no gradient."""
    x = draw(2, 3, 4, 5)
    (found,) = backend.call("layer", "torch.full_like(x, 0.25)", [x], {})
    assert found.dtype == np.float32
    assert np.array_equal(found, np.full((2, 3, 4, 5), 0.25))
    call = "x + torch.full_like(x, 0.25)"
    (slopes,) = backend.call("layer_gradients", call, [x], {}, [np.ones_like(x)])
    assert np.array_equal(slopes, np.ones_like(x))
