"""Rows, columns and pieces of maps, in NumPy from their definitions."""

from __future__ import annotations

import numpy as np


def gather_rows(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.stack([x[row] for row in rows])


def scatter_rows(x: np.ndarray, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    result = x.copy()
    for row, value in zip(rows, values, strict=True):
        result[row] = value
    return result


def scale_rows(x: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return x * factors


def repeat_rows(x: np.ndarray, count: int) -> np.ndarray:
    return x.repeat(count, 0)


def modulate_rows(
    x: np.ndarray, gains: np.ndarray, shifts: np.ndarray, *, rows: np.ndarray
) -> np.ndarray:
    return x * gains[rows] + shifts[rows]


def chunk_columns(x: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    return tuple(np.split(x, count, axis=1))


def unfold(x: np.ndarray, size: int, *, stride: int, padding: int) -> np.ndarray:
    n, c, h, w = x.shape
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    pieces = [
        padded[:, :, top : top + size, left : left + size].reshape(n, c * size * size)
        for top in range(0, h + 2 * padding - size + 1, stride)
        for left in range(0, w + 2 * padding - size + 1, stride)
    ]
    return np.stack(pieces, axis=2)


def fold(
    x: np.ndarray, height: int, width: int, size: int, *, stride: int, padding: int
) -> np.ndarray:
    n, c = x.shape[0], x.shape[1] // size**2
    canvas = np.zeros((n, c, height + 2 * padding, width + 2 * padding), x.dtype)
    place = 0
    for top in range(0, height + 2 * padding - size + 1, stride):
        for left in range(0, width + 2 * padding - size + 1, stride):
            piece = x[:, :, place].reshape(n, c, size, size)
            canvas[:, :, top : top + size, left : left + size] += piece
            place += 1
    return canvas[:, :, padding : padding + height, padding : padding + width]


def roll(x: np.ndarray, shifts: tuple[int, ...], dims: tuple[int, ...]) -> np.ndarray:
    return np.roll(x, shifts, dims)


def flip(x: np.ndarray, *, dims: tuple[int, ...]) -> np.ndarray:
    return np.flip(x, dims)
