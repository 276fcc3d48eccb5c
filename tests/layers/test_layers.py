"""Every shim of `layers.py` against NumPy, forward and backward, in each framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from tests.backends import Backend

RNG = np.random.default_rng(3)
TOLERANCE = 2e-6  # of the largest value, in float32


def _zeros_between(x: np.ndarray, stride: int) -> np.ndarray:
    n, c, h, w = x.shape
    wide = np.zeros((n, c, (h - 1) * stride + 1, (w - 1) * stride + 1), x.dtype)
    wide[:, :, ::stride, ::stride] = x
    return wide


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> np.ndarray:
    """Cross-correlation with zero padding, from its definition."""
    out, per_group, k, _ = weight.shape
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    reach = dilation * (k - 1) + 1
    height = (padded.shape[2] - reach) // stride + 1
    width = (padded.shape[3] - reach) // stride + 1
    result = np.zeros((x.shape[0], out, height, width), np.float64)
    for o in range(out):
        first = o // (out // groups) * per_group
        for y in range(height):
            for z in range(width):
                rows = slice(y * stride, y * stride + reach, dilation)
                columns = slice(z * stride, z * stride + reach, dilation)
                window = padded[:, first : first + per_group, rows, columns]
                result[:, o, y, z] = (window * weight[o]).sum((1, 2, 3)) + bias[o]
    return result


def conv_transpose2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, stride: int, padding: int
) -> np.ndarray:
    """The adjoint of a convolution: correlate the stretched input with the turned kernel."""
    k = weight.shape[2]
    turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    return conv2d(_zeros_between(x, stride), turned, bias, padding=k - 1 - padding)


def downsample_nearest(x: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = (np.arange(size // factor) * factor for size in x.shape[2:])
    return x[:, :, rows[:, None], columns]


def _bilinear(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sample at given coordinates, clamped to the image."""

    def along(x: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
        size = x.shape[axis]
        places = np.clip(places, 0, size - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, size - 1)
        shape = [1] * x.ndim
        shape[axis] = len(places)
        part = (places - low).reshape(shape)
        return x.take(low, axis) * (1 - part) + x.take(high, axis) * part

    return along(along(x, rows, 2), columns, 3)


def upsample(x: np.ndarray, factor: int, *, mode: str) -> np.ndarray:
    if mode == "nearest":
        return x.repeat(factor, 2).repeat(factor, 3)
    if mode == "corners":
        ends = ((size * factor, size - 1) for size in x.shape[2:])
        rows, columns = (np.linspace(0, last, count) for count, last in ends)
    else:
        rows, columns = (np.arange(size * factor) / factor for size in x.shape[2:])
    return _bilinear(x, rows, columns)


def downsample_bilinear(x: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = ((np.arange(size // factor) + 0.5) * factor - 0.5 for size in x.shape[2:])
    return _bilinear(x, rows, columns)


def dft2(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spectrum = np.fft.fft2(x)
    return spectrum.real, spectrum.imag


def pointwise(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    result = np.einsum("nihw,oi->nohw", x, weight[:, :, 0, 0])
    return result if bias is None else result + bias[None, :, None, None]


def leaky_relu(x: np.ndarray, slope: float) -> np.ndarray:
    return np.where(x < 0, slope * x, x)


def take_rows(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.stack([x[row] for row in rows])


def put_rows(x: np.ndarray, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    result = x.copy()
    for row, value in zip(rows, values, strict=True):
        result[row] = value
    return result


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.einsum("...i,oi->...o", x, weight) + bias


def gelu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def attention(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    offsets: np.ndarray | None = None,
    *,
    scale: float,
) -> np.ndarray:
    logits = scale * np.einsum("rhqd,rhkd->rhqk", query, key)
    powers = np.exp(logits if offsets is None else logits + offsets)
    return np.einsum("rhqk,rhkd->rhqd", powers / powers.sum(axis=3, keepdims=True), value)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def max_pool(x: np.ndarray, factor: int) -> np.ndarray:
    return _blocks(x, factor).max((3, 5))


def avg_pool(x: np.ndarray, factor: int) -> np.ndarray:
    return _blocks(x, factor).mean((3, 5))


def _blocks(x: np.ndarray, factor: int) -> np.ndarray:
    n, c, h, w = x.shape
    x = x[:, :, : h // factor * factor, : w // factor * factor]
    return x.reshape(n, c, h // factor, factor, w // factor, factor)


def spatial_mean(x: np.ndarray) -> np.ndarray:
    return x.mean((2, 3), keepdims=True)


def repeat_map(x: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.tile(x, (1, 1, height, width))


def pad_to(x: np.ndarray, height: int, width: int) -> np.ndarray:
    spare = height - x.shape[2], width - x.shape[3]
    return np.pad(x, [(0, 0), (0, 0), *((d // 2, d - d // 2) for d in spare)])


def pad_bottom_right(x: np.ndarray, height: int, width: int, *, mode: str) -> np.ndarray:
    amounts = [(0, 0), (0, 0), (0, height - x.shape[2]), (0, width - x.shape[3])]
    native = {"zeros": "constant", "repeat": "edge", "reflect": "reflect"}
    return np.pad(x, amounts, mode=native[mode])


def fill_map(x: np.ndarray, value: float) -> np.ndarray:
    return np.full_like(x, value)


def pixel_shuffle(x: np.ndarray, factor: int) -> np.ndarray:
    n, c, h, w = x.shape
    result = np.zeros((n, c // factor**2, h * factor, w * factor), x.dtype)
    for channel in range(c):
        out, place = divmod(channel, factor**2)
        dy, dx = divmod(place, factor)
        result[:, out, dy::factor, dx::factor] = x[:, channel]
    return result


def zero_insert(x: np.ndarray, factor: int) -> np.ndarray:
    n, c, h, w = x.shape
    result = np.zeros((n, c, h * factor, w * factor), x.dtype)
    result[:, :, ::factor, ::factor] = x
    return result


def roll(x: np.ndarray, shifts: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    return np.roll(x, shifts, axes)


def rfft2(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spectrum = np.fft.rfft2(x)
    return spectrum.real, spectrum.imag


def irfft2(real: np.ndarray, imaginary: np.ndarray, *, width: int) -> np.ndarray:
    return np.fft.irfft2(real + 1j * imaginary, s=(real.shape[2], width))


def flip(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
    return np.flip(x, axes)


def pixel_unshuffle(x: np.ndarray, factor: int) -> np.ndarray:
    places = [(dy, dx) for dy in range(factor) for dx in range(factor)]
    parts = np.stack([x[:, :, dy::factor, dx::factor] for dy, dx in places], 2)
    return parts.reshape(x.shape[0], -1, *parts.shape[3:])


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.einsum("nmpl,nmlq->nmpq", x, y)


def matmul_transposed(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.einsum("nmpl,nmql->nmpq", x, y)


def idft2(real: np.ndarray, imaginary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = np.fft.ifft2(real + 1j * imaginary)
    return values.real, values.imag


def pad_repeat(x: np.ndarray, amount: int) -> np.ndarray:
    return np.pad(x, [(0, 0), (0, 0), (amount, amount), (amount, amount)], mode="edge")


def adaptive_avg_pool(x: np.ndarray, size: int) -> np.ndarray:
    n, c, h, w = x.shape
    result = np.zeros((n, c, size, size))
    for i, j in np.ndindex(size, size):
        rows = slice(i * h // size, -(-(i + 1) * h // size))
        columns = slice(j * w // size, -(-(j + 1) * w // size))
        result[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
    return result


def resize_bilinear(x: np.ndarray, height: int, width: int) -> np.ndarray:
    pairs = zip((height, width), x.shape[2:], strict=True)
    rows, columns = ((np.arange(new) + 0.5) * old / new - 0.5 for new, old in pairs)
    return _bilinear(x, rows, columns)


def scale_rows(x: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return x * factors


def repeat_rows(x: np.ndarray, count: int) -> np.ndarray:
    return x.repeat(count, 0)


def columns(x: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    return tuple(np.split(x, count, axis=1))


def modulate_rows(
    x: np.ndarray, gains: np.ndarray, shifts: np.ndarray, *, rows: np.ndarray
) -> np.ndarray:
    return x * gains[rows] + shifts[rows]


def cos_sin(x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.cos(x), np.sin(x)], axis=1)


def convolve(x: np.ndarray, weight: np.ndarray, **options: int) -> np.ndarray:
    return conv2d(x, weight, np.zeros(len(weight)), **options)


def patches(x: np.ndarray, size: int, *, stride: int, padding: int) -> np.ndarray:
    n, c, h, w = x.shape
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    pieces = [
        padded[:, :, top : top + size, left : left + size].reshape(n, c * size * size)
        for top in range(0, h + 2 * padding - size + 1, stride)
        for left in range(0, w + 2 * padding - size + 1, stride)
    ]
    return np.stack(pieces, axis=2)


def overlay(
    x: np.ndarray, height: int, width: int, size: int, *, stride: int, padding: int
) -> np.ndarray:
    n, c = x.shape[0], x.shape[1] // size**2
    canvas = np.zeros((n, c, height + 2 * padding, width + 2 * padding), x.dtype)
    place = 0
    for top in range(0, height + 2 * padding - size + 1, stride):
        for left in range(0, width + 2 * padding - size + 1, stride):
            piece = x[:, :, place].reshape(n, c, size, size)
            canvas[:, :, top : top + size, left : left + size] += piece
            place += 1
    return canvas[:, :, padding : padding + height, padding : padding + width]


def batched_matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x @ y


def settle(x: np.ndarray) -> np.ndarray:
    return x


def window_mask(logits: np.ndarray, height: int, width: int, window: int, shift: int) -> np.ndarray:
    """From the definition: pixels of a window belong together if no edge of the map parts them."""
    rows, columns_ = np.indices((height, width))
    wraps = rows + shift >= height, columns_ + shift >= width
    groups = wraps[0] * 2 + wraps[1]
    result = logits.copy()
    place = 0
    for _image in range(len(logits) // (height // window * (width // window))):
        for top in range(0, height, window):
            for left in range(0, width, window):
                own = groups[top : top + window, left : left + window].ravel()
                result[place] += np.where(own[:, None] == own, 0, -100)
                place += 1
    return result


def _draw(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


FUNCTIONS: list[tuple[Callable[..., Any], list[np.ndarray], dict[str, Any]]] = [
    (downsample_nearest, [_draw(2, 3, 6, 10)], {"factor": 2}),
    (downsample_nearest, [_draw(1, 2, 9, 6)], {"factor": 3}),
    (upsample, [_draw(2, 3, 5, 4)], {"factor": 2, "mode": "nearest"}),
    (upsample, [_draw(1, 2, 3, 5)], {"factor": 3, "mode": "nearest"}),
    (upsample, [_draw(2, 3, 5, 4)], {"factor": 2, "mode": "asymmetric"}),
    (upsample, [_draw(1, 2, 1, 7)], {"factor": 4, "mode": "asymmetric"}),
    (upsample, [_draw(1, 2, 3, 4)], {"factor": 1, "mode": "nearest"}),
    (downsample_bilinear, [_draw(2, 3, 6, 10)], {"factor": 2}),
    (downsample_bilinear, [_draw(2, 3, 12, 8)], {"factor": 4}),
    (dft2, [_draw(2, 3, 6, 10)], {}),
    (dft2, [_draw(1, 1, 5, 7)], {}),
    (upsample, [_draw(1, 2, 3, 5)], {"factor": 2, "mode": "corners"}),
    (upsample, [_draw(2, 2, 1, 1)], {"factor": 2, "mode": "corners"}),
    (avg_pool, [_draw(2, 3, 7, 6)], {"factor": 2}),
    (spatial_mean, [_draw(2, 3, 5, 4)], {}),
    (repeat_map, [_draw(2, 3, 1, 1)], {"height": 3, "width": 2}),
    (pad_to, [_draw(1, 2, 4, 3)], {"height": 5, "width": 6}),
    (pad_to, [_draw(1, 2, 4, 3)], {"height": 4, "width": 3}),
    (pad_bottom_right, [_draw(1, 2, 4, 3)], {"height": 8, "width": 4, "mode": "repeat"}),
    (pad_bottom_right, [_draw(1, 2, 4, 3)], {"height": 6, "width": 3, "mode": "zeros"}),
    (pixel_shuffle, [_draw(2, 8, 3, 2)], {"factor": 2}),
    (zero_insert, [_draw(2, 3, 3, 2)], {"factor": 2}),
    (zero_insert, [_draw(1, 2, 2, 3)], {"factor": 3}),
    (roll, [_draw(2, 3, 5, 4)], {"shifts": (-2, 3), "axes": (2, 3)}),
    (roll, [_draw(2, 5, 4, 3)], {"shifts": (0, 7), "axes": (1, 2)}),
    (flip, [_draw(2, 3, 4, 3)], {"axes": (2, 3)}),
    (rfft2, [_draw(2, 3, 6, 10)], {}),
    (rfft2, [_draw(1, 2, 5, 7)], {}),
    (irfft2, [_draw(1, 2, 6, 6), _draw(1, 2, 6, 6)], {"width": 10}),
    (irfft2, [_draw(1, 2, 5, 4), _draw(1, 2, 5, 4)], {"width": 7}),
    (pixel_unshuffle, [_draw(2, 3, 4, 6)], {"factor": 2}),
    (matmul, [_draw(2, 3, 4, 5), _draw(2, 3, 5, 6)], {}),
    (matmul, [_draw(1, 1, 2, 3), _draw(1, 1, 3, 4)], {}),
    (matmul_transposed, [_draw(2, 3, 4, 5), _draw(2, 3, 6, 5)], {}),
    (convolve, [_draw(2, 3, 4, 5), _draw(3, 1, 3, 3)], {"padding": 1, "groups": 3}),
    (idft2, [_draw(2, 3, 6, 5), _draw(2, 3, 6, 5)], {}),
    (convolve, [_draw(3, 1, 7, 8), _draw(1, 1, 3, 3)], {"stride": 2, "padding": 0}),
    (pad_repeat, [_draw(2, 3, 4, 3)], {"amount": 3}),
    (adaptive_avg_pool, [_draw(1, 2, 7, 9)], {"size": 3}),
    (adaptive_avg_pool, [_draw(1, 2, 3, 8)], {"size": 5}),
    (resize_bilinear, [_draw(1, 2, 5, 7)], {"height": 8, "width": 4}),
    (resize_bilinear, [_draw(1, 2, 3, 4)], {"height": 3, "width": 4}),
    (linear, [_draw(2, 3, 2, 6), _draw(5, 6), _draw(5)], {}),
    (take_rows, [_draw(5, 2, 3)], {"rows": np.array([4, 0, 4])}),
    (put_rows, [_draw(5, 2, 3), _draw(2, 2, 3)], {"rows": np.array([3, 0])}),
    (pointwise, [_draw(2, 6, 3, 4), _draw(5, 6, 1, 1)], {}),
    (pointwise, [_draw(2, 6, 3, 4), _draw(5, 6, 1, 1), _draw(5)], {}),
    (downsample_bilinear, [_draw(1, 2, 6, 9)], {"factor": 3}),
    (pad_bottom_right, [_draw(1, 2, 5, 3)], {"height": 8, "width": 4, "mode": "reflect"}),
    (scale_rows, [_draw(5, 3), _draw(5, 1)], {}),
    (repeat_rows, [_draw(2, 3)], {"count": 4}),
    (repeat_rows, [_draw(1, 3)], {"count": 4}),
    (columns, [_draw(4, 6)], {"count": 3}),
    (columns, [_draw(4, 6)], {"count": 1}),
    (linear, [_draw(5, 4), _draw(3, 4), _draw(3)], {}),
    (
        modulate_rows,
        [_draw(5, 3), _draw(4, 3), _draw(4, 3)],
        {"rows": np.array([3, 0, 0, 2, 3], np.int32)},
    ),
    (convolve, [_draw(2, 3, 4, 5), _draw(4, 3, 3, 3)], {"padding": 1}),
    (convolve, [_draw(1, 3, 4, 5), _draw(4, 3, 1, 1)], {"padding": 0}),
    (patches, [_draw(2, 3, 4, 5)], {"size": 3, "stride": 1, "padding": 1}),
    (patches, [_draw(1, 2, 4, 6)], {"size": 6, "stride": 2, "padding": 2}),
    (
        overlay,
        [_draw(1, 72, 6)],
        {"height": 4, "width": 6, "size": 6, "stride": 2, "padding": 2},
    ),
    (batched_matmul, [_draw(1, 3, 4), _draw(1, 4, 2)], {}),
    (batched_matmul, [_draw(2, 2, 3, 4), _draw(2, 2, 4, 2)], {}),
    (settle, [_draw(2, 3)], {}),
    (
        window_mask,
        [_draw(12, 1, 4, 4)],
        {"height": 4, "width": 6, "window": 2, "shift": 1},
    ),
]
CURVED: list[tuple[Callable[..., Any], list[np.ndarray], dict[str, Any]]] = [
    (leaky_relu, [_draw(2, 3, 5, 4)], {"slope": 0.2}),
    (softplus, [15 * _draw(2, 3, 5, 4)], {}),
    (sigmoid, [8 * _draw(2, 3, 5, 4)], {}),
    (max_pool, [_draw(2, 3, 7, 6)], {"factor": 2}),
    (max_pool, [_draw(2, 3, 2, 3)], {"factor": 2}),
]
IDS = [f"{case[0].__name__}-{number}" for number, case in enumerate(FUNCTIONS)]


def _close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=TOLERANCE * max(1.0, np.abs(expected).max())
    )


def _as_list(result: Any) -> list[np.ndarray]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize(("reference", "arrays", "options"), FUNCTIONS, ids=IDS)
def test_forward(
    backend: Backend,
    reference: Callable[..., Any],
    arrays: list[np.ndarray],
    options: dict[str, Any],
) -> None:
    expected = _as_list(reference(*(array.astype(np.float64) for array in arrays), **options))
    found = backend.call("layer", reference.__name__, arrays, options)
    for one, other in zip(found, expected, strict=True):
        _close(one, other)


@pytest.mark.parametrize(("reference", "arrays", "options"), FUNCTIONS, ids=IDS)
def test_gradients(
    backend: Backend,
    reference: Callable[..., Any],
    arrays: list[np.ndarray],
    options: dict[str, Any],
) -> None:
    """All these are linear in each argument, so one-sided differences are exact derivatives."""
    exact = [array.astype(np.float64) for array in arrays]
    results = _as_list(reference(*exact, **options))
    probes = [np.random.default_rng(9).standard_normal(r.shape).astype(np.float32) for r in results]

    def total(values: list[np.ndarray]) -> float:
        pairs = zip(_as_list(reference(*values, **options)), probes, strict=True)
        return sum(float((result * probe).sum()) for result, probe in pairs)

    start = total(exact)
    found = backend.call("layer_gradients", reference.__name__, arrays, options, probes)
    for place, array in enumerate(exact):
        expected = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            moved = [value.copy() for value in exact]
            moved[place][index] += 1.0
            expected[index] = total(moved) - start
        _close(found[place], expected)


@pytest.mark.parametrize(
    ("reference", "arrays", "options"), CURVED, ids=[case[0].__name__ for case in CURVED]
)
def test_curved_functions_and_their_slopes(
    backend: Backend,
    reference: Callable[..., Any],
    arrays: list[np.ndarray],
    options: dict[str, Any],
) -> None:
    exact = arrays[0].astype(np.float64)
    expected = reference(exact, **options)
    (found,) = backend.call("layer", reference.__name__, [arrays[0].copy()], options)
    # Relative to each value: softplus is exact also where it is nearly 0.
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=1e-30)
    probe = np.random.default_rng(9).standard_normal(expected.shape).astype(np.float32)
    (slopes,) = backend.call(
        "layer_gradients", reference.__name__, [arrays[0].copy()], options, [probe]
    )
    step = 1e-6
    for index in np.ndindex(exact.shape):
        ahead, behind = exact.copy(), exact.copy()
        ahead[index] += step
        behind[index] -= step
        difference = reference(ahead, **options) - reference(behind, **options)
        slope = (difference * probe).sum() / (2 * step)
        assert slopes[index] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_a_filled_map_has_the_shape_and_no_gradient(backend: Backend) -> None:
    (found,) = backend.call("layer", "fill_map", [_draw(2, 3, 4, 5)], {"value": 0.25})
    assert np.array_equal(found, fill_map(np.zeros((2, 3, 4, 5), np.float32), 0.25))


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
    weights = {"weight": _draw(6, 4 // options.get("groups", 1), 3, 3), "bias": _draw(6)}
    x = _draw(2, 4, 7, 8)
    initial, found = backend.call("module_layer", "Conv2d", [4, 6, 3], options, weights, x)
    assert {name: array.shape for name, array in initial.items()} == {
        name: array.shape for name, array in weights.items()
    }
    geometry = {name: value for name, value in options.items() if name != "bias"}
    _close(found, conv2d(x.astype(np.float64), weights["weight"], weights["bias"], **geometry))


def test_conv2d_without_bias_has_none(backend: Backend) -> None:
    weights = {"weight": _draw(6, 4, 3, 3)}
    options = {"padding": 1, "bias": False}
    x = _draw(1, 4, 5, 5)
    initial, found = backend.call("module_layer", "Conv2d", [4, 6, 3], options, weights, x)
    assert list(initial) == ["weight"]
    _close(found, conv2d(x.astype(np.float64), weights["weight"], np.zeros(6), padding=1))


@pytest.mark.parametrize(("kernel", "padding"), [(4, 1), (2, 0)])
def test_conv_transpose2d(backend: Backend, kernel: int, padding: int) -> None:
    weights = {"weight": _draw(4, 3, kernel, kernel), "bias": _draw(3)}
    options = {"stride": 2, "padding": padding, "bias": True}
    x = _draw(2, 4, 3, 5)
    _, found = backend.call("module_layer", "ConvTranspose2d", [4, 3, kernel], options, weights, x)
    assert found.shape == (2, 3, 6, 10)
    expected = conv_transpose2d(
        x.astype(np.float64), weights["weight"], weights["bias"], stride=2, padding=padding
    )
    _close(found, expected)


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


def _check_curved(
    backend: Backend, name: str, arrays: list[np.ndarray], exact: Callable[..., Any]
) -> None:
    """A function and its slopes, in units of the largest value."""
    values = [array.astype(np.float64) for array in arrays]
    expected = _as_list(exact(*values))
    found = backend.call("layer", name, arrays, {})
    for one, other in zip(found, expected, strict=True):
        _close(one, other)
    probes = [
        np.random.default_rng(9).standard_normal(r.shape).astype(np.float32) for r in expected
    ]
    slopes = backend.call("layer_gradients", name, arrays, {}, probes)
    step = 1e-6
    for place, array in enumerate(values):
        wanted = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = [value.copy() for value in values]
                moved[place][index] += sign * step
                pairs = zip(_as_list(exact(*moved)), probes, strict=True)
                sides.append(sum(float((result * probe).sum()) for result, probe in pairs))
            wanted[index] = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(slopes[place], wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


def test_gelu(backend: Backend) -> None:
    _check_curved(backend, "gelu", [2 * _draw(2, 3, 5, 4)], gelu)


def test_angle(backend: Backend) -> None:
    arrays = [_draw(2, 3, 5, 4), _draw(2, 3, 5, 4)]
    _check_curved(backend, "angle", arrays, lambda x, y: np.arctan2(y, x))
    special = np.array(
        [[0, 0], [1, 0], [-1, 0], [0, 2], [0, -2], [1e-12, 1], [-1e-12, -1]], np.float32
    )
    (found,) = backend.call("layer", "angle", [special[:, 0], special[:, 1]], {})
    np.testing.assert_allclose(found, np.arctan2(special[:, 1], special[:, 0]), atol=1e-6)
    slopes = backend.call(
        "layer_gradients", "angle", [special[:, 0], special[:, 1]], {}, [np.ones(7, np.float32)]
    )
    square = np.maximum((special**2).sum(1), 1e-30)
    np.testing.assert_allclose(slopes[0], -special[:, 1] / square, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes[1], special[:, 0] / square, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(6, 10), (5, 7)])
def test_unit_spectrum(backend: Backend, size: tuple[int, int]) -> None:
    def exact(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spectrum = np.fft.rfft2(x)
        return spectrum.real / np.abs(spectrum), spectrum.imag / np.abs(spectrum)

    _check_curved(backend, "unit_spectrum", [_draw(1, 2, *size)], exact)


def test_unit_spectrum_of_nothing(backend: Backend) -> None:
    x = np.zeros((1, 1, 4, 6), np.float32)
    real, imaginary = backend.call("layer", "unit_spectrum", [x], {})
    assert np.array_equal(real, np.ones((1, 1, 4, 4)))
    assert not imaginary.any()
    probes = [np.ones((1, 1, 4, 4), np.float32)] * 2
    assert not backend.call("layer_gradients", "unit_spectrum", [x], {}, probes)[0].any()


@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("align_corners", [True, False])
def test_grid_sample(backend: Backend, padding: str, align_corners: bool) -> None:
    """Samples at places in pixels, some of them outside."""
    x = _draw(2, 3, 5, 7)
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
    (found,) = backend.call(
        "layer", "grid_sample", [x, grid.astype(np.float32)],
        {"padding": padding, "align_corners": align_corners},
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_channel_norm(backend: Backend) -> None:
    """Also where the mean is a hundred times the deviation."""
    x, weights = _draw(2, 6, 3, 4) + 100, {"weight": _draw(6), "bias": _draw(6)}
    initial, found = backend.call("module_layer", "ChannelNorm", [6], {"eps": 1e-5}, weights, x)
    assert (initial["weight"] == 1).all()
    assert (initial["bias"] == 0).all()
    exact = x.astype(np.float64)
    exact = (exact - exact.mean(1, keepdims=True)) / np.sqrt(exact.var(1, keepdims=True) + 1e-5)
    expected = exact * weights["weight"][:, None, None] + weights["bias"][:, None, None]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_parameters_to_be_trained(backend: Backend) -> None:
    (found,) = backend.call("layer", "constant_parameter", [], {"shape": (2, 3), "value": 0.5})
    assert np.array_equal(found, np.full((2, 3), 0.5, np.float32))
    (found,) = backend.call("layer", "uniform_parameter", [], {"shape": (50, 40), "bound": 0.25})
    assert found.shape == (50, 40)
    assert np.abs(found).max() <= 0.25
    assert found.std() == pytest.approx(0.25 / 3**0.5, rel=0.1)


def test_without_gradient(backend: Backend) -> None:
    """The function is called, and what goes into it gets no gradient."""
    x = _draw(2, 3)
    found, slopes = backend.call("stopped", x)
    np.testing.assert_allclose(found, 2 * x, rtol=1e-6)
    np.testing.assert_allclose(slopes, np.ones_like(x))


def test_gelu_and_its_slopes(backend: Backend) -> None:
    """Exact, not by tanh, which is 5e-4 off; PyTorch itself leaves 8e-7."""
    x = 3 * _draw(4, 5, 6, 7)
    (found,) = backend.call("layer", "gelu", [x], {})
    np.testing.assert_allclose(found, gelu(x.astype(np.float64)), rtol=0, atol=1e-6)
    (slopes,) = backend.call("layer_gradients", "gelu", [x], {}, [np.ones_like(x)])
    exact = x.astype(np.float64)
    expected = (gelu(exact + 1e-6) - gelu(exact - 1e-6)) / 2e-6
    np.testing.assert_allclose(slopes, expected, rtol=0, atol=2e-6)


def test_cos_sin_and_its_slopes(backend: Backend) -> None:
    x = 20 * _draw(7, 5)
    (found,) = backend.call("layer", "cos_sin", [x], {})
    exact = x.astype(np.float64)
    np.testing.assert_allclose(found, cos_sin(exact), rtol=0, atol=3e-7)
    (slopes,) = backend.call("layer_gradients", "cos_sin", [x], {}, [np.ones_like(found)])
    np.testing.assert_allclose(slopes, np.cos(exact) - np.sin(exact), rtol=0, atol=6e-7)


@pytest.mark.parametrize("rows", [0, 1, 3], ids=["no offsets", "the same for all", "of each row"])
def test_attention(backend: Backend, rows: int) -> None:
    query, key, value = _draw(3, 2, 5, 4), _draw(3, 2, 6, 4), _draw(3, 2, 6, 4)
    arrays = [query, key, value]
    if rows:
        arrays.append(10 * _draw(rows, 2, 5, 6))
    options: dict[str, Any] = {"scale": 0.3} if rows else {"offsets": None, "scale": 0.3}
    expected = attention(*(array.astype(np.float64) for array in arrays), scale=0.3)
    (found,) = backend.call("layer", "attention", arrays, options)
    _close(found, expected)


@pytest.mark.parametrize("border", ["zeros", "reflect"])
def test_window_conv(backend: Backend, border: str) -> None:
    weights = {"weight": _draw(6, 1, 3, 3), "bias": _draw(6)}
    x = _draw(3, 4, 5, 6)
    initial, found = backend.call("module_layer", "WindowConv", [6], {"border": border}, weights, x)
    assert {name: array.shape for name, array in initial.items()} == {
        "weight": (6, 1, 3, 3),
        "bias": (6,),
    }
    around = ((0, 0), (1, 1), (1, 1), (0, 0))
    padded = np.pad(
        x.astype(np.float64), around, mode="reflect" if border == "reflect" else "constant"
    ).transpose(0, 3, 1, 2)
    expected = conv2d(padded, weights["weight"], weights["bias"], padding=0, groups=6)
    _close(found, expected.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_layer_norm(backend: Backend, mean: float) -> None:
    """A mean of squares minus a squared mean would lose all digits at 1000."""
    weights = {"weight": _draw(16), "bias": _draw(16)}
    x = _draw(4, 3, 16) + np.float32(mean)
    initial, found = backend.call("module_layer", "LayerNorm", [16], {"eps": 1e-5}, weights, x)
    assert np.array_equal(initial["weight"], np.ones(16))
    assert np.array_equal(initial["bias"], np.zeros(16))
    exact = x.astype(np.float64)
    centered = exact - exact.mean(axis=2, keepdims=True)
    spread = np.sqrt((centered**2).mean(axis=2, keepdims=True) + 1e-5)
    expected = centered / spread * weights["weight"] + weights["bias"]
    # Numbers near 1000, and their mean, are known to 3e-5, some of which the factors enlarge.
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-4 if mean else 5e-6)


def test_linear(backend: Backend) -> None:
    weights = {"weight": _draw(50, 40), "bias": _draw(50)}
    x = _draw(2, 3, 4, 40)
    options = {"bias": True, "std": 0.02}
    initial, found = backend.call("module_layer", "Linear", [40, 50], options, weights, x)
    assert initial["weight"].std() == pytest.approx(0.02, rel=0.1)
    assert np.array_equal(initial["bias"], np.zeros(50))
    _close(found, x.astype(np.float64) @ weights["weight"].T + weights["bias"])
    initial, _ = backend.call("module_layer", "Linear", [40, 50], {"bias": True}, weights, x)
    assert all(np.abs(values).max() <= 40**-0.5 for values in initial.values())


def test_drop_path_drops_whole_members_and_keeps_the_mean(backend: Backend) -> None:
    x = np.ones((4000, 2, 3), np.float32)
    found = backend.call("training_layer", "DropPath", [0.25], x)
    kept = found[:, 0, 0] > 0
    expected = np.where(kept[:, None, None], 1 / 0.75, 0 * x)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert kept.mean() == pytest.approx(0.75, abs=0.04)
    assert np.array_equal(backend.call("training_layer", "DropPath", [0.0], x), x)


def test_places_and_constants(backend: Backend) -> None:
    (kept,) = backend.call("layer", "kept_rows", [np.array([0, 1, 1, 0, 1], np.float32)], {})
    assert kept.tolist() == [1, 2, 4]
    (none,) = backend.call("layer", "kept_rows", [np.zeros(3, np.float32)], {})
    assert none.shape == (0,)
    assert backend.call("as_places", np.array([3, 0, 2])).tolist() == [3, 0, 2]
    constant = backend.call("as_constant", np.array([[0.25, -100.0]]))
    assert constant.dtype == np.float32
    assert constant.tolist() == [[0.25, -100.0]]


def test_stop_gradient(backend: Backend) -> None:
    x = _draw(2, 3)
    (found,) = backend.call("layer", "stop_gradient", [x], {})
    assert np.array_equal(found, x)


def test_prelu(backend: Backend) -> None:
    x = _draw(2, 3, 4, 5)
    weights = {"weight": np.array([-0.3], np.float32)}
    initial, found = backend.call("module_layer", "PRelu", [], {}, weights, x)
    assert np.array_equal(initial["weight"], np.array([0.25], np.float32))
    _close(found, np.where(x < 0, -0.3 * x.astype(np.float64), x))


def test_relative_bias(backend: Backend) -> None:
    """One number per head and offset from the second pixel to the first."""
    window, heads = 3, 2
    table = _draw(25, heads)
    x = _draw(1, heads, 9, 9)
    initial, found = backend.call(
        "module_layer", "RelativeBias", [window, heads], {}, {"weight": table}, x
    )
    assert list(initial) == ["weight"]
    assert 0 < np.abs(initial["weight"]).max() <= 2
    assert initial["weight"].std() == pytest.approx(0.02, rel=0.5)
    expected = x.astype(np.float64)
    for i in range(9):
        for j in range(9):
            dy, dx = i // 3 - j // 3, i % 3 - j % 3
            expected[0, :, i, j] += table[(dy + 2) * 5 + dx + 2]
    _close(found, expected)
