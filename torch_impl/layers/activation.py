"""Functions of single numbers, and softmax."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def softmax(x: Tensor, *, axis: int) -> Tensor:
    """Shares that add up to one along an axis, any shape."""
    # Native: the axis is named dim.
    return torch.softmax(x, dim=axis)


def gelu(x: Tensor) -> Tensor:
    """x times the normal distribution's integral up to x, any shape."""
    # Native: exact by default.
    return F.gelu(x, approximate="none")


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), any shape."""
    # Native: the same.
    return torch.sigmoid(x)


def leaky_relu(x: Tensor, slope: float) -> Tensor:
    """Values below zero times a slope, any shape."""
    # Native: slope 0.01 by default.
    return F.leaky_relu(x, slope)


class PRelu(nn.PReLU):
    """Values below zero times one slope that is learned, any shape."""

    # Native: the same.
    def __init__(self) -> None:
        super().__init__(num_parameters=1, init=0.25)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), any shape."""
    # Native: x itself above a threshold of 20.
    return F.softplus(x, beta=1.0, threshold=20.0)


def cos_sin(x: Tensor) -> Tensor:
    """All cosines, then all sines, (r, k) -> (r, 2 k)."""
    # Native: two functions.
    return torch.cat([torch.cos(x), torch.sin(x)], dim=1)
