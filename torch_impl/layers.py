"""What PyTorch, Jittor and MindSpore mean differently, under one name and signature in all three.

Each comment states what the framework does on its own. Arrays are (n, c, h, w).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restoration.models import windows


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


class Linear(nn.Linear):
    """Linear map of the last axis, (..., in) -> (..., out).

    With a deviation `std`, weights are drawn from a normal distribution and the bias is 0.
    """

    # Native: a bias unless told otherwise; uniform weights and bias, as those of convolutions.
    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, std: float = 0.0):
        super().__init__(in_channels, out_channels, bias=bias)
        if std:
            nn.init.normal_(self.weight, std=std)
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Linear map of the last axis by given weights (out, in), (..., in) -> (..., out)."""
    # Native: the same.
    return F.linear(x, weight, bias)


class LayerNorm(nn.Module):
    """Mean 0 and variance 1 over the last axis, then a factor and an offset, any shape."""

    # Native: eps 1e-5 by default.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


class Table(nn.Module):
    """A learned table (rows, columns), its `weight`, drawn from a normal distribution."""

    # Native: nn.Embedding holds one.
    def __init__(self, rows: int, columns: int, *, std: float):
        super().__init__()
        self.weight = nn.Parameter(std * torch.randn(rows, columns))


class DropPath(nn.Module):
    """In training drops members of the first axis and scales the others by 1 / (1 - rate)."""

    # Native: there is none.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        shape = (x.shape[0],) + (1,) * (x.dim() - 1)
        return x * (x.new_empty(shape).bernoulli_(1 - self.rate) / (1 - self.rate))


class WindowConv(nn.Module):
    """3x3 convolution of each channel by itself, channels last, (n, h, w, c) -> (n, h, w, c).

    border "zeros" or "reflect" says what lies around each map.
    """

    # Native: channels first; the same memory, another order of axes.
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


def attention(
    query: Tensor, key: Tensor, value: Tensor, offsets: Tensor | None, scale: float
) -> Tensor:
    """Softmax of scaled products plus offsets, times the values.

    (rows, heads, q, d), (rows, heads, k, d) twice, (1 or rows, heads, q, k) -> (rows, heads, q, d).
    """
    # Native: scale 1/sqrt(d) by default.
    return F.scaled_dot_product_attention(query, key, value, attn_mask=offsets, scale=scale)


def softmax(x: Tensor, *, axis: int) -> Tensor:
    """Shares that add up to one along an axis, any shape."""
    # Native: the axis is named dim.
    return torch.softmax(x, dim=axis)


def gelu(x: Tensor) -> Tensor:
    """x times the normal distribution's integral up to x, any shape."""
    # Native: exact by default.
    return F.gelu(x, approximate="none")


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), any shape."""
    # Native: the same.
    return torch.sigmoid(x)


def constant(values: np.ndarray | list[float], x: Tensor) -> Tensor:
    """Given numbers as an array of the kind of x, without gradient."""
    # Native: new_tensor takes precision and device from x.
    return x.new_tensor(values)


def stop_gradient(x: Tensor) -> Tensor:
    """The same numbers, as a constant for gradients."""
    # Native: detach.
    return x.detach()


def kept_rows(policy: Tensor) -> Tensor:
    """The places where a vector is not 0, in order, (n,) -> (kept,)."""
    # Native: a table of places.
    return policy.nonzero().reshape(-1)


def places(array: np.ndarray, x: Tensor) -> Tensor:
    """Whole numbers (k,) as places to take from x."""
    # Native: 64-bit numbers, where x is.
    return torch.from_numpy(array).to(x.device)


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Members of the first axis by their places (k,), (n, ...) -> (k, ...)."""
    # Native: index_select, which copies runs of memory; brackets do the same more slowly.
    return x.index_select(0, rows)


def put_rows(x: Tensor, values: Tensor, rows: Tensor) -> Tensor:
    """x with members of the first axis replaced, (n, ...), (k, ...), (k,) -> (n, ...)."""
    # Native: index_copy.
    return x.index_copy(0, rows, values)


def leaky_relu(x: Tensor, slope: float) -> Tensor:
    """Values below zero times a slope, any shape."""
    # Native: slope 0.01 by default.
    return F.leaky_relu(x, slope)


