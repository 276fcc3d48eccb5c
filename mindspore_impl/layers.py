"""What PyTorch, Jittor and MindSpore mean differently, under one name and signature in all three.

Each comment states what the framework does on its own. Arrays are (n, c, h, w).
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops


class Conv2d(nn.Conv2d):
    """2-D convolution with zero padding, (n, in, h, w) -> (n, out, h', w')."""

    # Native: pad_mode "same", which ignores the padding, and no bias unless told otherwise.
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

    # Native: pad_mode "same", which ignores the padding, and no bias unless told otherwise.
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


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """1x1 convolution by given weights (out, in, 1, 1), (n, in, h, w) -> (n, out, h, w)."""
    # Native: stride 1 and pad_mode "valid" by default.
    return ops.conv2d(x, weight, bias)


class ChannelDropout(nn.Cell):
    """Drops whole channels in training and scales the others by 1 / (1 - rate).

    A mask (n, c, 1, 1) of factors, when given, is used instead of a random one, in any mode.
    """

    # Native: nn.Dropout2d does this, but draws its own mask.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def construct(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            return x * mask
        return ops.dropout2d(x, p=self.rate, training=self.training)


def downsample_nearest(x: Tensor, factor: int) -> Tensor:
    """Keep rows and columns 0, factor, 2 factor..., (n, c, h, w) -> (n, c, h/factor, w/factor)."""
    # Native: slicing with a step does this, but its gradient raises in PyNative mode.
    n, c, h, w = x.shape
    return x.reshape(n, c, h // factor, factor, w // factor, factor)[:, :, :, 0, :, 0]


def upsample(x: Tensor, factor: int, *, mode: str) -> Tensor:
    """Enlarge by a whole factor, (n, c, h, w) -> (n, c, h*factor, w*factor).

    mode "nearest" repeats pixels. "asymmetric" is bilinear without half-pixel centres: pixel i of
    the input lies at factor*i of the output, the last pixel is repeated.
    """
    # Native: scale_factor is refused in most modes; the primitive has the asymmetric grid.
    if factor == 1:
        return x
    size = (x.shape[2] * factor, x.shape[3] * factor)
    if mode == "nearest":
        return ops.interpolate(x, size=size, mode="nearest")
    return ops.ResizeBilinearV2(align_corners=False, half_pixel_centers=False)(x, size)


def downsample_bilinear(x: Tensor, factor: int) -> Tensor:
    """Bilinear with half-pixel centres, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: align_corners defaults to False.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return ops.interpolate(x, size=size, mode="bilinear", align_corners=False)


def dft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the unnormalised 2-D Fourier transform, each (n, c, h, w)."""
    # Native: complex numbers, with gradients through real and imag only.
    spectrum = ops.fft2(x, norm="backward")
    return ops.real(spectrum), ops.imag(spectrum)
