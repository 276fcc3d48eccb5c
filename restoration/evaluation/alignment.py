"""Restored pictures laid over their truth before they are scored, as two data sets ask for it.

Sources: Rim, Lee, Won, Cho, "Real-World Blur Dataset for Learning and Benchmarking Deblurring
Algorithms", ECCV 2020; Köhler, Hirsch, Mohler, Schölkopf, Harmeling, "Recording and Playback of
Camera Shake", ECCV 2012. Images are (c, h, w) in [0, 1].
"""

from __future__ import annotations

import numpy as np

from restoration.errors import InputError, picture_packages

_ITERATIONS = 100
_SMOOTHING_PX = 5


def matched_intensity(truth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The image times the factor that brings it nearest to the truth."""
    energy = float((image * image).sum())
    return image * (float((truth * image).sum()) / energy) if energy else image


def by_homography(
    truth: np.ndarray, image: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and image where they overlap, 0 elsewhere, and that place as a mask (1, h, w).

    The image is matched in intensity, registered by a homography that maximizes the correlation
    (ECC, 100 iterations, smoothed by a Gaussian of 5 pixels), and resampled by a cubic.

    Raises:
        InputError: no homography is found.
    """
    with picture_packages():
        import cv2
    scaled = matched_intensity(truth, image).astype(np.float32)
    planes = [one.mean(0) if len(one) != 3 else _gray(one) for one in (truth, scaled)]
    start = np.eye(3, dtype=np.float32)
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, 0)
    try:
        _, warp = cv2.findTransformECC(
            *(plane.astype(np.float32) for plane in planes),
            start,
            cv2.MOTION_HOMOGRAPHY,
            until,
            None,  # type: ignore[call-overload]
            _SMOOTHING_PX,
        )
    except cv2.error as problem:
        raise InputError(
            "alignment",
            expected="a restored picture that resembles its truth",
            got=" ".join(str(problem).split()),
            where="restoration.evaluation.alignment",
            next_step="look whether the pair belongs together, or score without alignment",
        ) from problem
    height, width = truth.shape[1:]

    def warped(plane: np.ndarray, kind: int, border: int) -> np.ndarray:
        flags = kind | cv2.WARP_INVERSE_MAP
        return cv2.warpPerspective(plane, warp, (width, height), flags=flags, borderMode=border)

    moved = np.stack([warped(plane, cv2.INTER_CUBIC, cv2.BORDER_REFLECT) for plane in scaled])
    ones = np.ones((height, width), np.float32)
    mask = warped(ones, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)[None]
    return truth * mask, moved * mask, mask


def by_shift(truth: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truth and image, matched in intensity and shifted by whole pixels; 0 where they do not meet.

    The shift maximizes the correlation of the channels' means, by Fourier transforms.
    """
    with picture_packages():
        from skimage.registration import phase_cross_correlation
    scaled = matched_intensity(truth, image)
    shift, _, _ = phase_cross_correlation(truth.mean(0), scaled.mean(0), normalization=None)
    down, right = (int(step) for step in shift)
    mask = shifted(np.ones((1, *truth.shape[1:])), down, right)
    return truth * mask, shifted(scaled, down, right)


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """An image (c, h, w) moved by whole pixels, zeros behind it."""
    height, width = image.shape[1:]
    moved = np.zeros_like(image)
    rows, columns = (
        slice(max(down, 0), height + min(down, 0)),
        slice(max(right, 0), width + min(right, 0)),
    )
    from_rows, from_columns = (
        slice(max(-down, 0), height - max(down, 0)),
        slice(max(-right, 0), width - max(right, 0)),
    )
    moved[:, rows, columns] = image[:, from_rows, from_columns]
    return moved


def _gray(image: np.ndarray) -> np.ndarray:
    """Luma of full range, (3, h, w) -> (h, w)."""
    return np.einsum("c,chw->hw", np.array([0.299, 0.587, 0.114]), image)
