"""Normalization."""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn

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
        centered = x - x.mean(dim=-1, keepdims=True)
        variance = (centered * centered).mean(dim=-1, keepdims=True)
        return centered / jt.sqrt(variance + self.eps) * self.weight + self.bias


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
        channels = x.shape[1]
        x = x - x.mean(dim=1, keepdims=True)
        x = x / jt.sqrt((x * x).mean(dim=1, keepdims=True) + self.eps)
        return x * self.weight.reshape(1, channels, 1, 1) + self.bias.reshape(1, channels, 1, 1)
