"""What PyTorch, Jittor and MindSpore mean differently, under one name and signature in all three.

Each comment states what the framework does on its own. Arrays are (n, c, h, w).
"""

from __future__ import annotations

import jittor as jt
import numpy as np
from jittor import Var, nn


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


def pointwise(x: Var, weight: Var, bias: Var | None = None) -> Var:
    """1x1 convolution by given weights (out, in, 1, 1), (n, in, h, w) -> (n, out, h, w)."""
    # Native: stride 1 and no padding by default.
    return nn.conv2d(x, weight, bias)


class ChannelDropout(nn.Module):
    """Drops whole channels in training and scales the others by 1 / (1 - rate).

    A mask (n, c, 1, 1) of factors, when given, is used instead of a random one, in any mode.
    """

    # Native: nn.Dropout2d does this, but draws its own mask.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def execute(self, x: Var, mask: Var | None = None) -> Var:
        if mask is not None:
            return x * mask
        return nn.dropout2d(x, p=self.rate, is_train=self.is_training())


def downsample_nearest(x: Var, factor: int) -> Var:
    """Keep rows and columns 0, factor, 2 factor..., (n, c, h, w) -> (n, c, h/factor, w/factor)."""
    # Native: slicing with a step does this, with gradients.
    return x[:, :, ::factor, ::factor]


def upsample(x: Var, factor: int, *, mode: str) -> Var:
    """Enlarge by a whole factor, (n, c, h, w) -> (n, c, h*factor, w*factor).

    mode "nearest" repeats pixels. "asymmetric" is bilinear without half-pixel centres: pixel i of
    the input lies at factor*i of the output, the last pixel is repeated.
    """
    # Native: "bilinear" is the default of interpolate; tf_mode is the asymmetric grid.
    if factor == 1:
        return x
    size = (x.shape[2] * factor, x.shape[3] * factor)
    if mode == "nearest":
        return nn.interpolate(x, size=size, mode="nearest")
    return nn.interpolate(x, size=size, mode="bilinear", align_corners=False, tf_mode=True)


def downsample_bilinear(x: Var, factor: int) -> Var:
    """Bilinear with half-pixel centres, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: right while size x scale is whole, as here; wrong by whole pixels otherwise.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return nn.interpolate(x, size=size, mode="bilinear", align_corners=False)


def dft2(x: Var) -> tuple[Var, Var]:
    """Real and imaginary part of the unnormalised 2-D Fourier transform, each (n, c, h, w)."""
    # Native: no FFT and no complex numbers on CPU. Products with the matrices cos and -sin.
    n, c, h, w = x.shape
    cos_w, sin_w = _dft_matrices(w)
    cos_h, sin_h = _dft_matrices(h)
    rows = x.reshape(n * c * h, w)
    real = _swap_last(jt.matmul(rows, cos_w).reshape(n * c, h, w)).reshape(n * c * w, h)
    imaginary = _swap_last(jt.matmul(rows, sin_w).reshape(n * c, h, w)).reshape(n * c * w, h)
    real, imaginary = (
        jt.matmul(real, cos_h) - jt.matmul(imaginary, sin_h),
        jt.matmul(real, sin_h) + jt.matmul(imaginary, cos_h),
    )
    real = _swap_last(real.reshape(n * c, w, h)).reshape(n, c, h, w)
    imaginary = _swap_last(imaginary.reshape(n * c, w, h)).reshape(n, c, h, w)
    return real, imaginary


def _dft_matrices(size: int) -> tuple[Var, Var]:
    """Real and imaginary part of exp(-2 pi i j k / size), each (size, size) and symmetric."""
    steps = np.arange(size)
    angles = -2 * np.pi * (np.outer(steps, steps) % size) / size
    return jt.array(np.cos(angles).astype(np.float32)), jt.array(np.sin(angles).astype(np.float32))


def _swap_last(x: Var) -> Var:
    """(a, b, c) -> (a, c, b)."""
    return x.permute(0, 2, 1)
