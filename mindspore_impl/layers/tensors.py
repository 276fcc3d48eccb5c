"""Constants, parameters and gradients."""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Normal, Uniform, initializer


def tensor_like(values: np.ndarray | list[float], x: Tensor) -> Tensor:
    """Given numbers as an array of the kind of x, without gradient."""
    # Native: mindspore.Tensor: keeps NumPy's kind of numbers by default.
    return Tensor(values, x.dtype)


def no_grad(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function's result, through which no gradient flows."""
    # Native: mindspore.ops.stop_gradient: cuts the graph; nothing else is spared.
    return ops.stop_gradient(function(x))


def materialize(x: Tensor) -> Tensor:
    """Compute x now, so that what went into it can be freed."""
    # Native: absent: PyNative mode computes each operation when it is called.
    return x


def constant_parameter(shape: tuple[int, ...], value: float) -> ms.Parameter:
    """Something to be trained that starts with one value everywhere."""
    # Native: mindspore.Parameter: requires_grad True by default; other attributes are constants.
    return ms.Parameter(ops.full(shape, value, dtype=ms.float32))


def uniform_parameter(shape: tuple[int, ...], bound: float) -> ms.Parameter:
    """Something to be trained that starts uniformly distributed between -bound and bound."""
    # Native: mindspore.common.initializer.Uniform: a bound of 0.07 by default; mindspore.Parameter
    # makes it trained.
    return ms.Parameter(initializer(Uniform(bound), shape, ms.float32))


def fixed_parameter(values: np.ndarray) -> ms.Parameter:
    """Given numbers as part of a module's state that is not trained."""
    # Native: mindspore.Parameter: requires_grad True by default.
    return ms.Parameter(Tensor(values), requires_grad=False)


class Embedding(nn.Cell):
    """A learned table (rows, columns), its `weight`, drawn from a normal distribution."""

    # Native: mindspore.nn.Embedding: a deviation of 0.01; its call looks rows up, and no other.
    def __init__(self, rows: int, columns: int, *, std: float):
        super().__init__()
        self.weight = Parameter(initializer(Normal(std), (rows, columns)))
