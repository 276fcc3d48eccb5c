"""What lies beyond the border of a picture.

Five words, everywhere in the suite: "zeros"; "reflect", about the centers of the outer pixels,
which occur once; "symmetric", about their outer edges, so that they occur twice; "replicate", the
outer pixel again and again; "wrap", around to the opposite border.
"""

from __future__ import annotations

import numpy as np

from restoration.errors import unknown_name

_NUMPY_MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "replicate": "edge",
    "wrap": "wrap",
}
BORDERS = tuple(_NUMPY_MODES)


def pad(image: np.ndarray, amount_px: int, *, border: str) -> np.ndarray:
    """An image with more pixels on all sides, (..., h, w) -> (..., h + 2 a, w + 2 a).

    Raises:
        InputError: a border that is none of `BORDERS`.
    """
    if border not in _NUMPY_MODES:
        raise unknown_name("border", border, BORDERS, where="what lies beyond an image")
    amounts = [(0, 0)] * (image.ndim - 2) + [(amount_px, amount_px)] * 2
    padded: np.ndarray = np.pad(image, amounts, mode=_NUMPY_MODES[border])  # type: ignore[call-overload]
    return padded


def reflected(places: np.ndarray, size: int) -> np.ndarray:
    """Indices from outside 0..size-1, reflected at the first and the last; int32."""
    period = max(2 * (size - 1), 1)
    folded = np.abs(places) % period
    return np.minimum(folded, period - folded).astype(np.int32)
