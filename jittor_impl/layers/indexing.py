"""Rows, columns, and pieces of maps."""

from __future__ import annotations

import jittor as jt
import numpy as np
from jittor import Var, nn


def kept_rows(policy: Var) -> Var:
    """The places where a vector is not 0, in order, (n,) -> (kept,)."""
    # Native: a result of a size that is known only after a synchronization, so NumPy does it.
    return jt.array(np.flatnonzero(policy.numpy()).astype(np.int32))


def places(array: np.ndarray, x: Var) -> Var:
    """Whole numbers (k,) as places to take from x."""
    # Native: 64-bit numbers become 32-bit ones.
    return jt.array(array.astype(np.int32))


def take_rows(x: Var, rows: Var) -> Var:
    """Members of the first axis by their places (k,), (n, ...) -> (k, ...)."""
    # Native: a place outside is no error.
    return x[rows]


def put_rows(x: Var, values: Var, rows: Var) -> Var:
    """x with members of the first axis replaced, (n, ...), (k, ...), (k,) -> (n, ...)."""
    # Native: assignment to an index rebinds a name, and keeps what the name stood for.
    result = x.clone()
    result[rows] = values
    return result


def scale_rows(x: Var, factors: Var) -> Var:
    """Each row times a factor of its own, (r, c), (r, 1) -> (r, c)."""
    # Native: the same.
    return x * factors


def repeat_rows(x: Var, count: int) -> Var:
    """Each row so many times, (n, c) -> (n count, c)."""
    # Native: a broadcast to a whole shape.
    n, c = x.shape
    return x.reshape(n, 1, c).expand(n, count, c).reshape(n * count, c)


def modulate_rows(x: Var, gains: Var, shifts: Var, rows: Var) -> Var:
    """x * gain + shift, of which each row has its own in tables, (r, c), 2 x (p, c), (r,)."""
    # Native: fused by the compiler.
    return x * take_rows(gains, rows) + take_rows(shifts, rows)


def columns(x: Var, count: int) -> list[Var]:
    """Cut into blocks of as many columns each, (r, c) -> count x (r, c/count)."""
    # Native: copies; one block alone raises UnboundLocalError.
    return list(jt.chunk(x, count, dim=1)) if count > 1 else [x]


def patches(x: Var, size: int, *, stride: int, padding: int) -> Var:
    """Square pieces row by row, zeros around, (n, c, h, w) -> (n, c size size, pieces)."""
    # Native: the same.
    return nn.unfold(x, size, padding=padding, stride=stride)


def overlay(x: Var, height: int, width: int, size: int, *, stride: int, padding: int) -> Var:
    """The adjoint of `patches`: add the pieces, (n, c size size, pieces) -> (n, c, h, w)."""
    # Native: the same.
    return nn.fold(x, (height, width), size, padding=padding, stride=stride)


def roll(x: Var, shifts: tuple[int, ...], axes: tuple[int, ...]) -> Var:
    """Shift circularly along axes, any shape; a positive shift moves to higher indices."""
    # Native: the same.
    return jt.roll(x, shifts, axes)


def flip(x: Var, axes: tuple[int, ...]) -> Var:
    """The other way round along axes, any shape."""
    # Native: the same.
    return jt.flip(x, axes)
