"""Convolutions."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindspore_impl import compiled
from restoration.images.borders import reflected


class Conv2d(nn.Conv2d):
    """2-D convolution with zero padding, (n, in, h, w) -> (n, out, h', w')."""

    # Native: mindspore.nn.Conv2d: pad_mode "same", which takes no padding, and no bias by default.
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
            pad_mode="pad",
            padding=padding,
            dilation=dilation,
            group=groups,
            has_bias=bias,
        )


class ConvTranspose2d(nn.Conv2dTranspose):
    """Transposed 2-D convolution without output padding, (n, in, h, w) -> (n, out, h', w')."""

    # Native: mindspore.nn.Conv2dTranspose: pad_mode "same", which takes no padding, and no bias by
    # default.
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
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            pad_mode="pad",
            padding=padding,
            has_bias=bias,
        )


class DepthwiseConv2d(nn.Cell):
    """3x3 convolution of each channel by itself, channels last, (n, h, w, c) -> (n, h, w, c).

    border "zeros" or "reflect" says what lies around each map.
    """

    # Native: mindspore.nn.Conv2d with as many groups as channels: channels first; the axes are
    # moved in memory, there and back. Padding by reflection takes twice as long as gathering
    # pixels.
    def __init__(self, channels: int, *, border: str):
        super().__init__()
        self.border = border
        conv = Conv2d(channels, channels, 3, padding=1, groups=channels, bias=True)
        self.weight, self.bias = conv.weight, conv.bias

    def construct(self, x: Tensor) -> Tensor:
        if compiled.enabled and x.dtype == ms.float32:
            kernel = compiled.operators[f"depthwise_conv_{self.border}"]
            return kernel(x, self.weight, self.bias)
        padding = 1
        if self.border == "reflect":
            n, height, width, c = x.shape
            indices = _reflected_indices(height, width)
            x = ops.gather(x.reshape(n, height * width, c), indices, 1)
            x = x.reshape(n, height + 2, width + 2, c)
            padding = 0
        x = x.permute(0, 3, 1, 2)
        x = ops.conv2d(
            x, self.weight, self.bias, pad_mode="pad", padding=padding, groups=x.shape[1]
        )
        return x.permute(0, 2, 3, 1)


@ops.constexpr
def _reflected_indices(height: int, width: int) -> Tensor:
    """Indices of the pixels of maps that are extended by one reflected pixel on all sides."""
    rows = reflected(np.arange(-1, height + 1), height)
    columns = reflected(np.arange(-1, width + 1), width)
    return Tensor((rows[:, None] * width + columns).reshape(-1), ms.int32)


def conv1x1(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """1x1 convolution by given weights (out, in, 1, 1), (n, in, h, w) -> (n, out, h, w)."""
    # Native: mindspore.ops.conv2d: stride 1, pad_mode "valid", no bias by default. A network that
    # is in half precision as a whole casts its layers' weights, not those that are given.
    if weight.dtype != x.dtype:
        weight = weight.astype(x.dtype)
        bias = None if bias is None else bias.astype(x.dtype)
    return ops.conv2d(x, weight, bias)


def conv2d(x: Tensor, weight: Tensor, *, stride: int = 1, padding: int, groups: int = 1) -> Tensor:
    """Convolution by given weights (out, in/groups, k, k), (n, in, h, w) -> (n, out, h', w')."""
    # Native: mindspore.ops.conv2d: stride 1, one group, pad_mode "valid" by default, which ignores
    # the padding.
    return ops.conv2d(
        x, weight, None, pad_mode="pad", stride=stride, padding=padding, groups=groups
    )


def filter_valid(x: Tensor, window: Tensor) -> Tensor:
    """Each channel correlated with a window (k, k), (n, c, h, w) -> (n, c, h-k+1, w-k+1)."""
    # Native: mindspore.ops.conv2d: correlates, pad_mode "valid" by default, but adds channels up.
    n, c, h, w = x.shape
    size = window.shape[0]
    x = ops.conv2d(x.reshape(n * c, 1, h, w), window.reshape(1, 1, size, size))
    return x.reshape(n, c, h - size + 1, w - size + 1)
