"""Normalization."""

from __future__ import annotations

from typing import Any

import jittor as jt
from jittor import Var, nn

from jittor_impl.layers.sums import mean, total
from jittor_impl.layers.tensors import constant_parameter


class LayerNorm(nn.Module):
    """Mean 0 and variance 1 over the last dimension, then a factor and an offset, any shape."""

    # Native: jittor.nn.LayerNorm: eps 1e-5 by default; the variance as a mean of squares minus a
    # square, which loses all digits where the mean is large.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = jt.ones(channels)
        self.bias = jt.zeros(channels)

    def execute(self, x: Var) -> Var:
        return _LayerNorm.apply(x, self.weight, self.bias, x.ndim - 1, self.eps)


class LayerNorm2d(nn.Module):
    """Normalizes over the channels of each pixel, (n, c, h, w) -> (n, c, h, w)."""

    # Native: jittor.nn.LayerNorm: the last axes, eps 1e-5 by default; the variance as a mean of
    # squares minus a square, off by a thousandth where the mean is a hundred standard deviations.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = constant_parameter((channels,), 1.0)
        self.bias = constant_parameter((channels,), 0.0)

    def execute(self, x: Var) -> Var:
        weight, bias = self.weight.reshape(1, -1, 1, 1), self.bias.reshape(1, -1, 1, 1)
        return _LayerNorm.apply(x, weight, bias, 1, self.eps)


class _LayerNorm(jt.Function):
    """Over one dimension, with a factor and an offset for each of its places.

    Its own gradient takes less time and memory than the one that Jittor derives.
    """

    def execute(self, x: Var, weight: Var, bias: Var, dim: int, eps: float) -> Var:
        self._dim, self._weight = dim, weight
        x = x - mean(x, [dim])
        self._scale = 1 / jt.sqrt(mean(x * x, [dim]) + eps)
        self._normal = x * self._scale
        return self._normal * weight + bias

    def grad(self, gradient: Var) -> tuple[Any, ...]:
        shape, normal, dims = self._weight.shape, self._normal, [self._dim]
        others = [dim for dim in range(gradient.ndim) if dim != self._dim]
        by_weight = total(gradient * normal, others).reshape(shape)
        by_bias = total(gradient, others).reshape(shape)
        gradient = gradient * self._weight
        shared = mean(gradient, dims) + normal * mean(gradient * normal, dims)
        return (gradient - shared) * self._scale, by_weight, by_bias, None, None
