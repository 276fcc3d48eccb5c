"""Constants, parameters and gradients."""

from __future__ import annotations

from collections.abc import Callable

import jittor as jt
import numpy as np
from jittor import Var, nn


def tensor_like(values: np.ndarray | list[float], x: Var) -> Var:
    """Given numbers as an array of the kind of x, without gradient."""
    # Native: jittor.array: 64-bit numbers become 32-bit ones by default, others keep NumPy's kind.
    return jt.array(np.asarray(values)).astype(x.dtype)


def no_grad(function: Callable[[Var], Var], x: Var) -> Var:
    """A function's result, through which no gradient flows."""
    # Native: jittor.Var.detach: cuts the graph; what is not asked for is not computed, nor kept.
    return function(x).detach()


def materialize(x: Var) -> Var:
    """Compute x now, so that what went into it can be freed."""
    # Native: jittor.Var.sync: nothing is computed before it is asked for, and all of it then stays
    # until the end.
    x.sync()
    return x


def constant_parameter(shape: tuple[int, ...], value: float) -> Var:
    """Something to be trained that starts with one value everywhere."""
    # Native: jittor.full: float32 by default; any Var that is an attribute of a module is trained.
    return jt.full(shape, value)


def uniform_parameter(shape: tuple[int, ...], bound: float) -> Var:
    """Something to be trained that starts uniformly distributed between -bound and bound."""
    # Native: jittor.init.uniform: from 0 to 1 by default; any Var that is an attribute of a module
    # is trained.
    return jt.init.uniform(shape, low=-bound, high=bound)


def fixed_parameter(values: np.ndarray) -> Var:
    """Given numbers as part of a module's state that is not trained."""
    # Native: jittor.Var.stop_grad: in place; a Var that is an attribute of a module is trained
    # otherwise.
    return jt.array(values).stop_grad()


class Embedding(nn.Module):
    """A learned table (rows, columns), its `weight`, drawn from a normal distribution."""

    # Native: jittor.nn.Embedding: a deviation of 1; its call looks rows up, and no other.
    def __init__(self, rows: int, columns: int, *, std: float):
        super().__init__()
        self.weight = std * jt.randn(rows, columns)
