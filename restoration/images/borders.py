"""What lies beyond the border of a picture.

Five words, everywhere in the suite: "zeros"; "reflect", about the centers of the outer pixels,
which occur once; "symmetric", about their outer edges, so that they occur twice; "replicate", the
outer pixel again and again; "wrap", around to the opposite border.
"""

from __future__ import annotations

import numpy as np


def reflected(places: np.ndarray, size: int) -> np.ndarray:
    """Places outside 0..size-1 mirrored at the first and last, which are not repeated; int32."""
    period = max(2 * (size - 1), 1)
    folded = np.abs(places) % period
    return np.minimum(folded, period - folded).astype(np.int32)
