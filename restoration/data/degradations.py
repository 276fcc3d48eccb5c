"""Degradations that give sharp photographs something to be restored from.

A kernel is (k, k) float64, odd k, non-negative, sums to one. Blurring is a convolution (the kernel
is flipped), with a symmetric border.
"""

from __future__ import annotations

import numpy as np

from restoration.errors import InputError, picture_packages
from restoration.images import borders

_INERTIA = 0.85  # how much of its velocity a shaken camera keeps from one step to the next
_STEPS_PER_PX = 8


def gaussian_kernel(
    size_px: int, *, sigma_px: float | tuple[float, float], angle_rad: float = 0.0
) -> np.ndarray:
    """A Gaussian blur, (size_px, size_px).

    sigma_px: one standard deviation, or one along each of two axes rotated by `angle_rad`.

    Raises:
        InputError: an even or non-positive size, or a standard deviation not above 0.
    """
    _check_size(size_px)
    along, across = sigma_px if isinstance(sigma_px, tuple) else (sigma_px, sigma_px)
    if min(along, across) <= 0:
        raise InputError(
            "Gaussian kernel",
            expected="standard deviations above 0",
            got=str(sigma_px),
            where="sigma_px",
            next_step="leave the blur out instead of giving it no width",
        )
    offsets = np.arange(size_px) - size_px // 2
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    u = np.cos(angle_rad) * x + np.sin(angle_rad) * y
    v = -np.sin(angle_rad) * x + np.cos(angle_rad) * y
    kernel = np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2))
    return kernel / kernel.sum()


def motion_kernel(size_px: int, rng: np.random.Generator) -> np.ndarray:
    """The path of a shaken camera during one exposure, (size_px, size_px).

    The path is a random walk whose velocity drifts; it is scaled to fill a random part of the
    kernel and drawn with bilinear weights, its centroid in the middle.

    Raises:
        InputError: an even or non-positive size.
    """
    _check_size(size_px)
    if size_px == 1:
        return np.ones((1, 1))
    steps = _STEPS_PER_PX * size_px
    kicks = rng.standard_normal((steps, 2))
    velocity = np.zeros((steps, 2))
    velocity[0] = kicks[0] * 3
    for step in range(1, steps):
        velocity[step] = _INERTIA * velocity[step - 1] + (1 - _INERTIA) * kicks[step]
    path = np.cumsum(velocity, axis=0)
    path -= path.mean(axis=0)
    # The half pixel keeps bilinear drawing inside the kernel.
    reach = (size_px // 2 - 0.5) * rng.uniform(0.4, 1.0)
    path *= reach / np.abs(path).max()
    return _draw(path + size_px // 2, size_px)


def blur(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve each channel with a kernel, (..., h, w) -> (..., h, w), dtype kept."""
    with picture_packages():
        from scipy.signal import oaconvolve
    padded = borders.pad(image.astype(np.float64), kernel.shape[0] // 2, border="symmetric")
    shape = (1,) * (image.ndim - 2) + kernel.shape
    blurred = oaconvolve(padded, kernel.reshape(shape), mode="valid", axes=(-2, -1))
    return blurred.astype(image.dtype)


def add_noise(image: np.ndarray, *, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise of a standard deviation on the scale of [0, 1]; not clipped."""
    noise = rng.standard_normal(image.shape) * sigma
    return (image + noise).astype(image.dtype)


def _draw(points: np.ndarray, size_px: int) -> np.ndarray:
    """Spread points (n, 2) in pixels over their four neighbors, normalized to sum one."""
    kernel = np.zeros((size_px, size_px))
    corner = np.floor(points).astype(int)
    fraction = points - corner
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dy - fraction[:, 0]) * np.abs(1 - dx - fraction[:, 1])
            np.add.at(kernel, (corner[:, 0] + dy, corner[:, 1] + dx), weight)
    return kernel / kernel.sum()


def _check_size(size_px: int) -> None:
    if size_px < 1 or size_px % 2 == 0:
        raise InputError(
            "blur kernel",
            expected="an odd size of at least 1",
            got=str(size_px),
            where="size_px",
            next_step="an even kernel would shift the image by half a pixel",
        )
