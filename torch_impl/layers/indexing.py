"""Rows, columns, and pieces of maps."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def kept_rows(policy: Tensor) -> Tensor:
    """The places where a vector is not 0, in order, (n,) -> (kept,)."""
    # Native: a table of places.
    return policy.nonzero().reshape(-1)


def places(array: np.ndarray, x: Tensor) -> Tensor:
    """Whole numbers (k,) as places to take from x."""
    # Native: 64-bit numbers, where x is.
    return torch.from_numpy(array).to(x.device)


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Members of the first axis by their places (k,), (n, ...) -> (k, ...)."""
    # Native: index_select, which copies runs of memory; brackets do the same more slowly.
    return x.index_select(0, rows)


def put_rows(x: Tensor, values: Tensor, rows: Tensor) -> Tensor:
    """x with members of the first axis replaced, (n, ...), (k, ...), (k,) -> (n, ...)."""
    # Native: index_copy.
    return x.index_copy(0, rows, values)


def scale_rows(x: Tensor, factors: Tensor) -> Tensor:
    """Each row times a factor of its own, (r, c), (r, 1) -> (r, c)."""
    # Native: the same.
    return x * factors


def repeat_rows(x: Tensor, count: int) -> Tensor:
    """Each row so many times, (n, c) -> (n count, c)."""
    # Native: a view.
    n, c = x.shape
    return x.reshape(n, 1, c).expand(n, count, c).reshape(n * count, c)


def modulate_rows(x: Tensor, gains: Tensor, shifts: Tensor, rows: Tensor) -> Tensor:
    """x * gain + shift, of which each row has its own in tables, (r, c), 2 x (p, c), (r,)."""
    # Native: one pass, after those that take the rows.
    return torch.addcmul(take_rows(shifts, rows), x, take_rows(gains, rows))


def columns(x: Tensor, count: int) -> list[Tensor]:
    """Cut into blocks of as many columns each, (r, c) -> count x (r, c/count)."""
    # Native: views, whose rows lie apart, which slows `take_rows` down.
    return [block.contiguous() for block in torch.chunk(x, count, dim=1)]


def patches(x: Tensor, size: int, *, stride: int, padding: int) -> Tensor:
    """Square pieces row by row, zeros around, (n, c, h, w) -> (n, c size size, pieces)."""
    # Native: the same.
    return F.unfold(x, size, padding=padding, stride=stride)


def overlay(x: Tensor, height: int, width: int, size: int, *, stride: int, padding: int) -> Tensor:
    """The adjoint of `patches`: add the pieces, (n, c size size, pieces) -> (n, c, h, w)."""
    # Native: the same.
    return F.fold(x, (height, width), size, padding=padding, stride=stride)


def roll(x: Tensor, shifts: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Shift circularly along axes, any shape; a positive shift moves to higher indices."""
    # Native: the same.
    return torch.roll(x, shifts, axes)


def flip(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The other way round along axes, any shape."""
    # Native: the same.
    return torch.flip(x, axes)
