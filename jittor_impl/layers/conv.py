"""Convolutions."""

from __future__ import annotations

from jittor import Var, nn


class _Conv2d(nn.Conv2d):
    def execute(self, x: Var) -> Var:
        result = nn.conv2d(
            x, self.weight, None, self.stride, self.padding, self.dilation, self.groups
        )
        return result if self.bias is None else _add_bias(result, self.bias)


class _ConvTranspose2d(nn.ConvTranspose2d):
    def execute(self, x: Var) -> Var:
        result = nn.conv_transpose2d(x, self.weight, None, self.stride, self.padding)
        return result if self.bias is None else _add_bias(result, self.bias)


def _add_bias(x: Var, bias: Var) -> Var:
    """A number per channel added, (n, c, h, w) and (c,) -> (n, c, h, w).

    By way of rows: its gradient then is a sum of rows' sums, each of few numbers, for Jittor adds
    one number after another.
    """
    channels, height = x.shape[1], x.shape[2]
    return x + bias.reshape(1, channels, 1, 1).broadcast((1, channels, height, 1))


class Conv2d(_Conv2d):
    """2-D convolution with zero padding, (n, in, h, w) -> (n, out, h', w')."""

    # Native: jittor.nn.Conv2d: padding 0 and a bias by default, whose gradient adds one number
    # after another.
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


class ConvTranspose2d(_ConvTranspose2d):
    """Transposed 2-D convolution without output padding, (n, in, h, w) -> (n, out, h', w')."""

    # Native: jittor.nn.ConvTranspose: padding 0 and a bias by default, whose gradient adds one
    # number after another.
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

    # Native: jittor.nn.Conv2d with as many groups as channels: channels first; the axes are moved
    # in memory, there and back.
    def __init__(self, channels: int, *, border: str):
        super().__init__()
        self.border = border
        conv = Conv2d(channels, channels, 3, padding=1, groups=channels, bias=True)
        self.weight, self.bias = conv.weight, conv.bias

    def execute(self, x: Var) -> Var:
        x = x.permute(0, 3, 1, 2)
        if self.border == "reflect":
            x = nn.pad(x, (1, 1, 1, 1), mode="reflect")
        padding = 0 if self.border == "reflect" else 1
        x = nn.conv2d(x, self.weight, self.bias, padding=padding, groups=x.shape[1])
        return x.permute(0, 2, 3, 1)


def conv1x1(x: Var, weight: Var, bias: Var | None = None) -> Var:
    """1x1 convolution by given weights (out, in, 1, 1), (n, in, h, w) -> (n, out, h, w)."""
    # Native: jittor.nn.conv2d: stride 1, no padding, no bias by default.
    return nn.conv2d(x, weight, bias)


def conv2d(x: Var, weight: Var, *, stride: int = 1, padding: int, groups: int = 1) -> Var:
    """Convolution by given weights (out, in/groups, k, k), (n, in, h, w) -> (n, out, h', w')."""
    # Native: jittor.nn.conv2d: stride 1, no padding, one group by default.
    return nn.conv2d(x, weight, None, stride=stride, padding=padding, groups=groups)


def filter_valid(x: Var, window: Var) -> Var:
    """Each channel correlated with a window (k, k), (n, c, h, w) -> (n, c, h-k+1, w-k+1)."""
    # Native: jittor.nn.conv2d: correlates, without padding by default, but adds channels up.
    n, c, h, w = x.shape
    size = window.shape[0]
    x = nn.conv2d(x.reshape(n * c, 1, h, w), window.reshape(1, 1, size, size))
    return x.reshape(n, c, h - size + 1, w - size + 1)
