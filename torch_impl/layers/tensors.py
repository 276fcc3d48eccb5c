"""Constants, parameters and gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


def constant(values: np.ndarray | list[float], x: Tensor) -> Tensor:
    """Given numbers as an array of the kind of x, without gradient."""
    # Native: new_tensor takes precision and device from x.
    return x.new_tensor(values)


def fill_map(x: Tensor, value: float) -> Tensor:
    """A constant of the shape and kind of x, without gradient."""
    # Native: full_like.
    return torch.full_like(x, value)


def stop_gradient(x: Tensor) -> Tensor:
    """The same numbers, as a constant for gradients."""
    # Native: detach.
    return x.detach()


def without_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function's result, through which no gradient flows."""
    # Native: no_grad also keeps nothing for a backward pass.
    with torch.no_grad():
        return function(x)


def settle(x: Tensor) -> Tensor:
    """Compute x now, so that what went into it can be freed."""
    # Native: always so.
    return x


def constant_parameter(shape: tuple[int, ...], value: float) -> nn.Parameter:
    """Something to be trained that starts with one value everywhere."""
    # Native: an attribute of the class Parameter.
    return nn.Parameter(torch.full(shape, value))


def uniform_parameter(shape: tuple[int, ...], bound: float) -> nn.Parameter:
    """Something to be trained that starts uniformly distributed between -bound and bound."""
    # Native: an attribute of the class Parameter.
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class Table(nn.Module):
    """A learned table (rows, columns), its `weight`, drawn from a normal distribution."""

    # Native: nn.Embedding holds one.
    def __init__(self, rows: int, columns: int, *, std: float):
        super().__init__()
        self.weight = nn.Parameter(std * torch.randn(rows, columns))
