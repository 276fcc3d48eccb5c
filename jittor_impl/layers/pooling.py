"""Means and largest values of blocks and maps."""

from __future__ import annotations

import numpy as np
from jittor import Var, nn

from jittor_impl.layers.matrices import resampled
from jittor_impl.layers.padding import pad_bottom_right


def max_pool(x: Var, factor: int) -> Var:
    """Largest of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: jittor.nn.max_pool2d: the stride is the size of the block by default; a map of one
    # block is refused, so it gets a row and a column that are cut off again.
    height, width = x.shape[2], x.shape[3]
    x = pad_bottom_right(x, height + (height == factor), width + (width == factor), mode="zeros")
    return nn.max_pool2d(x, factor)


def avg_pool(x: Var, factor: int) -> Var:
    """Mean of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: jittor.nn.avg_pool2d: the stride is the size of the block by default.
    return nn.avg_pool2d(x, factor)


def adaptive_avg_pool(x: Var, size: int) -> Var:
    """Means of size x size windows that cover a map, (n, c, h, w) -> (n, c, size, size).

    Window i spans the rows floor(i h / size) to ceil((i + 1) h / size); windows may overlap, and a
    map may be smaller than the result.
    """

    # Native: jittor.nn.AdaptiveAvgPool2d: right only where the size divides the map's. Here
    # products with two matrices of means.
    def means(length: int) -> np.ndarray:
        starts, ends = np.arange(size) * length // size, -(-np.arange(1, size + 1) * length // size)
        places = np.arange(length)
        inside = (starts[:, None] <= places) & (places < ends[:, None])
        return inside / (ends - starts)[:, None]

    return resampled(x, means(x.shape[2]), means(x.shape[3]))


def global_avg_pool(x: Var) -> Var:
    """Mean over height and width, (n, c, h, w) -> (n, c, 1, 1)."""
    # Native: jittor.Var.mean: over everything by default; adds one number after another, which
    # loses digits over many numbers; so one axis at a time.
    return x.mean(dim=3, keepdims=True).mean(dim=2, keepdims=True)
