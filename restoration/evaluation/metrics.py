"""Image quality in the definitions that papers quote, computed by scikit-image.

Images are (c, h, w) or (1, c, h, w) in [0, 1]. What is done to them before they are scored, as
rounding to 8 bits, luma, cut borders, moves a number by more than methods differ: `protocols.py`
has what papers did, by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from restoration.errors import InputError, picture_packages

BT601_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""Weights of red, green and blue in luma of studio range, 16 to 235 of 255, of BT.601."""
_LUMA_BLACK = 16 / 255
_SSIM_WINDOW_PX = 11


def luma(image: np.ndarray, weights: Sequence[float] = BT601_LUMA) -> np.ndarray:
    """Luma of studio range, (..., 3, h, w) -> (..., 1, h, w), from 16/255 for black to 235/255.

    An image of one channel is luma already, and stays as it is.
    """
    if image.shape[-3] == 1:
        return image
    weighted = np.einsum("c,...chw->...hw", np.array(weights), image)
    return weighted[..., None, :, :] + _LUMA_BLACK


def cut(image: np.ndarray, border_px: int) -> np.ndarray:
    """The image without a number of pixels on every side, (..., h, w) -> (..., h - 2 b, w - 2 b).

    Raises:
        InputError: nothing would be left.
    """
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * border_px:
        raise InputError(
            "border that is not scored",
            expected=f"images of more than {2 * border_px} pixels on each side",
            got=f"{height}x{width}",
            where="restoration.evaluation.metrics.cut",
            next_step="score larger images, or cut less",
        )
    return image[..., border_px : height - border_px, border_px : width - border_px]


def psnr_db(truth: np.ndarray, image: np.ndarray) -> float:
    """Peak signal-to-noise ratio over all channels together, data range 1; inf when equal.

    Raises:
        InputError: the shapes differ.
    """
    truth, image = _pair(truth, image)
    if np.array_equal(truth, image):
        return float("inf")  # scikit-image says so too, after a division warning
    with picture_packages():
        from skimage.metrics import peak_signal_noise_ratio
    return float(peak_signal_noise_ratio(truth, image, data_range=1.0))


def weighted_psnr_db(truth: np.ndarray, image: np.ndarray, weight: np.ndarray) -> float:
    """Peak signal-to-noise ratio of a weighted mean square, data range 1; inf when equal.

    weight: (1, h, w), the same for all channels, as of a mask of what moved.

    Raises:
        InputError: the shapes do not belong together, or the weights sum to 0.
    """
    truth, image = _pair(truth, image)
    if weight.shape[-2:] != truth.shape[-2:] or weight.size != truth[0].size or weight.sum() <= 0:
        raise InputError(
            "weights of a PSNR",
            expected=f"shape (1, {truth.shape[1]}, {truth.shape[2]}), not all 0",
            got=f"{weight.shape}, sum {weight.sum():g}",
            where="restoration.evaluation.metrics.weighted_psnr_db",
            next_step="give the mask at the size of the images",
        )
    weight = weight.reshape(truth.shape[-2:]).astype(np.float64)
    mean_square = ((truth - image) ** 2 * weight).sum() / (len(truth) * weight.sum())
    return float(-10 * np.log10(mean_square)) if mean_square else float("inf")


def ssim(truth: np.ndarray, image: np.ndarray) -> float:
    """Structural similarity as Wang et al. 2004 define it, mean over pixels and channels.

    Gaussian window of 11 pixels with sigma 1.5, population covariance, data range 1.

    Raises:
        InputError: the shapes differ, or a side is shorter than the window.
    """
    truth, image = _pair(truth, image)
    if min(truth.shape[1:]) < _SSIM_WINDOW_PX:
        raise InputError(
            "SSIM",
            expected=f"images of at least {_SSIM_WINDOW_PX} pixels on each side",
            got=f"{truth.shape[1]}x{truth.shape[2]}",
            where="restoration.evaluation.metrics.ssim",
            next_step="quote only the PSNR of images as small as this",
        )
    with picture_packages():
        from skimage.metrics import structural_similarity
    return float(
        structural_similarity(
            truth,
            image,
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def _pair(truth: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both images as float64 (c, h, w)."""
    if truth.shape != image.shape or truth.ndim not in (3, 4) or truth.shape[:-3] not in ((), (1,)):
        raise InputError(
            "images to compare",
            expected="two images of one shape, (c, h, w) or (1, c, h, w)",
            got=f"{truth.shape} and {image.shape}",
            where="restoration.evaluation.metrics",
            next_step="compare the images of a batch one by one",
        )
    shape = truth.shape[-3:]
    return truth.reshape(shape).astype(np.float64), image.reshape(shape).astype(np.float64)
