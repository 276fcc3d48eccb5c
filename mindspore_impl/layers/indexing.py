"""Rows, columns, and pieces of maps."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from mindspore_impl import compiled


def nonzero(policy: Tensor) -> Tensor:
    """The indices at which a vector is not 0, in order, (n,) -> (kept,)."""
    # Native: mindspore.ops.nonzero: a table of indices; NumPy gives them without waiting for a
    # compiled kernel.
    return Tensor(np.flatnonzero(policy.asnumpy()).astype(np.int32))


def to_indices(array: np.ndarray, x: Tensor) -> Tensor:
    """Whole numbers (k,) as indices into x."""
    # Native: mindspore.Tensor: keeps 64-bit numbers by default; CPU kernels gather by both.
    return Tensor(array, ms.int32)


def has_rows(x: Tensor, count: int) -> bool:
    """Whether an array has so many members, which may save work; no where what is done is recorded
    and has to do for every number of them."""
    # Native: absent. Nothing of a network that decides is recorded here.
    return x.shape[0] == count


def unless_none(policy: Tensor, processed: Tensor, x: Tensor) -> Tensor:
    """What was processed; x where what is recorded finds a policy that chooses nothing."""
    # Native: absent. Nothing of a network that decides is recorded here.
    return processed


def gather_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Members of the first dimension by their indices (k,), (n, ...) -> (k, ...)."""
    # Native: mindspore.ops.gather: the axis comes last, without a default.
    return ops.gather(x, rows, 0)


def scatter_rows(x: Tensor, values: Tensor, rows: Tensor) -> Tensor:
    """x with members of the first dimension replaced, (n, ...), (k, ...), (k,) -> (n, ...)."""
    # Native: mindspore.ops.tensor_scatter_update: indices as a table with a row for each.
    return ops.tensor_scatter_update(x, rows.reshape(-1, 1), values)


def scale_rows(x: Tensor, factors: Tensor) -> Tensor:
    """Each row times a factor of its own, (r, c), (r, 1) -> (r, c)."""
    # Native: the operator *: repeating along the last axis takes thirty times as long as a product
    # with ones.
    return x * ops.matmul(factors, ops.ones((1, x.shape[1]), x.dtype))


def repeat_rows(x: Tensor, count: int) -> Tensor:
    """Each row a number of times, (n, c) -> (n count, c)."""
    # Native: mindspore.ops.broadcast_to: takes thirty times as long as a product with ones; the
    # gradient of a stack of one product, of one column and one row, raises.
    n, c = x.shape
    if n == 1:
        return ops.matmul(ops.ones((count, 1), x.dtype), x)
    ones = ops.ones((n, count, 1), x.dtype)
    return ops.matmul(ones, x.reshape(n, 1, c)).reshape(n * count, c)


def modulate_rows(x: Tensor, gains: Tensor, shifts: Tensor, rows: Tensor) -> Tensor:
    """x * gain + shift, of which each row has its own in tables, (r, c), 2 x (p, c), (r,)."""
    # Native: mindspore.ops.gather twice, * and +: six times as long as a kernel.
    if compiled.enabled and x.dtype == ms.float32:
        return compiled.operators["modulate_rows"](x, gains, shifts, rows)
    return x * gather_rows(gains, rows) + gather_rows(shifts, rows)


def chunk_columns(x: Tensor, count: int) -> list[Tensor]:
    """Cut into blocks of equally many columns, (r, c) -> count x (r, c/count)."""
    # Native: mindspore.ops.chunk: axis 0 by default; views, whose rows lie apart, which slows
    # `gather_rows` down.
    return [block.contiguous() for block in ops.chunk(x, count, axis=1)]


def fold(x: Tensor, height: int, width: int, size: int, *, stride: int, padding: int) -> Tensor:
    """The adjoint of unfold: the sum of the pieces, (n, c size size, pieces) -> (n, c, h, w)."""
    # Native: mindspore.ops.fold: stride 1 and no padding by default; the size is a tensor.
    return ops.fold(x, Tensor([height, width], ms.int32), size, padding=padding, stride=stride)


def roll(x: Tensor, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Tensor:
    """Shift circularly along dimensions, any shape; a positive shift moves to higher indices."""
    # Native: mindspore.ops.roll: no CPU kernel.
    for i in range(len(dims)):
        size = x.shape[dims[i]]
        place = -shifts[i] % size
        if place > 0:
            first, rest = ops.split(x, [place, size - place], dims[i])
            x = ops.cat([rest, first], dims[i])
    return x
