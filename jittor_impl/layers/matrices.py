"""Products with matrices along the axes of maps, for what Jittor lacks or gets wrong."""

from __future__ import annotations

import jittor as jt
import numpy as np
from jittor import Var


def dft_matrices(size: int) -> tuple[Var, Var]:
    """Real and imaginary part of exp(-2 pi i j k / size), each (size, size) and symmetric."""
    steps = np.arange(size)
    angles = -2 * np.pi * (np.outer(steps, steps) % size) / size
    return jt.array(np.cos(angles).astype(np.float32)), jt.array(np.sin(angles).astype(np.float32))


def columns_last(x: Var, count: int, height: int) -> Var:
    """Transpose each of a stack of matrices, (count * height, w) -> (count * w, height)."""
    width = x.shape[1]
    return x.reshape(count, height, width).permute(0, 2, 1).reshape(count * width, height)


def resampled(x: Var, rows: np.ndarray, columns: np.ndarray) -> Var:
    """Each map times a matrix from the left and one from the right."""
    n, c, h, w = x.shape
    x = jt.matmul(x.reshape(n * c * h, w), jt.array(columns.T.astype(np.float32)))
    x = jt.matmul(columns_last(x, n * c, h), jt.array(rows.T.astype(np.float32)))
    return columns_last(x, n * c, len(columns)).reshape(n, c, len(rows), len(columns))
