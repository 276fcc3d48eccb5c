"""Functions of single numbers, and softmax."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def softmax(x: Tensor, *, dim: int) -> Tensor:
    """Shares that add up to one along a dimension, any shape."""
    # Native: torch.softmax: dim has no default.
    return torch.softmax(x, dim=dim)


def gelu(x: Tensor) -> Tensor:
    """x times the normal distribution's integral up to x, any shape."""
    # Native: torch.nn.functional.gelu: approximate="none", which is exact, by default.
    return F.gelu(x, approximate="none")


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), any shape."""
    # Native: torch.sigmoid: right to the last places everywhere.
    return torch.sigmoid(x)


def leaky_relu(x: Tensor, slope: float) -> Tensor:
    """Values below zero times a slope, any shape."""
    # Native: torch.nn.functional.leaky_relu: slope 0.01 by default.
    return F.leaky_relu(x, slope)


class PReLU(nn.PReLU):
    """Values below zero times one slope that is learned, any shape."""

    # Native: torch.nn.PReLU: one slope, 0.25 at first, by default; called weight.
    def __init__(self) -> None:
        super().__init__(num_parameters=1, init=0.25)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), any shape."""
    # Native: torch.nn.functional.softplus: beta 1, and x itself above a threshold of 20, by
    # default.
    return F.softplus(x, beta=1.0, threshold=20.0)


def cos_sin(x: Tensor) -> Tensor:
    """All cosines, then all sines, (r, k) -> (r, 2 k)."""
    # Native: torch.cos and torch.sin, two passes, and torch.cat, a third.
    return torch.cat([torch.cos(x), torch.sin(x)], dim=1)
