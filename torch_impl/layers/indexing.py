"""Rows, columns, and pieces of maps."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.compiler import is_exporting


def nonzero(policy: Tensor) -> Tensor:
    """The indices at which a vector is not 0, in order, (n,) -> (kept,)."""
    # Native: torch.Tensor.nonzero: a table with a row of indices for each, by default.
    return policy.nonzero().reshape(-1)


def to_indices(array: np.ndarray, x: Tensor) -> Tensor:
    """Whole numbers (k,) as indices into x."""
    # Native: torch.from_numpy: keeps 64-bit numbers, on CPU; `to` brings them where x is.
    return torch.from_numpy(array).to(x.device)


def has_rows(x: Tensor, count: int) -> bool:
    """Whether an array has so many members, which may save work; no where what is done is recorded
    and has to do for every number of them."""
    # Native: torch.jit.is_tracing: what is recorded keeps the branch that its input took.
    return not _is_recorded() and x.shape[0] == count


def unless_none(policy: Tensor, processed: Tensor, x: Tensor) -> Tensor:
    """What was processed; x where what is recorded finds a policy that chooses nothing."""
    # Native: torch.where: both are computed.
    if _is_recorded():
        return torch.where((policy != 0).any(), processed, x)
    return processed


def gather_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Members of the first dimension by their indices (k,), (n, ...) -> (k, ...)."""
    # Native: torch.Tensor.index_select: copies runs of memory; brackets do the same more slowly.
    return x.index_select(0, rows)


def scatter_rows(x: Tensor, values: Tensor, rows: Tensor) -> Tensor:
    """x with members of the first dimension replaced, (n, ...), (k, ...), (k,) -> (n, ...)."""
    # Native: torch.Tensor.index_copy: a copy with members replaced; index_copy_ replaces in place.
    return x.index_copy(0, rows, values)


def scale_rows(x: Tensor, factors: Tensor) -> Tensor:
    """Each row times a factor of its own, (r, c), (r, 1) -> (r, c)."""
    # Native: the operator *: repeats along an axis of length 1 without a copy.
    return x * factors


def repeat_rows(x: Tensor, count: int) -> Tensor:
    """Each row a number of times, (n, c) -> (n count, c)."""
    # Native: torch.Tensor.expand: a view, which reshape then copies.
    n, c = x.shape
    return x.reshape(n, 1, c).expand(n, count, c).reshape(n * count, c)


def modulate_rows(x: Tensor, gains: Tensor, shifts: Tensor, rows: Tensor) -> Tensor:
    """x * gain + shift, of which each row has its own in tables, (r, c), 2 x (p, c), (r,)."""
    # Native: torch.addcmul: one pass, value 1 by default, after those that gather the rows.
    return torch.addcmul(gather_rows(shifts, rows), x, gather_rows(gains, rows))


def chunk_columns(x: Tensor, count: int) -> list[Tensor]:
    """Cut into blocks of equally many columns, (r, c) -> count x (r, c/count)."""
    # Native: torch.chunk: dim 0 by default; views, whose rows lie apart, which slows `gather_rows`
    # down.
    return [block.contiguous() for block in torch.chunk(x, count, dim=1)]


def fold(x: Tensor, height: int, width: int, size: int, *, stride: int, padding: int) -> Tensor:
    """The adjoint of unfold: the sum of the pieces, (n, c size size, pieces) -> (n, c, h, w)."""
    # Native: torch.nn.functional.fold: stride 1 and no padding by default; the size is two numbers.
    return F.fold(x, (height, width), size, padding=padding, stride=stride)


def roll(x: Tensor, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Tensor:
    """Shift circularly along dimensions, any shape; a positive shift moves to higher indices."""
    # Native: torch.roll: without dims it rolls all numbers as one row.
    if is_exporting():  # ONNX has none, and what stands for it takes constants alone
        for shift, dim in zip(shifts, dims, strict=True):
            first = -shift % x.shape[dim]
            x = torch.cat(
                [x.narrow(dim, first, x.shape[dim] - first), x.narrow(dim, 0, first)], dim
            )
        return x
    return torch.roll(x, shifts, dims)


def _is_recorded() -> bool:
    """Whether what is done is recorded, by a trace or an export, to be done again."""
    return torch.jit.is_tracing() or is_exporting()
