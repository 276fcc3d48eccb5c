"""Constants, parameters and gradients."""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Normal, Uniform, initializer


def constant(values: np.ndarray | list[float], x: Tensor) -> Tensor:
    """Given numbers as an array of the kind of x, without gradient."""
    # Native: keeps NumPy's kind of numbers unless told otherwise.
    return Tensor(values, x.dtype)


def fill_map(x: Tensor, value: float) -> Tensor:
    """A constant of the shape and kind of x, without gradient."""
    # Native: full_like.
    return ops.full_like(x, value)


def stop_gradient(x: Tensor) -> Tensor:
    """The same numbers, as a constant for gradients."""
    # Native: a function; there is no method that also compiles.
    return ops.stop_gradient(x)


def without_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function's result, through which no gradient flows."""
    # Native: stop_gradient cuts the graph.
    return ops.stop_gradient(function(x))


def settle(x: Tensor) -> Tensor:
    """Compute x now, so that what went into it can be freed."""
    # Native: always so.
    return x


def constant_parameter(shape: tuple[int, ...], value: float) -> ms.Parameter:
    """Something to be trained that starts with one value everywhere."""
    # Native: an attribute of the class Parameter.
    return ms.Parameter(ops.full(shape, value, dtype=ms.float32))


def uniform_parameter(shape: tuple[int, ...], bound: float) -> ms.Parameter:
    """Something to be trained that starts uniformly distributed between -bound and bound."""
    # Native: an attribute of the class Parameter.
    return ms.Parameter(initializer(Uniform(bound), shape, ms.float32))


class Table(nn.Cell):
    """A learned table (rows, columns), its `weight`, drawn from a normal distribution."""

    # Native: nn.Embedding holds one.
    def __init__(self, rows: int, columns: int, *, std: float):
        super().__init__()
        self.weight = Parameter(initializer(Normal(std), (rows, columns)))
