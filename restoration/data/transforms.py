"""Cutting and turning pictures; the last two axes are rows and columns."""

from __future__ import annotations

import numpy as np

EIGHT = 8
"""How many flips and turns there are."""


def oriented(picture: np.ndarray, number: int) -> np.ndarray:
    """One of the eight flips and turns of pictures (..., h, w), 0 to 7; a view.

    Bit 0 flips rows, bit 1 columns, and then bit 2 transposes.
    """
    if number & 1:
        picture = picture[..., ::-1, :]
    if number & 2:
        picture = picture[..., ::-1]
    return picture.swapaxes(-1, -2) if number & 4 else picture


def drawn_orientation(augmentation: str, rng: np.random.Generator) -> int:
    """Which of the eight a sample gets: always the same number of draws."""
    bits = rng.random(3) < 0.5
    if augmentation == "none":
        return 0
    if augmentation == "flip":
        return 2 * int(bits[1])
    return int(bits @ np.array([1, 2, 4]))


def cut(picture: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """A part of pictures (..., h, w), symmetric beyond their border; a view where it is inside."""
    h, w = picture.shape[-2:]
    rows, columns = slice(max(top, 0), top + height), slice(max(left, 0), left + width)
    part = picture[..., rows, columns]
    missing = [
        (max(-top, 0), max(top + height - h, 0)),
        (max(-left, 0), max(left + width - w, 0)),
    ]
    if not any(map(any, missing)):
        return part
    return np.pad(part, [(0, 0)] * (picture.ndim - 2) + missing, mode="symmetric")


def middle(picture: np.ndarray, longest_px: int | None, multiple: int = 1) -> np.ndarray:
    """The middle of pictures (..., h, w) with sides of at most `longest_px`, multiples if so asked.

    It starts at a multiple too, so that the same part is cut out of a picture and of a reduced one.
    """
    height, width = picture.shape[-2:]
    sides = [
        min(side, longest_px or side) // multiple * multiple or side for side in (height, width)
    ]
    top, left = (
        (whole - side) // 2 // multiple * multiple
        for whole, side in zip((height, width), sides, strict=True)
    )
    return picture[..., top : top + sides[0], left : left + sides[1]]


def mixed(picture: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """MixUp of two pictures: so much of the first, the rest of the other."""
    return share * picture + (1 - share) * other


def to_intensities(samples: np.ndarray) -> np.ndarray:
    """Samples of a file, uint8, uint16 or floating-point, as float32 with white at 1."""
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
    return samples.astype(np.float32)
