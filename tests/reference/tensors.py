"""Constants, in NumPy from their definitions."""

from __future__ import annotations

import numpy as np


def materialize(x: np.ndarray) -> np.ndarray:
    return x
