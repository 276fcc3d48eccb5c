"""Constants, parameters and gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


def tensor_like(values: np.ndarray | list[float], x: Tensor) -> Tensor:
    """Given numbers as an array of the kind of x, without gradient."""
    # Native: torch.Tensor.new_tensor: x's precision and device, no gradient by default.
    return x.new_tensor(values)


def no_grad(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function's result, through which no gradient flows."""
    # Native: torch.no_grad: a context, in which also nothing is kept for a backward pass.
    with torch.no_grad():
        return function(x)


def materialize(x: Tensor) -> Tensor:
    """Compute x now, so that what went into it can be freed."""
    # Native: absent: PyTorch computes each operation when it is called.
    return x


def constant_parameter(shape: tuple[int, ...], value: float) -> nn.Parameter:
    """Something to be trained that starts with one value everywhere."""
    # Native: torch.nn.Parameter: requires_grad True by default; other attributes are not trained.
    return nn.Parameter(torch.full(shape, value))


def uniform_parameter(shape: tuple[int, ...], bound: float) -> nn.Parameter:
    """Something to be trained that starts uniformly distributed between -bound and bound."""
    # Native: torch.Tensor.uniform_: from 0 to 1 by default; torch.nn.Parameter makes it trained.
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def fixed_parameter(values: np.ndarray) -> nn.Parameter:
    """Given numbers as part of a module's state that is not trained."""
    # Native: torch.nn.Parameter: requires_grad True by default.
    return nn.Parameter(torch.from_numpy(values), requires_grad=False)


class Embedding(nn.Module):
    """A learned table (rows, columns), its `weight`, drawn from a normal distribution."""

    # Native: torch.nn.Embedding: a deviation of 1; its call looks rows up, and no other.
    def __init__(self, rows: int, columns: int, *, std: float):
        super().__init__()
        self.weight = nn.Parameter(std * torch.randn(rows, columns))
