"""Pooling, in NumPy from their definitions."""

from __future__ import annotations

import numpy as np


def max_pool(x: np.ndarray, factor: int) -> np.ndarray:
    return _blocks(x, factor).max((3, 5))


def avg_pool(x: np.ndarray, factor: int) -> np.ndarray:
    return _blocks(x, factor).mean((3, 5))


def adaptive_avg_pool(x: np.ndarray, size: int) -> np.ndarray:
    n, c, h, w = x.shape
    result = np.zeros((n, c, size, size))
    for i, j in np.ndindex(size, size):
        rows = slice(i * h // size, -(-(i + 1) * h // size))
        columns = slice(j * w // size, -(-(j + 1) * w // size))
        result[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
    return result


def global_avg_pool(x: np.ndarray) -> np.ndarray:
    return x.mean((2, 3), keepdims=True)


def _blocks(x: np.ndarray, factor: int) -> np.ndarray:
    n, c, h, w = x.shape
    x = x[:, :, : h // factor * factor, : w // factor * factor]
    return x.reshape(n, c, h // factor, factor, w // factor, factor)
