"""Image quality in the definitions that papers quote, computed by scikit-image.

Images are (c, h, w) or (1, c, h, w) in [0, 1]. What is done to them before they are scored, as
rounding to 8 bits, luma, cut borders, moves a number by more than methods differ: `protocols.py`
has what papers did, by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from restoration.errors import InputError, picture_packages

BT601_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""Weights of red, green and blue in luma of studio range, 16 to 235 of 255, of BT.601."""
_LUMA_BLACK = 16 / 255
_BLOCK_PX = 8  # of JPEG


@dataclass(frozen=True)
class Luma:
    """A way to luma: weights of red, green and blue, and what black becomes."""

    weights: tuple[float, float, float]
    black: float = _LUMA_BLACK


LUMAS: Mapping[str, Luma] = {
    "bt601": Luma(BT601_LUMA),
    # What LIIF and EDSR and those that follow them take for it; 3e-6 more.
    "bt601-of-256": Luma((65.738 / 256, 129.057 / 256, 25.064 / 256)),
    "full-range": Luma((0.299, 0.587, 0.114), 0.0),
}
"""By name: of studio range; the same rounded for 256 levels; that of JPEG and of YIQ, whose PSNR is
20 log10(255 / 219) = 1.32 dB less."""


def luma(
    image: np.ndarray, weights: Sequence[float] = BT601_LUMA, black: float = _LUMA_BLACK
) -> np.ndarray:
    """Luma of studio range, (..., 3, h, w) -> (..., 1, h, w), from 16/255 for black to 235/255.

    An image of one channel is luma already, and stays as it is.
    """
    if image.shape[-3] == 1:
        return image
    weighted = np.einsum("c,...chw->...hw", np.array(weights), image)
    return weighted[..., None, :, :] + black


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
    truth, image = pair(truth, image)
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
    truth, image = pair(truth, image)
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
    return _db(float(mean_square))


def psnr_b_db(truth: np.ndarray, image: np.ndarray, *, as_published: bool = False) -> float:
    """PSNR that counts the edges of JPEG's blocks against a picture, mean of the channels.

    The mean squared step over the edges of blocks, as far as it exceeds the mean of the others, is
    added to the error. as_published: steps are counted as the programs of papers do, which is right
    where both sides are multiples of 8.

    Raises:
        InputError: the shapes differ, or a side has less than two blocks.
    """
    truth, image = pair(truth, image)
    if min(image.shape[1:]) < 2 * _BLOCK_PX:
        raise InputError(
            "PSNR-B",
            expected=f"images of at least {2 * _BLOCK_PX} pixels on each side",
            got=f"{image.shape[1]}x{image.shape[2]}",
            where="restoration.evaluation.metrics.psnr_b_db",
            next_step="quote only the PSNR of images as small as this",
        )
    found = [
        _db(((channel - other) ** 2).mean() + _blocking(channel, as_published=as_published))
        for channel, other in zip(image, truth, strict=True)
    ]
    return float(np.mean(found))


def _blocking(channel: np.ndarray, *, as_published: bool) -> float:
    """How much steps over the edges of blocks exceed the others, weighted, (h, w) -> 0 or more."""
    height, width = channel.shape
    edges, others = [], []
    for steps in (np.diff(channel, axis=1), np.diff(channel, axis=0).T):
        is_edge = np.arange(steps.shape[1]) % _BLOCK_PX == _BLOCK_PX - 1
        edges.append((steps[:, is_edge] ** 2).ravel())
        others.append((steps[:, ~is_edge] ** 2).ravel())
    at_edges, elsewhere = np.concatenate(edges), np.concatenate(others)
    if as_published:  # as if the last column and row of pixels had steps behind them
        counted = height * (width // _BLOCK_PX - 1) + width * (height // _BLOCK_PX - 1)
        rest = height * (width - 1) + width * (height - 1) - counted
        edge, other = at_edges.sum() / counted, elsewhere.sum() / rest
    else:
        edge, other = at_edges.mean(), elsewhere.mean()
    share = np.log2(_BLOCK_PX) / np.log2(min(height, width))
    return float(share * (edge - other)) if edge > other else 0.0


def ssim(truth: np.ndarray, image: np.ndarray) -> float:
    """Structural similarity as Wang et al. 2004 define it, mean over pixels and channels.

    Gaussian window of 11 pixels with sigma 1.5, population covariance, data range 1. Other forms:
    `restoration.evaluation.similarity`.

    Raises:
        InputError: the shapes differ, or a side is shorter than the window.
    """
    from restoration.evaluation import similarity

    return similarity.FORMS["gaussian-11"](truth, image)


def _db(mean_square: float) -> float:
    return float(-10 * np.log10(mean_square)) if mean_square else float("inf")


def pair(truth: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both images as float64 (c, h, w).

    Raises:
        InputError: the shapes differ, or are those of no single image.
    """
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
