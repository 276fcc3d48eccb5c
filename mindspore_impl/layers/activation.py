"""Functions of single numbers, and softmax."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from mindspore_impl import compiled


def softmax(x: Tensor, *, dim: int) -> Tensor:
    """Shares that add up to one along a dimension, any shape."""
    # Native: mindspore.ops.softmax: the last axis by default; along an axis of length 1 it spoils
    # later gradients of softmax in the process.
    return ops.exp(x - x) if x.shape[dim] == 1 else ops.softmax(x, axis=dim)


def gelu(x: Tensor) -> Tensor:
    """x times the normal distribution's integral up to x, any shape."""
    # Native: mindspore.ops.gelu: exact by default, unlike mindspore.nn.GELU, which is the tanh
    # form. It takes fifteen times as long as a kernel, and a half longer than it does composed.
    if compiled.enabled and x.dtype == ms.float32:
        return compiled.operators["gelu"](x)
    return x * (0.5 * ops.erf(x * math.sqrt(0.5)) + 0.5)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), any shape."""
    # Native: mindspore.ops.sigmoid: relative errors of 2e-6 near 0, larger far below, as of its
    # exp.
    return 1 / (1 + _exp(-x))


def leaky_relu(x: Tensor, slope: float) -> Tensor:
    """Values below zero times a slope, any shape."""
    # Native: mindspore.ops.leaky_relu: slope 0.2 by default.
    return ops.leaky_relu(x, alpha=slope)


class PReLU(nn.Cell):
    """Values below zero times one slope that is learned, any shape."""

    # Native: mindspore.nn.PReLU: one slope, 0.25 at first, by default; called w.
    def __init__(self) -> None:
        super().__init__()
        self.weight = Parameter(ops.full((1,), 0.25, dtype=ms.float32))

    def construct(self, x: Tensor) -> Tensor:
        return ops.prelu(x, self.weight)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), any shape."""
    # Native: mindspore.ops.softplus: beta 1, and x itself above a threshold of 20, by default;
    # below it log(1 + exp(x)) as written, which is off by 2 % of the value at x = -13. Here log(1 +
    # t) = 2 artanh(t / (2 + t)) by its series, t = exp(-|x|) being at most 1.
    t = _exp(-ops.abs(x))
    s = t / (2 + t)
    square = s * s
    series = ops.full_like(x, 1 / 17)
    for odd in (15, 13, 11, 9, 7, 5, 3, 1):
        series = 1 / odd + square * series
    return ops.relu(x) + 2 * s * series


def cos_sin(x: Tensor) -> Tensor:
    """All cosines, then all sines, (r, k) -> (r, 2 k)."""
    # Native: mindspore.ops.cos, mindspore.ops.sin and mindspore.ops.cat: ten times as long as a
    # kernel.
    if compiled.enabled and x.dtype == ms.float32:
        return compiled.operators["cos_sin"](x)
    return ops.cat([ops.cos(x), ops.sin(x)], axis=1)


def _exp(x: Tensor) -> Tensor:
    """exp(x), right to the last place, any shape."""
    # Native: mindspore.ops.exp: relative errors grow with |x|, to 2e-5 at x = -80; right in
    # float64.
    return ops.exp(x.astype(ms.float64)).astype(ms.float32)
