"""Linear maps and products of matrices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """Linear map of the last axis, (..., in) -> (..., out).

    With a deviation `std`, weights are drawn from a normal distribution and the bias is 0.
    """

    # Native: a bias unless told otherwise; uniform weights and bias, as those of convolutions.
    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, std: float = 0.0):
        super().__init__(in_channels, out_channels, bias=bias)
        if std:
            nn.init.normal_(self.weight, std=std)
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Linear map of the last axis by given weights (out, in), (..., in) -> (..., out)."""
    # Native: the same.
    return F.linear(x, weight, bias)


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Matrix products, (n, m, p, l) x (n, m, l, q) -> (n, m, p, q)."""
    # Native: the same. Multiplied as y' x', the result of one head has its channels last in memory,
    # as convolutions like it.
    return torch.matmul(y.transpose(-1, -2), x.transpose(-1, -2)).transpose(-1, -2)


def matmul_transposed(x: Tensor, y: Tensor) -> Tensor:
    """Products of rows, (n, m, p, l) x (n, m, q, l) -> (n, m, p, q)."""
    # Native: swapping the last axes copies nothing.
    return torch.matmul(x, y.transpose(-1, -2))


def batched_matmul(x: Tensor, y: Tensor) -> Tensor:
    """Products of stacks of matrices, (..., i, k), (..., k, j) -> (..., i, j)."""
    # Native: matmul does this.
    return torch.matmul(x, y)
