"""Linear maps and products of matrices."""

from __future__ import annotations

from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal, initializer


class Linear(nn.Dense):
    """Linear map of the last axis, (..., in) -> (..., out).

    With a deviation `std`, weights are drawn from a normal distribution and the bias is 0.
    """

    # Native: a bias unless told otherwise; uniform weights and bias, as those of convolutions.
    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, std: float = 0.0):
        super().__init__(in_channels, out_channels, has_bias=bias)
        if std:
            self.weight.set_data(initializer(Normal(std), (out_channels, in_channels)))
            self.bias.set_data(initializer("zeros", out_channels))

    def construct(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Linear map of the last axis by given weights (out, in), (..., in) -> (..., out)."""
    # Native: dense, which takes four to eight times as long as its parts; the sum by "+" twenty.
    rows = ops.MatMul(transpose_b=True)(x.reshape(-1, x.shape[-1]), weight)
    rows = rows if bias is None else ops.bias_add(rows, bias)
    return rows.reshape(*x.shape[:-1], weight.shape[0])


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Matrix products, (n, m, p, l) x (n, m, l, q) -> (n, m, p, q)."""
    # Native: the same.
    return ops.BatchMatMul()(x, y)


def matmul_transposed(x: Tensor, y: Tensor) -> Tensor:
    """Products of rows, (n, m, p, l) x (n, m, q, l) -> (n, m, p, q)."""
    # Native: the primitive can read its second argument transposed.
    return ops.BatchMatMul(transpose_b=True)(x, y)


def batched_matmul(x: Tensor, y: Tensor) -> Tensor:
    """Products of stacks of matrices, (..., i, k), (..., k, j) -> (..., i, j)."""
    # Native: matmul does this.
    return ops.matmul(x, y)
