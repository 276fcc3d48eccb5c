"""Linear maps and products of matrices, in NumPy from their definitions."""

from __future__ import annotations

import numpy as np


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.einsum("...i,oi->...o", x, weight) + bias


def matmul(x: np.ndarray, y: np.ndarray, *, transpose_y: bool = False) -> np.ndarray:
    return np.einsum("...pl,...ql->...pq" if transpose_y else "...pl,...lq->...pq", x, y)
