"""Convolutions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Conv2d(nn.Conv2d):
    """2-D convolution with zero padding, (n, in, h, w) -> (n, out, h', w')."""

    # Native: torch.nn.Conv2d: padding 0 and a bias by default.
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int,
        dilation: int = 1,
        groups: int = 1,
        bias: bool,
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )


class ConvTranspose2d(nn.ConvTranspose2d):
    """Transposed 2-D convolution without output padding, (n, in, h, w) -> (n, out, h', w')."""

    # Native: torch.nn.ConvTranspose2d: padding 0 and a bias by default.
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int,
        padding: int,
        bias: bool,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=bias
        )


class DepthwiseConv2d(nn.Module):
    """3x3 convolution of each channel by itself, channels last, (n, h, w, c) -> (n, h, w, c).

    border "zeros" or "reflect" says what lies around each map.
    """

    # Native: torch.nn.Conv2d with as many groups as channels: channels first, which permute gives
    # without a copy.
    def __init__(self, channels: int, *, border: str):
        super().__init__()
        self.border = border
        conv = Conv2d(channels, channels, 3, padding=1, groups=channels, bias=True)
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)
        if self.border == "reflect":
            x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        padding = 0 if self.border == "reflect" else 1
        x = F.conv2d(x, self.weight, self.bias, padding=padding, groups=x.shape[1])
        return x.permute(0, 2, 3, 1)


def conv1x1(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """1x1 convolution by given weights (out, in, 1, 1), (n, in, h, w) -> (n, out, h, w)."""
    # Native: torch.nn.functional.conv2d: stride 1, no padding, no bias by default.
    return F.conv2d(x, weight, bias)


def conv2d(x: Tensor, weight: Tensor, *, stride: int = 1, padding: int, groups: int = 1) -> Tensor:
    """Convolution by given weights (out, in/groups, k, k), (n, in, h, w) -> (n, out, h', w')."""
    # Native: torch.nn.functional.conv2d: stride 1, no padding, one group by default.
    return F.conv2d(x, weight, None, stride=stride, padding=padding, groups=groups)


def filter_valid(x: Tensor, window: Tensor) -> Tensor:
    """Each channel correlated with a window (k, k), (n, c, h, w) -> (n, c, h-k+1, w-k+1)."""
    # Native: torch.nn.functional.conv2d: correlates, without padding by default, but adds channels
    # up.
    n, c, h, w = x.shape
    size = window.shape[0]
    x = F.conv2d(x.reshape(n * c, 1, h, w), window.reshape(1, 1, size, size))
    return x.reshape(n, c, h - size + 1, w - size + 1)
