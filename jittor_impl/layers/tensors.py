"""Constants, parameters and gradients."""

from __future__ import annotations

from collections.abc import Callable

import jittor as jt
import numpy as np
from jittor import Var, nn


def constant(values: np.ndarray | list[float], x: Var) -> Var:
    """Given numbers as an array of the kind of x, without gradient."""
    # Native: 64-bit numbers become 32-bit ones.
    return jt.array(np.asarray(values)).astype(x.dtype)


def fill_map(x: Var, value: float) -> Var:
    """A constant of the shape and kind of x, without gradient."""
    # Native: full_like.
    return jt.full_like(x, value)


def stop_gradient(x: Var) -> Var:
    """The same numbers, as a constant for gradients."""
    # Native: detach.
    return x.detach()


def without_gradient(function: Callable[[Var], Var], x: Var) -> Var:
    """A function's result, through which no gradient flows."""
    # Native: detach cuts the graph, and what is not asked for is not computed.
    return function(x).detach()


def settle(x: Var) -> Var:
    """Compute x now, so that what went into it can be freed."""
    # Native: nothing is computed before it is asked for, and all of it then stays until the end.
    x.sync()
    return x


def constant_parameter(shape: tuple[int, ...], value: float) -> Var:
    """Something to be trained that starts with one value everywhere."""
    # Native: any array that is an attribute of a module is trained.
    return jt.full(shape, value)


def uniform_parameter(shape: tuple[int, ...], bound: float) -> Var:
    """Something to be trained that starts uniformly distributed between -bound and bound."""
    # Native: any array that is an attribute of a module is trained.
    return jt.init.uniform(shape, low=-bound, high=bound)


class Table(nn.Module):
    """A learned table (rows, columns), its `weight`, drawn from a normal distribution."""

    # Native: nn.Embedding holds one.
    def __init__(self, rows: int, columns: int, *, std: float):
        super().__init__()
        self.weight = std * jt.randn(rows, columns)
