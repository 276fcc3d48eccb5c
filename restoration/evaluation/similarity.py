"""Structural similarity in the forms that papers and their programs compute, by name.

The same pair of pictures scores 0.69 to 0.87 by the form alone, so a value is quoted with it.
Images are (c, h, w) in [0, 1] or two arrays of one shape that `metrics.pair` takes.

Sources: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment", IEEE TIP 2004; for several
scales: Wang, Simoncelli, Bovik, Asilomar 2003.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from restoration.errors import InputError, picture_packages
from restoration.evaluation.metrics import pair
from restoration.evaluation.ssim import gaussian_window

_SIGMA_PX = 1.5
_REACH_PX = 5  # of the Gaussian window of 11 pixels
_C1, _C2 = 0.01**2, 0.03**2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""How much each scale counts in MS-SSIM, from the finest, as its paper has it."""

MS_SSIM_SIDE_PX = 2 * _REACH_PX * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
"""The shortest side of which the last scale is larger than the window."""


def ssim_map(
    truth: np.ndarray, image: np.ndarray, *, is_window_rounded: bool = False
) -> np.ndarray:
    """Similarity by the Gaussian window of 11 pixels where it lies inside, (c, h - 10, w - 10).

    is_window_rounded: its weights are rounded to float32, as programs in PyTorch do; they then do
    not quite sum to one, which moves a score by 1e-5.

    Raises:
        InputError: the shapes differ, or a side is shorter than the window.
    """
    luminance, contrast = _luminance_and_contrast(truth, image, is_window_rounded)
    return luminance * contrast


def weighted(
    truth: np.ndarray, image: np.ndarray, weight: np.ndarray, *, is_window_rounded: bool = False
) -> float:
    """Mean of `ssim_map` by weights (1, h, w) or (h, w), the same for all channels."""
    inside = weight.reshape(weight.shape[-2:])[_REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX]
    found = ssim_map(truth, image, is_window_rounded=is_window_rounded) * inside
    return float(found.sum() / (len(found) * max(float(inside.sum()), 1.0)))


def ms_ssim(truth: np.ndarray, image: np.ndarray) -> float:
    """Similarity at five scales, mean of the channels; contrast of all and luminance of the last.

    Between scales pixels are averaged two by two; an odd side is extended by zeros on both ends.

    Raises:
        InputError: the shapes differ, or a side is not over 160 pixels: the last scale would be
            smaller than the window.
    """
    truth, image = pair(truth, image)
    _require_side(truth, MS_SSIM_SIDE_PX, "MS-SSIM")
    found = np.ones(len(truth))
    for scale, weight in enumerate(SCALE_WEIGHTS, start=1):
        luminance, contrast = _luminance_and_contrast(truth, image)
        is_last = scale == len(SCALE_WEIGHTS)
        value = (luminance * contrast if is_last else contrast).mean((1, 2))
        found *= value.clip(0) ** weight
        truth, image = _halved(truth), _halved(image)
    return float(found.mean())


