"""Rows, columns, and pieces of maps."""

from __future__ import annotations

import jittor as jt
import numpy as np
from jittor import Var, nn


def nonzero(policy: Var) -> Var:
    """The indices at which a vector is not 0, in order, (n,) -> (kept,)."""
    # Native: jittor.nonzero: a table of indices, whose size is known only after a synchronization;
    # so NumPy does it.
    return jt.array(np.flatnonzero(policy.numpy()).astype(np.int32))


def to_indices(array: np.ndarray, x: Var) -> Var:
    """Whole numbers (k,) as indices into x."""
    # Native: jittor.array: 64-bit numbers become 32-bit ones by default.
    return jt.array(array.astype(np.int32))


def has_rows(x: Var, count: int) -> bool:
    """Whether an array has so many members, which may save work; no where what is done is recorded
    and has to do for every number of them."""
    # Native: absent. Nothing of a network that decides is recorded here.
    return x.shape[0] == count


def unless_none(policy: Var, processed: Var, x: Var) -> Var:
    """What was processed; x where what is recorded finds a policy that chooses nothing."""
    # Native: absent. Nothing of a network that decides is recorded here.
    return processed


def gather_rows(x: Var, rows: Var) -> Var:
    """Members of the first dimension by their indices (k,), (n, ...) -> (k, ...)."""
    # Native: brackets: an index outside is no error.
    return x[rows]


def scatter_rows(x: Var, values: Var, rows: Var) -> Var:
    """x with members of the first dimension replaced, (n, ...), (k, ...), (k,) -> (n, ...)."""
    # Native: assignment to an index: rebinds the name, and keeps what it stood for.
    result = x.clone()
    result[rows] = values
    return result


def scale_rows(x: Var, factors: Var) -> Var:
    """Each row times a factor of its own, (r, c), (r, 1) -> (r, c)."""
    # Native: the operator *: repeats along an axis of length 1 without a copy.
    return x * factors


def repeat_rows(x: Var, count: int) -> Var:
    """Each row a number of times, (n, c) -> (n count, c)."""
    # Native: jittor.Var.expand: a whole shape; it is broadcast when it is used.
    n, c = x.shape
    return x.reshape(n, 1, c).expand(n, count, c).reshape(n * count, c)


def modulate_rows(x: Var, gains: Var, shifts: Var, rows: Var) -> Var:
    """x * gain + shift, of which each row has its own in tables, (r, c), 2 x (p, c), (r,)."""
    # Native: brackets, * and +, which the compiler fuses.
    return x * gather_rows(gains, rows) + gather_rows(shifts, rows)


def chunk_columns(x: Var, count: int) -> list[Var]:
    """Cut into blocks of equally many columns, (r, c) -> count x (r, c/count)."""
    # Native: jittor.chunk: dim 0 by default; copies; one block alone raises UnboundLocalError.
    return list(jt.chunk(x, count, dim=1)) if count > 1 else [x]


def fold(x: Var, height: int, width: int, size: int, *, stride: int, padding: int) -> Var:
    """The adjoint of unfold: the sum of the pieces, (n, c size size, pieces) -> (n, c, h, w)."""
    # Native: jittor.nn.fold: stride 1 and no padding by default; the size is two numbers.
    return nn.fold(x, (height, width), size, padding=padding, stride=stride)


def roll(x: Var, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Var:
    """Shift circularly along dimensions, any shape; a positive shift moves to higher indices."""
    # Native: jittor.roll: without dims it rolls all numbers as one row.
    return jt.roll(x, shifts, dims)