def max_pool(x: Tensor, factor: int) -> Tensor:
    """Largest of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: the stride is the size of the block by default.
    return F.max_pool2d(x, factor)


def spatial_mean(x: Tensor) -> Tensor:
    """Mean over height and width, (n, c, h, w) -> (n, c, 1, 1)."""
    # Native: sums in pairs, so that many float32 numbers lose little.
    return x.mean(dim=(2, 3), keepdim=True)


def repeat_map(x: Tensor, height: int, width: int) -> Tensor:
    """One value everywhere, (n, c, 1, 1) -> (n, c, height, width)."""
    # Native: a view, -1 keeps a size.
    return x.expand(-1, -1, height, width)


def pad_to(x: Tensor, height: int, width: int) -> Tensor:
    """Zeros around, the odd one at the bottom and right, (n, c, h, w) -> (n, c, height, width)."""
    # Native: amounts from the last axis to the first.
    top, left = (height - x.shape[2]) // 2, (width - x.shape[3]) // 2
    bottom, right = height - x.shape[2] - top, width - x.shape[3] - left
    if top + bottom + left + right == 0:
        return x
    return F.pad(x, (left, right, top, bottom), mode="constant", value=0.0)


def pad_bottom_right(x: Tensor, height: int, width: int, *, mode: str) -> Tensor:
    """Extend at the bottom and right, (n, c, h, w) -> (n, c, height, width).

    mode "zeros", "repeat" for the last row and column, or "reflect" at them.
    """
    # Native: amounts from the last axis to the first; zeros by default.
    amounts = (0, width - x.shape[3], 0, height - x.shape[2])
    if amounts == (0, 0, 0, 0):
        return x
    native = {"zeros": "constant", "repeat": "replicate", "reflect": "reflect"}
    return F.pad(x, amounts, mode=native[mode])


def fill_map(x: Tensor, value: float) -> Tensor:
    """A constant of the shape and kind of x, without gradient."""
    # Native: full_like.
    return torch.full_like(x, value)


def avg_pool(x: Tensor, factor: int) -> Tensor:
    """Mean of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: the stride is the size of the block by default.
    return F.avg_pool2d(x, factor)


def pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    """Channels to pixels, (n, c f f, h, w) -> (n, c, h f, w f); channel = c f f + dy f + dx."""
    # Native: the same order everywhere.
    return F.pixel_shuffle(x, factor)


def zero_insert(x: Tensor, factor: int) -> Tensor:
    """Pixels at rows and columns 0, f, 2f..., zeros between, (n, c, h, w) -> (n, c, h f, w f)."""
    # Native: assignment to a slice with a step does this.
    if factor == 1:
        return x
    n, c, h, w = x.shape
    result = x.new_zeros(n, c, h * factor, w * factor)
    result[:, :, ::factor, ::factor] = x
    return result


def roll(x: Tensor, shifts: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Shift circularly along axes, any shape; a positive shift moves to higher indices."""
    # Native: the same.
    return torch.roll(x, shifts, axes)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), any shape."""
    # Native: x itself above a threshold of 20.
    return F.softplus(x, beta=1.0, threshold=20.0)


def rfft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the unnormalized 2-D spectrum of a real map, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Real and imaginary part.
    """
    # Native: complex numbers.
    spectrum = torch.fft.rfft2(x, norm="backward")
    return spectrum.real, spectrum.imag


def irfft2(real: Tensor, imaginary: Tensor, *, width: int) -> Tensor:
    """The inverse of `rfft2`, 2 x (n, c, h, width/2 + 1) -> (n, c, h, width)."""
    # Native: complex numbers; an odd width has to be told.
    spectrum = torch.complex(real, imaginary)
    return torch.fft.irfft2(spectrum, s=(real.shape[2], width), norm="backward")


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

    mode "nearest" repeats pixels. "corners" is bilinear with the corner pixels' centers aligned.
    "asymmetric" is bilinear without half-pixel centers: pixel i of the input lies at factor*i of
    the output, the last pixel is repeated.
    """
    # Native: "nearest" is the default; there is no "asymmetric", but aligning the corners of the
    # input extended by one pixel gives the same grid.
    if factor == 1:
        return x
    height, width = x.shape[2] * factor, x.shape[3] * factor
    if mode == "nearest":
        return F.interpolate(x, scale_factor=factor, mode="nearest")
    if mode == "corners":
        return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)
    extended = F.pad(x, (0, 1, 0, 1), mode="replicate")
    size = (height + 1, width + 1)
    resized = F.interpolate(extended, size=size, mode="bilinear", align_corners=True)
    return resized[:, :, :height, :width]


def downsample_bilinear(x: Tensor, factor: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: align_corners defaults to False; the antialiasing switch is off by default.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=False)


