"""Image quality in the definitions that papers quote, computed by scikit-image.

Images are (3, h, w) or (1, 3, h, w) in [0, 1]. Nothing is rounded to 8 bits, cropped or clipped
here: a caller that wants this does it first, and says so.
"""

from __future__ import annotations

import numpy as np

from restoration.errors import InputError, picture_packages

_SSIM_WINDOW_PX = 11


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
            expected="two images of one shape, (3, h, w) or (1, 3, h, w)",
            got=f"{truth.shape} and {image.shape}",
            where="restoration.evaluation.metrics",
            next_step="compare the images of a batch one by one",
        )
    shape = truth.shape[-3:]
    return truth.reshape(shape).astype(np.float64), image.reshape(shape).astype(np.float64)
