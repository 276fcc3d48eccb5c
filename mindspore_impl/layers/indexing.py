"""Rows, columns, and pieces of maps."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from mindspore_impl import compiled


def kept_rows(policy: Tensor) -> Tensor:
    """The places where a vector is not 0, in order, (n,) -> (kept,)."""
    # Native: a table of places; NumPy gives them without waiting for a compiled kernel.
    return Tensor(np.flatnonzero(policy.asnumpy()).astype(np.int32))


def places(array: np.ndarray, x: Tensor) -> Tensor:
    """Whole numbers (k,) as places to take from x."""
    # Native: 64-bit numbers, which CPU kernels take too.
    return Tensor(array, ms.int32)


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Members of the first axis by their places (k,), (n, ...) -> (k, ...)."""
    # Native: gather with the axis last.
    return ops.gather(x, rows, 0)


def put_rows(x: Tensor, values: Tensor, rows: Tensor) -> Tensor:
    """x with members of the first axis replaced, (n, ...), (k, ...), (k,) -> (n, ...)."""
    # Native: places as a table with one row each.
    return ops.tensor_scatter_update(x, rows.reshape(-1, 1), values)


def scale_rows(x: Tensor, factors: Tensor) -> Tensor:
    """Each row times a factor of its own, (r, c), (r, 1) -> (r, c)."""
    # Native: repeating along the last axis takes thirty times as long as a product with ones.
    return x * ops.matmul(factors, ops.ones((1, x.shape[1]), x.dtype))


def repeat_rows(x: Tensor, count: int) -> Tensor:
    """Each row so many times, (n, c) -> (n count, c)."""
    # Native: repeating takes thirty times as long as a product with ones; the gradient of a stack
    # of one product, of one column and one row, raises.
    n, c = x.shape
    if n == 1:
        return ops.matmul(ops.ones((count, 1), x.dtype), x)
    ones = ops.ones((n, count, 1), x.dtype)
    return ops.matmul(ones, x.reshape(n, 1, c)).reshape(n * count, c)


def modulate_rows(x: Tensor, gains: Tensor, shifts: Tensor, rows: Tensor) -> Tensor:
    """x * gain + shift, of which each row has its own in tables, (r, c), 2 x (p, c), (r,)."""
    # Native: four operations, which take six times as long as a kernel.
    if compiled.enabled and x.dtype == ms.float32:
        return compiled.operators["modulate_rows"](x, gains, shifts, rows)
    return x * take_rows(gains, rows) + take_rows(shifts, rows)


def columns(x: Tensor, count: int) -> list[Tensor]:
    """Cut into blocks of as many columns each, (r, c) -> count x (r, c/count)."""
    # Native: views, whose rows lie apart, which slows `take_rows` down.
    return [block.contiguous() for block in ops.chunk(x, count, axis=1)]


def patches(x: Tensor, size: int, *, stride: int, padding: int) -> Tensor:
    """Square pieces row by row, zeros around, (n, c, h, w) -> (n, c size size, pieces)."""
    # Native: the same.
    return ops.unfold(x, size, padding=padding, stride=stride)


def overlay(x: Tensor, height: int, width: int, size: int, *, stride: int, padding: int) -> Tensor:
    """The adjoint of `patches`: add the pieces, (n, c size size, pieces) -> (n, c, h, w)."""
    # Native: the size of the result is a tensor.
    return ops.fold(x, Tensor([height, width], ms.int32), size, padding=padding, stride=stride)


def roll(x: Tensor, shifts: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Shift circularly along axes, any shape; a positive shift moves to higher indices."""
    # Native: ops.roll has no CPU kernel.
    for i in range(len(axes)):
        size = x.shape[axes[i]]
        place = -shifts[i] % size
        if place > 0:
            first, rest = ops.split(x, [place, size - place], axes[i])
            x = ops.cat([rest, first], axes[i])
    return x


def flip(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The other way round along axes, any shape."""
    # Native: the same.
    return ops.flip(x, axes)