def dft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the unnormalized 2-D Fourier transform, each (n, c, h, w)."""
    # Native: complex numbers.
    spectrum = torch.fft.fft2(x, norm="backward")
    return spectrum.real, spectrum.imag


class ChannelNorm(nn.Module):
    """Normalises over the channels of each pixel, (n, c, h, w) -> (n, c, h, w)."""

    # Native: layer_norm takes the last axis.
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


def constant_parameter(shape: tuple[int, ...], value: float) -> nn.Parameter:
    """Something to be trained that starts with one value everywhere."""
    # Native: an attribute of the class Parameter.
    return nn.Parameter(torch.full(shape, value))


def uniform_parameter(shape: tuple[int, ...], bound: float) -> nn.Parameter:
    """Something to be trained that starts uniformly distributed between -bound and bound."""
    # Native: an attribute of the class Parameter.
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def pixel_unshuffle(x: Tensor, factor: int) -> Tensor:
    """Pixels to channels, the inverse of `pixel_shuffle`, (n, c, h f, w f) -> (n, c f f, h, w)."""
    # Native: the same order everywhere.
    return F.pixel_unshuffle(x, factor)


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Matrix products, (n, m, p, l) x (n, m, l, q) -> (n, m, p, q)."""
    # Native: the same. Multiplied as y' x', the result of one head has its channels last in memory,
    # as convolutions like it.
    return torch.matmul(y.transpose(-1, -2), x.transpose(-1, -2)).transpose(-1, -2)


def matmul_transposed(x: Tensor, y: Tensor) -> Tensor:
    """Products of rows, (n, m, p, l) x (n, m, q, l) -> (n, m, p, q)."""
    # Native: swapping the last axes copies nothing.
    return torch.matmul(x, y.transpose(-1, -2))


def unit_spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """`rfft2` divided by its modulus, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Where the modulus is 0 it is 1 + 0i, without gradient.
    """
    # Native: sgn divides a complex number by its modulus; its gradient at 0 is 0.
    spectrum = torch.fft.rfft2(x, norm="backward")
    phases = torch.where(spectrum == 0, 1, torch.sgn(spectrum))
    return phases.real, phases.imag


def angle(real: Tensor, imaginary: Tensor) -> Tensor:
    """The angle of complex numbers in (-pi, pi], 0 without gradient at 0, any shape."""
    # Native: the gradient at 0 is not a number.
    empty = (real == 0) & (imaginary == 0)
    return torch.atan2(imaginary.masked_fill(empty, 0.0), real.masked_fill(empty, 1.0))


