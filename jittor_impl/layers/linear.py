"""Linear maps and products of matrices."""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn


class Linear(nn.Linear):
    """Linear map of the last axis, (..., in) -> (..., out).

    With a deviation `std`, weights are drawn from a normal distribution and the bias is 0.
    """

    # Native: a bias unless told otherwise; uniform weights and bias, as those of convolutions.
    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, std: float = 0.0):
        super().__init__(in_channels, out_channels, bias=bias)
        if std:
            jt.init.gauss_(self.weight, std=std)
            jt.init.zero_(self.bias)

    def execute(self, x: Var) -> Var:
        return linear(x, self.weight, self.bias)


def linear(x: Var, weight: Var, bias: Var | None) -> Var:
    """Linear map of the last axis by given weights (out, in), (..., in) -> (..., out)."""
    # Native: a product with the transposed matrix; the sum is apart.
    rows = nn.matmul_transpose(x, weight)
    return rows if bias is None else rows + bias


def matmul(x: Var, y: Var) -> Var:
    """Matrix products, (n, m, p, l) x (n, m, l, q) -> (n, m, p, q)."""
    # Native: only products of two matrices are fast, of stacks they take 35 times as long.
    n, m, p, _ = x.shape
    pairs = [(i, j) for i in range(n) for j in range(m)]
    return jt.stack([jt.matmul(x[i, j], y[i, j]) for i, j in pairs]).reshape(n, m, p, -1)


def matmul_transposed(x: Var, y: Var) -> Var:
    """Products of rows, (n, m, p, l) x (n, m, q, l) -> (n, m, p, q)."""
    # Native: only products of two matrices are fast, of stacks they take 35 times as long.
    n, m, p, _ = x.shape
    pairs = [(i, j) for i in range(n) for j in range(m)]
    products = [nn.matmul_transpose(x[i, j], y[i, j]) for i, j in pairs]
    return jt.stack(products).reshape(n, m, p, -1)


def batched_matmul(x: Var, y: Var) -> Var:
    """Products of stacks of matrices, (..., i, k), (..., k, j) -> (..., i, j)."""
    # Native: stacks do not go through oneDNN, single products do.
    if x.shape[0] == 1 and x.ndim == 3:
        return jt.matmul(x[0], y[0]).unsqueeze(0)
    return jt.matmul(x, y)
