"""Blur kernels and blurring, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import convolve

from restoration.data import degradations
from restoration.errors import InputError


@given(size=st.integers(0, 20).map(lambda half: 2 * half + 1), seed=st.integers(0, 2**32))
def test_motion_kernels_are_kernels(size: int, seed: int) -> None:
    kernel = degradations.motion_kernel(size, np.random.default_rng(seed))
    assert kernel.shape == (size, size)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1)
    center = [(kernel.sum(1 - axis) * np.arange(size)).sum() for axis in (0, 1)]
    assert center == pytest.approx([size // 2, size // 2], abs=1e-6)


def test_motion_kernels_move() -> None:
    """A path is long and thin: it covers little of its box, and differs from seed to seed."""
    kernels = [degradations.motion_kernel(21, np.random.default_rng(seed)) for seed in range(20)]
    covered = [np.count_nonzero(kernel > 1e-3) for kernel in kernels]
    assert max(covered) < 21 * 21 / 2
    assert min(covered) > 5
    assert not np.allclose(kernels[0], kernels[1])


def test_a_straight_blur_is_a_box_along_the_middle_row() -> None:
    kernel = degradations.straight_kernel(11, length_px=7.0)
    assert kernel[np.arange(11) != 5].sum() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(kernel[5, 3:8], 1 / 6, atol=0.01)
    np.testing.assert_allclose(kernel[5, [2, 8]], 1 / 12, atol=0.01)
    assert kernel.sum() == pytest.approx(1)
    with pytest.raises(InputError, match="a path of at least 1 and below 11 px, got 11"):
        degradations.straight_kernel(11, length_px=11)


def test_gaussian_kernel_has_its_moments() -> None:
    kernel = degradations.gaussian_kernel(41, sigma_px=(3.0, 1.5), angle_rad=0.4)
    offsets = np.arange(41) - 20
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    covariance = np.array([[(kernel * a * b).sum() for a in (x, y)] for b in (x, y)])
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    np.testing.assert_allclose(covariance, turn @ np.diag([9, 2.25]) @ turn.T, atol=1e-3)


def test_blur_is_a_convolution_with_symmetric_borders() -> None:
    rng = np.random.default_rng(1)
    image = rng.random((2, 3, 9, 14)).astype(np.float32)
    kernel = degradations.motion_kernel(7, rng)
    found = degradations.blur(image, kernel)
    assert found.dtype == np.float32
    for sample, channel in np.ndindex(2, 3):
        expected = convolve(image[sample, channel].astype(float), kernel, mode="reflect")
        np.testing.assert_allclose(found[sample, channel], expected, atol=1e-6)


def test_blur_takes_images_smaller_than_the_kernel() -> None:
    image = np.full((1, 3, 1, 1), 0.25, np.float32)
    assert degradations.blur(image, degradations.gaussian_kernel(9, sigma_px=2.0)) == pytest.approx(
        0.25
    )


def test_noise_has_its_standard_deviation() -> None:
    image = np.full((1, 3, 100, 100), 0.5, np.float32)
    noisy = degradations.add_noise(image, sigma=0.1, rng=np.random.default_rng(0))
    assert (noisy - image).std() == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize("size", [0, -1, 4])
def test_even_kernels_are_refused(size: int) -> None:
    with pytest.raises(InputError, match=f"an odd size of at least 1, got {size}"):
        degradations.motion_kernel(size, np.random.default_rng(0))
    with pytest.raises(InputError, match="an odd size"):
        degradations.gaussian_kernel(size, sigma_px=1.0)


def test_a_gaussian_needs_a_width() -> None:
    with pytest.raises(InputError, match="standard deviations above 0"):
        degradations.gaussian_kernel(3, sigma_px=0.0)
