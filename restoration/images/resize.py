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
