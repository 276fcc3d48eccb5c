"""Means and largest values of blocks and maps."""

from __future__ import annotations

from mindspore import Tensor, ops


def max_pool(x: Tensor, factor: int) -> Tensor:
    """Largest of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: mindspore.ops.MaxPool: stride 1 by default; the gradient of mindspore.ops.max_pool2d
    # takes a hundred times as long.
    return ops.MaxPool(kernel_size=factor, strides=factor, pad_mode="valid")(x)


def avg_pool(x: Tensor, factor: int) -> Tensor:
    """Mean of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: mindspore.ops.AvgPool: stride 1 by default.
    return ops.AvgPool(kernel_size=factor, strides=factor, pad_mode="valid")(x)


def adaptive_avg_pool(x: Tensor, size: int) -> Tensor:
    """Means of size x size windows that cover a map, (n, c, h, w) -> (n, c, size, size).

    Window i spans the rows floor(i h / size) to ceil((i + 1) h / size); windows may overlap, and a
    map may be smaller than the result.
    """
    # Native: mindspore.ops.adaptive_avg_pool2d: these windows; two sizes.
    return ops.adaptive_avg_pool2d(x, (size, size))


def global_avg_pool(x: Tensor) -> Tensor:
    """Mean over height and width, (n, c, h, w) -> (n, c, 1, 1)."""
    # Native: mindspore.Tensor.mean: over everything by default; sums in pairs.
    return x.mean(axis=(2, 3), keep_dims=True)
