"""Linear maps and products of matrices."""

from __future__ import annotations

import functools

from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal, initializer


class _AddBias(nn.Cell):
    """A number per column added, (r, c) and (c,) -> (r, c)."""

    def construct(self, x: Tensor, bias: Tensor) -> Tensor:
        return ops.bias_add(x, bias)

    def bprop(
        self, x: Tensor, bias: Tensor, result: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor]:
        return gradient, _sum_rows(gradient)


def _sum_rows(x: Tensor) -> Tensor:
    """The sum of rows, (r, c) -> (c,).

    A few at a time, for one number is added after another.
    """
    for factor in _factors(x.shape[0]):
        x = x.reshape(factor, -1).sum(axis=0)
    return x.reshape(-1)


@functools.cache
def _factors(count: int) -> list[int]:
    """Numbers whose product is another, none above 16 where that can be."""
    found = []
    while count > 1:
        factor = max((d for d in range(2, 17) if count % d == 0), default=count)
        found.append(factor)
        count //= factor
    return found


_add_bias = _AddBias()


class Linear(nn.Dense):
    """Linear map of the last dimension, (..., in) -> (..., out).

    With a deviation `std`, weights are drawn from a normal distribution and the bias is 0.
    """

    # Native: mindspore.nn.Dense: a bias by default; weights and bias uniform, as those of
    # convolutions.
    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, std: float = 0.0):
        super().__init__(in_channels, out_channels, has_bias=bias)
        if std:
            self.weight.set_data(initializer(Normal(std), (out_channels, in_channels)))
            self.bias.set_data(initializer("zeros", out_channels))

    def construct(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Linear map of the last dimension by given weights (out, in), (..., in) -> (..., out)."""
    # Native: mindspore.ops.dense: no bias by default; takes four to eight times as long as its
    # parts. The sum by + takes twenty times as long as bias_add, whose gradient adds one number
    # after another.
    rows = ops.MatMul(transpose_b=True)(x.reshape(-1, x.shape[-1]), weight)
    rows = rows if bias is None else _add_bias(rows, bias)
    return rows.reshape(*x.shape[:-1], weight.shape[0])


def matmul(x: Tensor, y: Tensor, *, transpose_y: bool = False) -> Tensor:
    """Products of stacks of matrices, (..., p, l) x (..., l, q) -> (..., p, q).

    y is (..., q, l) where it is to be transposed.
    """
    # Native: mindspore.ops.matmul: broadcasts stacks, none transposed, and for that takes twice as
    # long as mindspore.ops.BatchMatMul, where transpose_b is False by default.
    return ops.BatchMatMul(transpose_b=transpose_y)(x, y)
