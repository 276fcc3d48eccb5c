"""Shims of `layers/fourier.py` against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends import Backend
from tests.layers.checks import (
    Case,
    check_curved,
    check_forward,
    check_gradients,
    draw,
    each,
)
from tests.reference.fourier import fft2, ifft2, irfft2, rfft2

CASES: list[Case] = [
    (fft2, [draw(2, 3, 6, 10)], {}),
    (fft2, [draw(1, 1, 5, 7)], {}),
    (rfft2, [draw(2, 3, 6, 10)], {}),
    (rfft2, [draw(1, 2, 5, 7)], {}),
    (irfft2, [draw(1, 2, 6, 6), draw(1, 2, 6, 6)], {"width": 10}),
    (irfft2, [draw(1, 2, 5, 4), draw(1, 2, 5, 4)], {"width": 7}),
    (ifft2, [draw(2, 3, 6, 5), draw(2, 3, 6, 5)], {}),
]


@each(CASES)
def test_forward(backend: Backend, case: Case) -> None:
    check_forward(backend, case)


@each(CASES)
def test_gradients(backend: Backend, case: Case) -> None:
    check_gradients(backend, case)


@pytest.mark.frameworks("torch")
def test_transforms_as_products_are_transforms(backend: Backend) -> None:
    """As ONNX gets them."""
    x, y = draw(2, 3, 6, 10).astype(np.float64), draw(2, 3, 6, 10).astype(np.float64)
    spectrum, half = np.fft.fft2(x), np.fft.rfft2(x)
    inverse = np.fft.ifft2(x + 1j * y)
    expected = {
        "fft2": (spectrum.real, spectrum.imag),
        "rfft2": (half.real, half.imag),
        "ifft2": (inverse.real, inverse.imag),
        "irfft2": (x,),
    }
    found = backend.call("layers.exported.transforms", x, y)
    for name, arrays in expected.items():
        for one, other in zip(found[name], arrays, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("width", [1, 2, 7, 10])
def test_half_counts(backend: Backend, width: int) -> None:
    """By Parseval's theorem."""
    x = draw(1, 1, 3, width)
    (counts,) = backend.call("layer", "half_counts", [x], {"width": width})
    power = (counts * np.abs(np.fft.rfft2(x)) ** 2).sum()
    assert power == pytest.approx((np.abs(np.fft.fft2(x)) ** 2).sum(), rel=1e-6)


def test_angle(backend: Backend) -> None:
    arrays = [draw(2, 3, 5, 4), draw(2, 3, 5, 4)]
    check_curved(backend, "angle", arrays, lambda x, y: np.arctan2(y, x))
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

    check_curved(backend, "unit_spectrum", [draw(1, 2, *size)], exact)


def test_unit_spectrum_of_nothing(backend: Backend) -> None:
    x = np.zeros((1, 1, 4, 6), np.float32)
    real, imaginary = backend.call("layer", "unit_spectrum", [x], {})
    assert np.array_equal(real, np.ones((1, 1, 4, 4)))
    assert not imaginary.any()
    probes = [np.ones((1, 1, 4, 4), np.float32)] * 2
    assert not backend.call("layer_gradients", "unit_spectrum", [x], {}, probes)[0].any()
