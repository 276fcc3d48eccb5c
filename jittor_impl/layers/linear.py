"""Linear maps and products of matrices."""

from __future__ import annotations

import math

import jittor as jt
from jittor import Var, nn

_FEW = 16  # products of matrices
_LARGE = 2**17  # multiplications of such a product


class Linear(nn.Linear):
    """Linear map of the last dimension, (..., in) -> (..., out).

    With a deviation `std`, weights are drawn from a normal distribution and the bias is 0.
    """

    # Native: jittor.nn.Linear: a bias by default; weights and bias uniform, as those of
    # convolutions.
    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, std: float = 0.0):
        super().__init__(in_channels, out_channels, bias=bias)
        if std:
            jt.init.gauss_(self.weight, std=std)
            jt.init.zero_(self.bias)

    def execute(self, x: Var) -> Var:
        return linear(x, self.weight, self.bias)


def linear(x: Var, weight: Var, bias: Var | None) -> Var:
    """Linear map of the last dimension by given weights (out, in), (..., in) -> (..., out)."""
    # Native: jittor.nn.matmul_transpose: a product with the transposed matrix; the sum is apart.
    rows = nn.matmul_transpose(x, weight)
    return rows if bias is None else rows + bias


def matmul(x: Var, y: Var, *, transpose_y: bool = False) -> Var:
    """Products of stacks of matrices, (..., p, l) x (..., l, q) -> (..., p, q).

    y is (..., q, l) where it is to be transposed.
    """
    # Native: jittor.matmul: oneDNN for a product of two matrices, a kernel of Jittor's own for a
    # stack, none transposed. With gradients, a few large products take 5 to 15 times as long as a
    # stack, and many small ones 5 to 40 times as long one after another.
    *stack, rows, length = x.shape
    columns = y.shape[-2] if transpose_y else y.shape[-1]
    count = math.prod(stack)
    if count > _FEW or (count > 1 and rows * length * columns < _LARGE):
        return jt.matmul(x, y.transpose(-1, -2) if transpose_y else y)
    x, y = x.reshape(count, rows, length), y.reshape(count, *y.shape[-2:])
    multiply = nn.matmul_transpose if transpose_y else jt.matmul
    products = [multiply(x[i], y[i]) for i in range(count)]
    return (products[0] if count == 1 else jt.stack(products)).reshape(*stack, rows, columns)
