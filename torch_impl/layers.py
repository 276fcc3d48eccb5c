"""What PyTorch, Jittor and MindSpore mean differently, under one name and signature in all three.

Each comment states what the framework does on its own. Arrays are (n, c, h, w).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv2d(nn.Conv2d):
    """2-D convolution with zero padding, (n, in, h, w) -> (n, out, h', w')."""

    # Native: padding 0 and a bias unless told otherwise.
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

    # Native: padding 0 and a bias unless told otherwise.
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


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """1x1 convolution by given weights (out, in, 1, 1), (n, in, h, w) -> (n, out, h, w)."""
    # Native: stride 1 and no padding by default.
    return F.conv2d(x, weight, bias)


class ChannelDropout(nn.Module):
    """Drops whole channels in training and scales the others by 1 / (1 - rate).

    A mask (n, c, 1, 1) of factors, when given, is used instead of a random one, in any mode.
    """

    # Native: nn.Dropout2d does this, but draws its own mask.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            return x * mask
        return F.dropout2d(x, p=self.rate, training=self.training)


def downsample_nearest(x: Tensor, factor: int) -> Tensor:
    """Keep rows and columns 0, factor, 2 factor..., (n, c, h, w) -> (n, c, h/factor, w/factor)."""
    # Native: slicing with a step does this, with gradients.
    return x[:, :, ::factor, ::factor]


def upsample(x: Tensor, factor: int, *, mode: str) -> Tensor:
    """Enlarge by a whole factor, (n, c, h, w) -> (n, c, h*factor, w*factor).

    mode "nearest" repeats pixels. "asymmetric" is bilinear without half-pixel centres: pixel i of
    the input lies at factor*i of the output, the last pixel is repeated.
    """
    # Native: "nearest" is the default; there is no "asymmetric", but aligning the corners of the
    # input extended by one pixel gives the same grid.
    if factor == 1:
        return x
    if mode == "nearest":
        return F.interpolate(x, scale_factor=factor, mode="nearest")
    height, width = x.shape[2] * factor, x.shape[3] * factor
    extended = F.pad(x, (0, 1, 0, 1), mode="replicate")
    size = (height + 1, width + 1)
    resized = F.interpolate(extended, size=size, mode="bilinear", align_corners=True)
    return resized[:, :, :height, :width]


def downsample_bilinear(x: Tensor, factor: int) -> Tensor:
    """Bilinear with half-pixel centres, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: align_corners defaults to False; the antialiasing switch is off by default.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=False)


def dft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the unnormalised 2-D Fourier transform, each (n, c, h, w)."""
    # Native: complex numbers.
    spectrum = torch.fft.fft2(x, norm="backward")
    return spectrum.real, spectrum.imag
