"""Normalization."""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindspore_impl.layers.tensors import constant_parameter


class LayerNorm(nn.Cell):
    """Mean 0 and variance 1 over the last dimension, then a factor and an offset, any shape."""

    # Native: mindspore.nn.LayerNorm: eps 1e-7 by default, and the names gamma and beta.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.weight = Parameter(np.ones(channels, np.float32))
        self.bias = Parameter(np.zeros(channels, np.float32))
        self.normalize = ops.LayerNorm(-1, -1, eps)

    def construct(self, x: Tensor) -> Tensor:
        return self.normalize(x, self.weight, self.bias)[0]


class LayerNorm2d(nn.Cell):
    """Normalizes over the channels of each pixel, (n, c, h, w) -> (n, c, h, w)."""

    # Native: mindspore.nn.LayerNorm: the last axes, eps 1e-7 by default. Broadcasting over channels
    # costs five nanoseconds a number; so means and factors are applied by 1x1 convolutions.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = constant_parameter((channels,), 1.0)
        self.bias = constant_parameter((channels,), 0.0)

    def construct(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        mean = ops.full((channels, channels, 1, 1), 1 / channels, dtype=x.dtype)
        x = x - ops.conv2d(x, mean)
        x = x * ops.reciprocal(ops.sqrt(ops.conv2d(x * x, mean) + self.eps))
        factors = self.weight * ops.eye(channels, channels, x.dtype)
        return ops.conv2d(x, factors.reshape(channels, channels, 1, 1), self.bias)
