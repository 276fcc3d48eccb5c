"""Normalization."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torch_impl.layers.tensors import constant_parameter


class LayerNorm(nn.Module):
    """Mean 0 and variance 1 over the last dimension, then a factor and an offset, any shape."""

    # Native: torch.nn.functional.layer_norm: the last axes, eps 1e-5 by default.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


class LayerNorm2d(nn.Module):
    """Normalizes over the channels of each pixel, (n, c, h, w) -> (n, c, h, w)."""

    # Native: torch.nn.functional.layer_norm: the last axes, eps 1e-5 by default; so channels go
    # last and back, without a copy.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = constant_parameter((channels,), 1.0)
        self.bias = constant_parameter((channels,), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        pixels = x.permute(0, 2, 3, 1)
        pixels = F.layer_norm(pixels, (channels,), self.weight, self.bias, self.eps)
        return pixels.permute(0, 3, 1, 2)
