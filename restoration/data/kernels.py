"""Blur kernels as the authors of the models draw them, from given random numbers.

Sources: Bai, Pan: Self-Supervised Deep Blind Video Super-Resolution (Gaussian and realistic
kernels); Laroche, Almansa, Tassano: Deep Model-Based Super-Resolution with Non-uniform Blur.
Kernels are float64, odd, and sum to one.
"""

from __future__ import annotations

import math

import numpy as np

from restoration.data.degradations import motion_kernel
from restoration.errors import picture_packages

CLIP_SIGMAS = tuple(tenths / 10 for tenths in range(4, 21))
"""Standard deviations of Self-Blind-VSR's Gaussian kernels, in pixels."""

_REALISTIC_PX, _REALISTIC_DRAWN_PX = 13, 31
_OBJECT_GAUSSIAN_PX = 25


def clip_gaussian(sigma_px: float) -> np.ndarray:
    """Self-Blind-VSR's Gaussian kernel, three standard deviations to each side."""
    reach = math.ceil(3 * sigma_px)
    offsets = np.arange(-reach, reach + 1)
    squares = offsets[:, None] ** 2 + offsets**2
    kernel = np.exp(-squares / (2 * sigma_px**2))
    kernel[kernel < np.finfo(np.float64).eps * kernel.max()] = 0
    return kernel / kernel.sum()


def clip_realistic(spread: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Self-Blind-VSR's realistic kernel, (13, 13): a tilted Gaussian with noise upon it.

    spread: three uniform numbers, for the variances and the angle; noise: (31, 31) of them.
    """
    with picture_packages():
        from scipy import ndimage
    variances = 2.4 + 17.6 * np.asarray(spread[:2])
    angle = math.pi * float(spread[2])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    inverse = np.linalg.inv(turn @ np.diag(variances) @ turn.T)
    size = _REALISTIC_DRAWN_PX
    y, x = np.mgrid[:size, :size] - (size + 2) / 2  # as published, one pixel off the middle
    z = np.stack([x, y], axis=-1)
    kernel = np.exp(-0.5 * np.einsum("...i,ij,...j", z, inverse, z)) * (0.75 + 0.5 * noise)
    kernel = ndimage.shift(kernel, size / 2 - np.array(ndimage.center_of_mass(kernel)))
    kernel = kernel.clip(0)
    return _reduced(kernel / kernel.sum(), _REALISTIC_PX)


def draw_clip_kernel(name: str, rng: np.random.Generator) -> np.ndarray:
    """A kernel for a clip, "gaussian" or "realistic"."""
    if name == "gaussian":
        return clip_gaussian(CLIP_SIGMAS[rng.integers(len(CLIP_SIGMAS))])
    size = _REALISTIC_DRAWN_PX
    return clip_realistic(rng.random(3), rng.random((size, size)))


def object_gaussian(spread: np.ndarray, *, scale: int) -> np.ndarray:
    """DMBSR's Gaussian kernel, (25, 25).

    spread: three uniform numbers, for the variances and the angle. scale: every so manieth pixel is
    kept afterwards, for which the kernel lies off its middle.
    """
    variances = 0.6 + 11.4 * np.asarray(spread[:2])
    angle = math.pi * float(spread[2])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    inverse = np.linalg.inv(turn @ np.diag(variances) @ turn.T)
    size = _OBJECT_GAUSSIAN_PX
    y, x = np.mgrid[:size, :size] - (size // 2 - 0.5 * (scale - 1))
    z = np.stack([x, y], axis=-1)
    kernel: np.ndarray = np.exp(-0.5 * np.einsum("...i,ij,...j", z, inverse, z))
    return kernel / kernel.sum()


def draw_object_kernels(
    count: int, size_px: int, rng: np.random.Generator, *, scale: int
) -> np.ndarray:
    """DMBSR's kernels to choose from, (count, size_px, size_px): half motion, half Gaussian.

    Gaussian ones are cut to the size, or lie in its middle.
    """
    drawn = []
    for number in range(count):
        if number % 2:
            gaussian = object_gaussian(rng.random(3), scale=scale)
            drawn.append(fitted(gaussian, size_px))
        else:
            drawn.append(motion_kernel(size_px, rng))
    return np.stack(drawn)


def fitted(kernel: np.ndarray, size_px: int) -> np.ndarray:
    """The middle of a kernel, or the kernel with zeros around, of a size; it sums to one."""
    more = (size_px - kernel.shape[0]) // 2
    if more < 0:
        kernel = kernel[-more:more, -more:more]
        return kernel / kernel.sum()
    return np.pad(kernel, more)


def _reduced(kernel: np.ndarray, size_px: int) -> np.ndarray:
    """A kernel of another size by OpenCV's cubic interpolation, without antialiasing."""
    with picture_packages():
        import cv2
    reduced = cv2.resize(kernel, (size_px, size_px), interpolation=cv2.INTER_CUBIC).clip(0)
    return reduced / reduced.sum()
