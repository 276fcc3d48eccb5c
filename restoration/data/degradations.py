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
    with picture_packages():
        from scipy.signal import lfilter
    steps = _STEPS_PER_PX * size_px
    kicks = rng.standard_normal((steps, 2))
    kicks[0] *= 3 / (1 - _INERTIA)
    velocity = lfilter([1 - _INERTIA], [1, -_INERTIA], kicks, axis=0)
    path = np.cumsum(velocity, axis=0)
    path -= path.mean(axis=0)
    # The half pixel keeps bilinear drawing inside the kernel.
    reach = (size_px // 2 - 0.5) * rng.uniform(0.4, 1.0)
    path *= reach / np.abs(path).max()
    return _draw(path + size_px // 2, size_px)


def straight_kernel(size_px: int, *, length_px: float) -> np.ndarray:
    """The path of a camera that turns sideways at a steady rate, (size_px, size_px).

    length_px: of the path, along the middle row, at least 1 and below `size_px`.

    Raises:
        InputError: an even or non-positive size, or a path that does not fit.
    """
    _check_size(size_px)
    if not 1 <= length_px < size_px:
        raise InputError(
            "straight blur",
            expected=f"a path of at least 1 and below {size_px} px",
            got=str(length_px),
            where="length_px",
            next_step="choose a larger kernel or a shorter path",
        )
    columns = np.linspace(-0.5, 0.5, _STEPS_PER_PX * size_px) * (length_px - 1)
    return _draw(np.stack([np.zeros_like(columns), columns], axis=1) + size_px // 2, size_px)


def blur(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve each channel with a kernel, (..., h, w) -> (..., h, w), dtype kept."""
    padded = borders.pad(image, kernel.shape[0] // 2, border="symmetric")
    return blur_inside(padded, kernel)


def blur_inside(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The same where the image says all, (..., h, w) -> (..., h - k + 1, w - k + 1)."""
    with picture_packages():
        from scipy import fft
    # Around the border of a larger picture comes only what is cut off.
    size = [fft.next_fast_len(side, real=True) for side in image.shape[-2:]]
    spectrum = fft.rfft2(image.astype(np.float64), s=size) * fft.rfft2(kernel, s=size)
    first = kernel.shape[0] - 1
    blurred = fft.irfft2(spectrum, s=size)[..., first : image.shape[-2], first : image.shape[-1]]
    return blurred.astype(image.dtype)


def add_noise(image: np.ndarray, *, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise of a standard deviation on the scale of [0, 1]; not clipped."""
    noise = rng.standard_normal(image.shape) * sigma
    return (image + noise).astype(image.dtype)


def blur_and_reduce(pictures: np.ndarray, kernel: np.ndarray, scale: int) -> np.ndarray:
    """Correlate with a kernel and keep every so manieth pixel, (..., h, w) -> (..., h/s, w/s).

    Sides are rounded up, borders replicated, nothing is rounded or cut off; float64.
    """
    size = kernel.shape[0]
    padded = borders.pad(pictures.astype(np.float64), size // 2, border="replicate")
    height, width = pictures.shape[-2:]
    reduced = np.zeros((*pictures.shape[:-2], -(-height // scale), -(-width // scale)))
    for row, column in zip(*np.nonzero(kernel), strict=True):
        seen = padded[..., row : row + height : scale, column : column + width : scale]
        reduced += kernel[row, column] * seen
    return reduced


def blur_objects(
    picture: np.ndarray, masks: np.ndarray, kernels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Blur objects and what is behind them each by its own kernel.

    picture: (c, h, w). masks: (P, h, w), 1 where an object is. kernels: (P, k, k), by which masks
    and pictures are convolved; borders wrap around. Gives the picture (c, h, w) and the soft masks
    (P, h, w), which sum to one; float64.
    """
    with picture_packages():
        from scipy import fft
    height, width = picture.shape[1:]
    size = kernels.shape[-1]
    used = np.flatnonzero(masks.any((1, 2)))
    placed = np.zeros((len(used), height, width))
    placed[:, :size, :size] = kernels[used]
    placed = np.roll(placed, (-(size // 2), -(size // 2)), axis=(1, 2))
    spectra = fft.rfft2(placed)

    def convolved(arrays: np.ndarray) -> np.ndarray:
        """Arrays (P or 1, h, w), by each kernel that is used."""
        product = fft.rfft2(arrays.astype(np.float64)) * spectra
        result: np.ndarray = fft.irfft2(product, s=(height, width))
        return result

    shares = convolved(masks[used]).clip(0)
    shares /= shares.sum(0)
    blurred = np.stack([(shares * convolved(channel[None])).sum(0) for channel in picture])
    soft = np.zeros(masks.shape)
    soft[used] = shares
    return blurred, soft


def smoothness(frame: np.ndarray) -> float:
    """How much detail a frame (3, h, w) uint8 has: the mean of its Sobel gradients, rounded.

    Source: Self-Blind-VSR, which draws crops below 7 again.
    """
    with picture_packages():
        import cv2
    levels = np.ascontiguousarray(frame.transpose(1, 2, 0))
    rows, columns = (
        cv2.convertScaleAbs(cv2.Sobel(levels, cv2.CV_16S, *order)) for order in ((1, 0), (0, 1))
    )
    return float(cv2.addWeighted(rows, 0.5, columns, 0.5, 0).mean())


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
