"""Sums over many numbers. Jittor adds one after another, which loses digits; here in float64.

The conversions become part of the kernel that adds: no array of float64 is stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from jittor import Var


def total(x: Var, dims: Sequence[int]) -> Var:
    """The sum over dimensions, which stay with length 1, any shape."""
    return x.float64().sum(tuple(dims), keepdims=True).astype(x.dtype)


def mean(x: Var, dims: Sequence[int]) -> Var:
    """The mean over dimensions, which stay with length 1, any shape."""
    return x.float64().mean(tuple(dims), keepdims=True).astype(x.dtype)


def spread(x: Var, shape: Sequence[int]) -> Var:
    """The same numbers along further dimensions, so that the gradient, a sum, keeps its digits."""
    return x.float64().broadcast(list(shape)).astype(x.dtype)
