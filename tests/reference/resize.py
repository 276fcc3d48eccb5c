"""Larger and smaller maps, in NumPy from their definitions."""

from __future__ import annotations

import numpy as np


def upsample(x: np.ndarray, factor: int, *, mode: str) -> np.ndarray:
    if mode == "nearest":
        return x.repeat(factor, 2).repeat(factor, 3)
    if mode == "align_corners":
        ends = ((size * factor, size - 1) for size in x.shape[2:])
        rows, columns = (np.linspace(0, last, count) for count, last in ends)
    else:
        rows, columns = (np.arange(size * factor) / factor for size in x.shape[2:])
    return _bilinear(x, rows, columns)


def downsample_nearest(x: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = (np.arange(size // factor) * factor for size in x.shape[2:])
    return x[:, :, rows[:, None], columns]


def downsample_bilinear(x: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = ((np.arange(size // factor) + 0.5) * factor - 0.5 for size in x.shape[2:])
    return _bilinear(x, rows, columns)


def resize_bilinear(x: np.ndarray, height: int, width: int) -> np.ndarray:
    pairs = zip((height, width), x.shape[2:], strict=True)
    rows, columns = ((np.arange(new) + 0.5) * old / new - 0.5 for new, old in pairs)
    return _bilinear(x, rows, columns)


def pixel_shuffle(x: np.ndarray, factor: int) -> np.ndarray:
    n, c, h, w = x.shape
    result = np.zeros((n, c // factor**2, h * factor, w * factor), x.dtype)
    for channel in range(c):
        out, place = divmod(channel, factor**2)
        dy, dx = divmod(place, factor)
        result[:, out, dy::factor, dx::factor] = x[:, channel]
    return result


def pixel_unshuffle(x: np.ndarray, factor: int) -> np.ndarray:
    places = [(dy, dx) for dy in range(factor) for dx in range(factor)]
    parts = np.stack([x[:, :, dy::factor, dx::factor] for dy, dx in places], 2)
    return parts.reshape(x.shape[0], -1, *parts.shape[3:])


def zero_insert(x: np.ndarray, factor: int) -> np.ndarray:
    n, c, h, w = x.shape
    result = np.zeros((n, c, h * factor, w * factor), x.dtype)
    result[:, :, ::factor, ::factor] = x
    return result


def expand(x: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.tile(x, (1, 1, height, width))


def _bilinear(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sample at given coordinates, clamped to the image."""

    def along(x: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
        size = x.shape[axis]
        places = np.clip(places, 0, size - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, size - 1)
        shape = [1] * x.ndim
        shape[axis] = len(places)
        part = (places - low).reshape(shape)
        return x.take(low, axis) * (1 - part) + x.take(high, axis) * part

    return along(along(x, rows, 2), columns, 3)
