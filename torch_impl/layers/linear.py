"""Linear maps and products of matrices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """Linear map of the last dimension, (..., in) -> (..., out).

    With a deviation `std`, weights are drawn from a normal distribution and the bias is 0.
    """

    # Native: torch.nn.Linear: a bias by default; weights and bias uniform, as those of
    # convolutions.
    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, std: float = 0.0):
        super().__init__(in_channels, out_channels, bias=bias)
        if std:
            nn.init.normal_(self.weight, std=std)
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Linear map of the last dimension by given weights (out, in), (..., in) -> (..., out)."""
    # Native: torch.nn.functional.linear: no bias by default.
    return F.linear(x, weight, bias)


def matmul(x: Tensor, y: Tensor, *, transpose_y: bool = False) -> Tensor:
    """Products of stacks of matrices, (..., p, l) x (..., l, q) -> (..., p, q).

    y is (..., q, l) where it is to be transposed.
    """
    # Native: torch.matmul: stacks of any number of axes, none transposed. Wide products of channels
    # are multiplied as y' x', so that the result of one head has its channels last in memory, as
    # convolutions like it.
    if transpose_y:
        y = y.transpose(-1, -2)
    if x.ndim == 4 and y.shape[3] > x.shape[2]:
        return torch.matmul(y.transpose(-1, -2), x.transpose(-1, -2)).transpose(-1, -2)
    return torch.matmul(x, y)