def idft2(real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of `dft2`, also for a spectrum of no real map, 2 x (n, c, h, w) -> the same."""
    # Native: complex numbers.
    values = torch.fft.ifft2(torch.complex(real, imaginary), norm="backward")
    return values.real, values.imag


def pad_repeat(x: Tensor, amount: int) -> Tensor:
    """Repeat the outermost pixels on all sides, (n, c, h, w) -> (n, c, h + 2 a, w + 2 a)."""
    # Native: zeros by default.
    return F.pad(x, (amount, amount, amount, amount), mode="replicate")


def adaptive_avg_pool(x: Tensor, size: int) -> Tensor:
    """Means of size x size windows that cover a map, (n, c, h, w) -> (n, c, size, size).

    Window i spans the rows floor(i h / size) to ceil((i + 1) h / size); windows may overlap, and a
    map may be smaller than the result.
    """
    # Native: does this.
    return F.adaptive_avg_pool2d(x, size)


def resize_bilinear(x: Tensor, height: int, width: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, height, width)."""
    # Native: align_corners defaults to False; the antialiasing switch is off by default.
    return F.interpolate(
        x, size=(height, width), mode="bilinear", align_corners=False, antialias=False
    )


def grid_sample(x: Tensor, grid: Tensor, *, padding: str, align_corners: bool) -> Tensor:
    """Bilinear samples, maps (n, c, h, w) and places (n, h', w', 2), x first -> (n, c, h', w').

    -1 and 1 are the centers of the outermost pixels if the corners are aligned, else their outer
    edges. padding: outside is 0 ("zeros") or the nearest pixel ("border").
    """
    # Native: zeros by default; corners are not aligned by default since PyTorch 1.3, before they
    # always were.
    return F.grid_sample(
        x, grid, mode="bilinear", padding_mode=padding, align_corners=align_corners
    )


def without_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function's result, through which no gradient flows."""
    # Native: no_grad also keeps nothing for a backward pass.
    with torch.no_grad():
        return function(x)


def filter_valid(x: Tensor, window: Tensor) -> Tensor:
    """Each channel correlated with a window (k, k), (n, c, h, w) -> (n, c, h-k+1, w-k+1)."""
    # Native: convolution, which correlates, over all channels together.
    n, c, h, w = x.shape
    size = window.shape[0]
    x = F.conv2d(x.reshape(n * c, 1, h, w), window.reshape(1, 1, size, size))
    return x.reshape(n, c, h - size + 1, w - size + 1)


def shift_reflected(x: Tensor, down: int, right: int) -> Tensor:
    """The map moved by whole pixels, mirrored into the gap, (n, c, h, w) -> the same."""
    # Native: padding by negative amounts cuts, so one call does it.
    return F.pad(x, (right, -right, down, -down), mode="reflect")


class PRelu(nn.PReLU):
    """Values below zero times one slope that is learned, any shape."""

    # Native: the same.
    def __init__(self) -> None:
        super().__init__(num_parameters=1, init=0.25)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class RelativeBias(nn.Module):
    """Adds a learned number per head and offset between pixels, (b, heads, w w, w w) -> the same.

    Its table is ((2 w - 1)^2, heads) for windows of w x w pixels.
    """

    # Native: a parameter takes part in what its module moves and stores; a buffer too.
    def __init__(self, window: int, heads: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.weight, std=0.02)
        places = torch.from_numpy(windows.relative_positions(window))
        self.register_buffer("_places", places, persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        heads, size = logits.shape[1], logits.shape[2]
        bias = self.weight.index_select(0, self._places).reshape(size, size, heads)
        return logits + bias.permute(2, 0, 1)


def window_mask(logits: Tensor, height: int, width: int, window: int, shift: int) -> Tensor:
    """Bar a shifted window's pixels from those that lie elsewhere, (n windows, heads, l, l).

    Adds -100 between pixels of a map (height, width) that the shift brought together.
    """
    # Native: a tensor made from an array.
    n, heads, size, _ = logits.shape
    bars = torch.from_numpy(windows.shift_mask(height, width, window, shift)).to(logits)
    count = bars.shape[0]
    barred = logits.reshape(n // count, count, heads, size, size) + bars.unsqueeze(1)
    return barred.reshape(n, heads, size, size)


def scale_rows(x: Tensor, factors: Tensor) -> Tensor:
    """Each row times a factor of its own, (r, c), (r, 1) -> (r, c)."""
    # Native: the same.
    return x * factors


def repeat_rows(x: Tensor, count: int) -> Tensor:
    """Each row so many times, (n, c) -> (n count, c)."""
    # Native: a view.
    n, c = x.shape
    return x.reshape(n, 1, c).expand(n, count, c).reshape(n * count, c)


def columns(x: Tensor, count: int) -> list[Tensor]:
    """Cut into blocks of as many columns each, (r, c) -> count x (r, c/count)."""
    # Native: views, whose rows lie apart, which slows `take_rows` down.
    return [block.contiguous() for block in torch.chunk(x, count, dim=1)]


def modulate_rows(x: Tensor, gains: Tensor, shifts: Tensor, rows: Tensor) -> Tensor:
    """x * gain + shift, of which each row has its own in tables, (r, c), 2 x (p, c), (r,)."""
    # Native: one pass, after those that take the rows.
    return torch.addcmul(take_rows(shifts, rows), x, take_rows(gains, rows))


def cos_sin(x: Tensor) -> Tensor:
    """All cosines, then all sines, (r, k) -> (r, 2 k)."""
    # Native: two functions.
    return torch.cat([torch.cos(x), torch.sin(x)], dim=1)


def convolve(
    x: Tensor, weight: Tensor, *, stride: int = 1, padding: int, groups: int = 1
) -> Tensor:
    """Convolution by given weights (out, in/groups, k, k), (n, in, h, w) -> (n, out, h', w')."""
    # Native: padding 0 by default.
    return F.conv2d(x, weight, None, stride=stride, padding=padding, groups=groups)


def flip(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The other way round along axes, any shape."""
    # Native: the same.
    return torch.flip(x, axes)


def patches(x: Tensor, size: int, *, stride: int, padding: int) -> Tensor:
    """Square pieces row by row, zeros around, (n, c, h, w) -> (n, c size size, pieces)."""
    # Native: the same.
    return F.unfold(x, size, padding=padding, stride=stride)


def overlay(x: Tensor, height: int, width: int, size: int, *, stride: int, padding: int) -> Tensor:
    """The adjoint of `patches`: add the pieces, (n, c size size, pieces) -> (n, c, h, w)."""
    # Native: the same.
    return F.fold(x, (height, width), size, padding=padding, stride=stride)


def batched_matmul(x: Tensor, y: Tensor) -> Tensor:
    """Products of stacks of matrices, (..., i, k), (..., k, j) -> (..., i, j)."""
    # Native: matmul does this.
    return torch.matmul(x, y)


def settle(x: Tensor) -> Tensor:
    """Compute x now, so that what went into it can be freed."""
    # Native: always so.
    return x
