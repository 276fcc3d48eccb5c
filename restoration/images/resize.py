"""Resizing pictures."""

from __future__ import annotations

import numpy as np

from restoration.errors import picture_packages


def fit_within(image: np.ndarray, max_side_px: int | None) -> np.ndarray:
    """Reduce images (n, c, h, w) in [0, 1] so that no side is longer, with antialiasing.

    The ratio of the sides is kept to a pixel. Images that fit are returned as they are.
    """
    height, width = image.shape[2:]
    if max_side_px is None or max(height, width) <= max_side_px:
        return image
    with picture_packages():
        from skimage.transform import resize

    factor = max_side_px / max(height, width)
    size = max(round(height * factor), 1), max(round(width * factor), 1)
    return resize(image, (*image.shape[:2], *size), order=1, anti_aliasing=True).astype(np.float32)


def pillow_resize(
    image: np.ndarray, height: int, width: int, *, filter_name: str = "bicubic"
) -> np.ndarray:
    """Resize an image (c, h, w) in [0, 1] in 8 bits as Pillow does, with antialiasing, float32.

    filter_name: "bicubic" (a = -0.5) or "bilinear". Levels are cut off, not rounded, which is exact
    for what came from 8 bits.
    """
    with picture_packages():
        from PIL import Image
    filters = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    # k / 255 in float32, times 255, is k or a little less: the half in the last place keeps k.
    levels = (image.transpose(1, 2, 0).astype(np.float64) * 255 + 1e-4).astype(np.uint8)
    resized = Image.fromarray(levels).resize((width, height), filters[filter_name])
    return np.asarray(resized).transpose(2, 0, 1).astype(np.float32) / np.float32(255)


def matlab_resize(
    image: np.ndarray,
    height: int,
    width: int,
    *,
    scale: float | tuple[float, float] | None = None,
    filter_name: str = "bicubic",
) -> np.ndarray:
    """Resize an image (..., h, w) as MATLAB's imresize does, float64, not rounded.

    Cubic (a = -0.5) or triangle, widened where it reduces, symmetric border. scale: factors, where
    they are not the quotients of the sizes. uint8 is rounded and cut off after each axis.
    """
    sizes = height, width
    scales = scale if isinstance(scale, tuple) else (scale, scale)
    factors = [
        given or size / whole
        for given, size, whole in zip(scales, sizes, image.shape[-2:], strict=True)
    ]
    result = image if image.dtype == np.uint8 else image.astype(np.float64)
    for axis in sorted((0, 1), key=lambda one: factors[one]):
        weights, places = _contributions(
            image.shape[axis - 2], sizes[axis], factors[axis], filter_name
        )
        moved = np.moveaxis(result, axis - 2, -1)
        summed = np.einsum("...ok,ok->...o", moved[..., places].astype(np.float64), weights)
        if image.dtype == np.uint8:
            summed = np.rint(summed).clip(0, 255).astype(np.uint8)
        result = np.moveaxis(summed, -1, axis - 2)
    return result


def _contributions(
    whole: int, size: int, scale: float, filter_name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and places (size, k) that the pixels of a resized axis are summed with and from."""
    shrink = min(scale, 1.0)
    support = {"bicubic": 4.0, "bilinear": 2.0}[filter_name] / shrink
    centers = (np.arange(size) + 0.5) / scale - 0.5
    first = np.floor(centers - support / 2).astype(int)
    places = first[:, None] + np.arange(int(np.ceil(support)) + 2)
    distance = (centers[:, None] - places) * shrink
    weights = _cubic(distance) if filter_name == "bicubic" else (1 - np.abs(distance)).clip(0)
    weights /= weights.sum(1, keepdims=True)
    period = np.r_[0:whole, whole - 1 : -1 : -1]
    return weights, period[places % (2 * whole)]


def _cubic(distance: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys' cubic."""
    x = np.abs(distance)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))