def _luminance_and_contrast(
    truth: np.ndarray, image: np.ndarray, is_window_rounded: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The two factors of similarity where the window lies inside, (c, h - 10, w - 10)."""
    truth, image = pair(truth, image)
    _require_side(truth, 2 * _REACH_PX + 1, "SSIM by a window of 11")
    with picture_packages():
        from scipy.ndimage import correlate, gaussian_filter
    window = gaussian_window(2 * _REACH_PX + 1, _SIGMA_PX).astype(np.float64)[None]

    def mean(values: np.ndarray) -> np.ndarray:
        if is_window_rounded:
            found = correlate(values, window)
        else:
            found = gaussian_filter(values, _SIGMA_PX, radius=_REACH_PX, axes=(1, 2))
        return np.asarray(found)[:, _REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX]

    a, b = mean(truth), mean(image)
    spread = mean(truth**2) - a**2 + mean(image**2) - b**2
    together = mean(truth * image) - a * b
    luminance = (2 * a * b + _C1) / (a**2 + b**2 + _C1)
    return luminance, (2 * together + _C2) / (spread + _C2)


def _halved(image: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels, (c, h, w) -> (c, ceil(h / 2), ceil(w / 2))."""
    height, width = image.shape[1:]
    odd = height % 2, width % 2
    padded = np.pad(image, ((0, 0), (odd[0], odd[0]), (odd[1], odd[1])))
    padded = padded[:, : height + odd[0], : width + odd[1]]
    return padded.reshape(len(image), padded.shape[1] // 2, 2, padded.shape[2] // 2, 2).mean((2, 4))


def _wang(truth: np.ndarray, image: np.ndarray) -> float:
    return float(ssim_map(truth, image).mean())


def _wang_rounded(truth: np.ndarray, image: np.ndarray) -> float:
    return float(ssim_map(truth, image, is_window_rounded=True).mean())


def _uniform(size_px: int) -> Callable[[np.ndarray, np.ndarray], float]:
    return lambda truth, image: _by_skimage(truth, image, win_size=size_px, channel_axis=0)


def _volume(truth: np.ndarray, image: np.ndarray) -> float:
    """Channels are a third axis of the picture: windows of 3 x 3 x 3."""
    truth, image = pair(truth, image)
    if len(truth) < 3:  # a gray picture is its own volume
        return _by_skimage(truth, image, win_size=3, channel_axis=0)
    return _by_skimage(truth, image, win_size=3)


def _by_skimage(truth: np.ndarray, image: np.ndarray, **options: Any) -> float:
    truth, image = pair(truth, image)
    _require_side(truth, options["win_size"], f"SSIM by a window of {options['win_size']}")
    with picture_packages():
        from skimage.metrics import structural_similarity
    return float(structural_similarity(truth, image, data_range=1.0, **options))


def _gaussian_3d(truth: np.ndarray, image: np.ndarray) -> float:
    """MATLAB's `ssim` of an RGB array: a Gaussian over rows, columns and channels, replicated."""
    truth, image = pair(truth, image)
    return float(
        _similarity(truth, image, axes=(0, 1, 2), mode="nearest", radius=_REACH_PX, factor=1).mean()
    )


def _imqual(truth: np.ndarray, image: np.ndarray) -> float:
    """Phaseformer's helper: over the whole picture, symmetric at its border, a window of 13, and
    covariances of a sample of 25."""
    truth, image = pair(truth, image)
    found = _similarity(truth, image, axes=(1, 2), mode="reflect", radius=6, factor=25 / 24)
    return float(found.mean())


def _similarity(
    truth: np.ndarray,
    image: np.ndarray,
    *,
    axes: Sequence[int],
    mode: str,
    radius: int,
    factor: float,
) -> np.ndarray:
    """Similarity at every pixel, with what lies beyond the border as `scipy.ndimage` names it."""
    with picture_packages():
        from scipy.ndimage import gaussian_filter

    def mean(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, _SIGMA_PX, mode=mode, radius=radius, axes=tuple(axes))

    a, b = mean(truth), mean(image)
    spread = factor * (mean(truth**2) - a**2 + mean(image**2) - b**2)
    together = factor * (mean(truth * image) - a * b)
    return ((2 * a * b + _C1) * (2 * together + _C2)) / ((a**2 + b**2 + _C1) * (spread + _C2))


def _require_side(image: np.ndarray, smallest_px: int, what: str) -> None:
    if min(image.shape[1:]) < smallest_px:
        raise _too_small(what, smallest_px, image.shape)


def _too_small(what: str, smallest_px: int, shape: tuple[int, ...]) -> InputError:
    return InputError(
        what,
        expected=f"images of at least {smallest_px} pixels on each side",
        got="x".join(map(str, shape[1:])),
        where="restoration.evaluation.similarity",
        next_step="quote only the PSNR of images as small as this",
    )


FORMS: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "gaussian-11": _wang,
    "gaussian-11-float32": _wang_rounded,
    "uniform-3": _uniform(3),
    "uniform-7": _uniform(7),
    "volume-3": _volume,
    "gaussian-3d": _gaussian_3d,
    "imqual": _imqual,
}
"""By name: Wang's Gaussian of 11 pixels in the valid part, mean of the channels; the same, weights
rounded to float32; scikit-image's
uniform windows of 3 and of 7 (its default); a uniform window of 3 over rows, columns and channels,
which is what its keyword for channels gives where it is ignored; MATLAB's of an RGB array;
Phaseformer's helper."""
