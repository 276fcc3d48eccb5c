"""What PyTorch, Jittor and MindSpore mean differently, under one name and signature in all three.

Each comment states what the framework does on its own. Arrays are (n, c, h, w).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Normal, TruncatedNormal, Uniform, initializer

from mindspore_impl import compiled
from restoration.models import windows


class Conv2d(nn.Conv2d):
    """2-D convolution with zero padding, (n, in, h, w) -> (n, out, h', w')."""

    # Native: pad_mode "same", which takes no padding, and no bias unless told otherwise.
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

    # Native: pad_mode "same", which takes no padding, and no bias unless told otherwise.
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


class Linear(nn.Dense):
    """Linear map of the last axis, (..., in) -> (..., out).

    With a deviation `std`, weights are drawn from a normal distribution and the bias is 0.
    """

    # Native: a bias unless told otherwise; uniform weights and bias, as those of convolutions.
    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, std: float = 0.0):
        super().__init__(in_channels, out_channels, has_bias=bias)
        if std:
            self.weight.set_data(initializer(Normal(std), (out_channels, in_channels)))
            self.bias.set_data(initializer("zeros", out_channels))

    def construct(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Linear map of the last axis by given weights (out, in), (..., in) -> (..., out)."""
    # Native: dense, which takes four to eight times as long as its parts; the sum by "+" twenty.
    rows = ops.MatMul(transpose_b=True)(x.reshape(-1, x.shape[-1]), weight)
    rows = rows if bias is None else ops.bias_add(rows, bias)
    return rows.reshape(*x.shape[:-1], weight.shape[0])


class LayerNorm(nn.Cell):
    """Mean 0 and variance 1 over the last axis, then a factor and an offset, any shape."""

    # Native: eps 1e-7, and the names gamma and beta.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.weight = Parameter(np.ones(channels, np.float32))
        self.bias = Parameter(np.zeros(channels, np.float32))
        self.normalize = ops.LayerNorm(-1, -1, eps)

    def construct(self, x: Tensor) -> Tensor:
        return self.normalize(x, self.weight, self.bias)[0]


class Table(nn.Cell):
    """A learned table (rows, columns), its `weight`, drawn from a normal distribution."""

    # Native: nn.Embedding holds one.
    def __init__(self, rows: int, columns: int, *, std: float):
        super().__init__()
        self.weight = Parameter(initializer(Normal(std), (rows, columns)))


class DropPath(nn.Cell):
    """In training drops members of the first axis and scales the others by 1 / (1 - rate)."""

    # Native: there is none.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def construct(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x * ((ops.rand(*shape) >= self.rate).astype(x.dtype) / (1 - self.rate))


class WindowConv(nn.Cell):
    """3x3 convolution of each channel by itself, channels last, (n, h, w, c) -> (n, h, w, c).

    border "zeros" or "reflect" says what lies around each map.
    """

    # Native: channels first; the axes are moved in memory, there and back. Padding by reflection
    # takes twice as long as taking pixels by their places.
    def __init__(self, channels: int, *, border: str):
        super().__init__()
        self.border = border
        conv = Conv2d(channels, channels, 3, padding=1, groups=channels, bias=True)
        self.weight, self.bias = conv.weight, conv.bias

    def construct(self, x: Tensor) -> Tensor:
        if compiled.enabled and x.dtype == ms.float32:
            kernel = compiled.operators[f"window_conv_{self.border}"]
            return kernel(x, self.weight, self.bias)
        padding = 1
        if self.border == "reflect":
            n, height, width, c = x.shape
            places = _reflected_places(height, width)
            x = ops.gather(x.reshape(n, height * width, c), places, 1)
            x = x.reshape(n, height + 2, width + 2, c)
            padding = 0
        x = x.permute(0, 3, 1, 2)
        x = ops.conv2d(
            x, self.weight, self.bias, pad_mode="pad", padding=padding, groups=x.shape[1]
        )
        return x.permute(0, 2, 3, 1)


@ops.constexpr
def _reflected_places(height: int, width: int) -> Tensor:
    """Places of the pixels of maps that are extended by one mirrored pixel on all sides."""
    rows = windows.reflected(np.arange(-1, height + 1), height)
    columns = windows.reflected(np.arange(-1, width + 1), width)
    return Tensor((rows[:, None] * width + columns).reshape(-1), ms.int32)


def attention(
    query: Tensor, key: Tensor, value: Tensor, offsets: Tensor | None, scale: float
) -> Tensor:
    """Softmax of scaled products plus offsets, times the values.

    (rows, heads, q, d), (rows, heads, k, d) twice, (1 or rows, heads, q, k) -> (rows, heads, q, d).
    """
    # Native: no function of its own on CPU.
    logits = ops.BatchMatMul(transpose_b=True)(query * scale, key)
    if offsets is not None:
        logits = logits + offsets
    return ops.BatchMatMul()(softmax(logits, axis=3), value)


def softmax(x: Tensor, *, axis: int) -> Tensor:
    """Shares that add up to one along an axis, any shape."""
    # Native: along an axis of length 1 it spoils later gradients of softmax in the process.
    return ops.exp(x - x) if x.shape[axis] == 1 else ops.softmax(x, axis=axis)


def gelu(x: Tensor) -> Tensor:
    """x times the normal distribution's integral up to x, any shape."""
    # Native: exact as a function, the tanh form as nn.GELU(). The function takes fifteen times as
    # long as a kernel, and a half longer than it does composed.
    if compiled.enabled and x.dtype == ms.float32:
        return compiled.operators["gelu"](x)
    return x * (0.5 * ops.erf(x * math.sqrt(0.5)) + 0.5)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), any shape."""
    # Native: as inexact as the native exp.
    return 1 / (1 + _exp(-x))


def constant(values: np.ndarray | list[float], x: Tensor) -> Tensor:
    """Given numbers as an array of the kind of x, without gradient."""
    # Native: keeps NumPy's kind of numbers unless told otherwise.
    return Tensor(values, x.dtype)


def stop_gradient(x: Tensor) -> Tensor:
    """The same numbers, as a constant for gradients."""
    # Native: a function; there is no method that also compiles.
    return ops.stop_gradient(x)


def kept_rows(policy: Tensor) -> Tensor:
    """The places where a vector is not 0, in order, (n,) -> (kept,)."""
    # Native: a table of places; NumPy gives them without waiting for a compiled kernel.
    return Tensor(np.flatnonzero(policy.asnumpy()).astype(np.int32))


def places(array: np.ndarray, x: Tensor) -> Tensor:
    """Whole numbers (k,) as places to take from x."""
    # Native: 64-bit numbers, which CPU kernels take too.
    return Tensor(array, ms.int32)


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Members of the first axis by their places (k,), (n, ...) -> (k, ...)."""
    # Native: gather with the axis last.
    return ops.gather(x, rows, 0)


def put_rows(x: Tensor, values: Tensor, rows: Tensor) -> Tensor:
    """x with members of the first axis replaced, (n, ...), (k, ...), (k,) -> (n, ...)."""
    # Native: places as a table with one row each.
    return ops.tensor_scatter_update(x, rows.reshape(-1, 1), values)


def leaky_relu(x: Tensor, slope: float) -> Tensor:
    """Values below zero times a slope, any shape."""
    # Native: slope 0.2 by default.
    return ops.leaky_relu(x, alpha=slope)


def max_pool(x: Tensor, factor: int) -> Tensor:
    """Largest of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: stride 1 by default; the gradient of ops.max_pool2d takes a hundred times as long.
    return ops.MaxPool(kernel_size=factor, strides=factor, pad_mode="valid")(x)


def spatial_mean(x: Tensor) -> Tensor:
    """Mean over height and width, (n, c, h, w) -> (n, c, 1, 1)."""
    # Native: the same.
    return x.mean(axis=(2, 3), keep_dims=True)


def repeat_map(x: Tensor, height: int, width: int) -> Tensor:
    """One value everywhere, (n, c, 1, 1) -> (n, c, height, width)."""
    # Native: a broadcast to a whole shape.
    return ops.broadcast_to(x, (x.shape[0], x.shape[1], height, width))


def pad_to(x: Tensor, height: int, width: int) -> Tensor:
    """Zeros around, the odd one at the bottom and right, (n, c, h, w) -> (n, c, height, width)."""
    # Native: amounts from the last axis to the first.
    top, left = (height - x.shape[2]) // 2, (width - x.shape[3]) // 2
    bottom, right = height - x.shape[2] - top, width - x.shape[3] - left
    if top + bottom + left + right == 0:
        return x
    return ops.pad(x, (left, right, top, bottom), mode="constant", value=0.0)


def pad_bottom_right(x: Tensor, height: int, width: int, *, mode: str) -> Tensor:
    """Extend at the bottom and right, (n, c, h, w) -> (n, c, height, width).

    mode "zeros", "repeat" for the last row and column, or "reflect" at them.
    """
    # Native: amounts from the last axis to the first; zeros by default.
    amounts = (0, width - x.shape[3], 0, height - x.shape[2])
    if amounts == (0, 0, 0, 0):
        return x
    native = {"zeros": "constant", "repeat": "replicate", "reflect": "reflect"}
    return ops.pad(x, amounts, mode=native[mode])


def fill_map(x: Tensor, value: float) -> Tensor:
    """A constant of the shape and kind of x, without gradient."""
    # Native: full_like.
    return ops.full_like(x, value)


def avg_pool(x: Tensor, factor: int) -> Tensor:
    """Mean of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: stride 1 by default.
    return ops.AvgPool(kernel_size=factor, strides=factor, pad_mode="valid")(x)


def pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    """Channels to pixels, (n, c f f, h, w) -> (n, c, h f, w f); channel = c f f + dy f + dx."""
    # Native: the same order everywhere.
    return ops.pixel_shuffle(x, factor)


def zero_insert(x: Tensor, factor: int) -> Tensor:
    """Pixels at rows and columns 0, f, 2f..., zeros between, (n, c, h, w) -> (n, c, h f, w f)."""
    # Native: assignment to a slice with a step does this.
    if factor == 1:
        return x
    n, c, h, w = x.shape
    result = ops.zeros((n, c, h * factor, w * factor), x.dtype)
    result[:, :, ::factor, ::factor] = x
    return result


def roll(x: Tensor, shifts: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Shift circularly along axes, any shape; a positive shift moves to higher indices."""
    # Native: ops.roll has no CPU kernel.
    for i in range(len(axes)):
        size = x.shape[axes[i]]
        place = -shifts[i] % size
        if place > 0:
            first, rest = ops.split(x, [place, size - place], axes[i])
            x = ops.cat([rest, first], axes[i])
    return x


def _exp(x: Tensor) -> Tensor:
    """exp(x), right to the last place, any shape."""
    # Native: relative errors grow with |x|, to 2e-5 at x = -80; right in float64.
    return ops.exp(x.astype(ms.float64)).astype(ms.float32)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), any shape."""
    # Native: log(1 + exp(x)) as written, which is off by 2 % of the value at x = -13.
    # Here log(1 + t) = 2 artanh(t / (2 + t)) by its series, t = exp(-|x|) being at most 1.
    t = _exp(-ops.abs(x))
    s = t / (2 + t)
    square = s * s
    series = ops.full_like(x, 1 / 17)
    for odd in (15, 13, 11, 9, 7, 5, 3, 1):
        series = 1 / odd + square * series
    return ops.relu(x) + 2 * s * series


def rfft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the unnormalized 2-D spectrum of a real map, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Real and imaginary part.
    """
    # Native: complex numbers, with gradients through real and imag only.
    spectrum = ops.rfft2(x, norm="backward")
    return ops.real(spectrum), ops.imag(spectrum)


def irfft2(real: Tensor, imaginary: Tensor, *, width: int) -> Tensor:
    """The inverse of `rfft2`, 2 x (n, c, h, width/2 + 1) -> (n, c, h, width)."""
    # Native: complex numbers; an odd width has to be told.
    spectrum = ops.Complex()(real, imaginary)
    return ops.irfft2(spectrum, s=(real.shape[2], width), norm="backward")


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
    # Native: slicing with a step does this, but in PyNative mode its gradient raises for more than
    # one map.
    n, c, h, w = x.shape
    return x.reshape(n, c, h // factor, factor, w // factor, factor)[:, :, :, 0, :, 0]


def upsample(x: Tensor, factor: int, *, mode: str) -> Tensor:
    """Enlarge by a whole factor, (n, c, h, w) -> (n, c, h*factor, w*factor).

    mode "nearest" repeats pixels. "corners" is bilinear with the corner pixels' centers aligned.
    "asymmetric" is bilinear without half-pixel centers: pixel i of the input lies at factor*i of
    the output, the last pixel is repeated.
    """
    # Native: scale_factor is refused in most modes; the primitive has the asymmetric grid.
    if factor == 1:
        return x
    size = (x.shape[2] * factor, x.shape[3] * factor)
    if mode == "nearest":
        return ops.interpolate(x, size=size, mode="nearest")
    if mode == "corners":
        return ops.interpolate(x, size=size, mode="bilinear", align_corners=True)
    return ops.ResizeBilinearV2(align_corners=False, half_pixel_centers=False)(x, size)


def downsample_bilinear(x: Tensor, factor: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: align_corners defaults to False.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return ops.interpolate(x, size=size, mode="bilinear", align_corners=False)


def dft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the unnormalized 2-D Fourier transform, each (n, c, h, w)."""
    # Native: complex numbers, with gradients through real and imag only.
    spectrum = ops.fft2(x, norm="backward")
    return ops.real(spectrum), ops.imag(spectrum)


class ChannelNorm(nn.Cell):
    """Normalises over the channels of each pixel, (n, c, h, w) -> (n, c, h, w)."""

    # Native: the last axes only, and another eps by default. Broadcasting over channels costs five
    # nanoseconds a number; so means and factors are applied by 1x1 convolutions.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = constant_parameter((channels,), 1.0)
        self.bias = constant_parameter((channels,), 0.0)

    def construct(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        mean = ops.full((channels, channels, 1, 1), 1 / channels, dtype=x.dtype)
        x = x - ops.conv2d(x, mean)
        x = x * ops.reciprocal(ops.sqrt(ops.conv2d(x * x, mean) + self.eps))
        factors = self.weight * ops.eye(channels, channels, x.dtype)
        return ops.conv2d(x, factors.reshape(channels, channels, 1, 1), self.bias)


def constant_parameter(shape: tuple[int, ...], value: float) -> ms.Parameter:
    """Something to be trained that starts with one value everywhere."""
    # Native: an attribute of the class Parameter.
    return ms.Parameter(ops.full(shape, value, dtype=ms.float32))


def uniform_parameter(shape: tuple[int, ...], bound: float) -> ms.Parameter:
    """Something to be trained that starts uniformly distributed between -bound and bound."""
    # Native: an attribute of the class Parameter.
    return ms.Parameter(initializer(Uniform(bound), shape, ms.float32))


def pixel_unshuffle(x: Tensor, factor: int) -> Tensor:
    """Pixels to channels, the inverse of `pixel_shuffle`, (n, c, h f, w f) -> (n, c f f, h, w)."""
    # Native: the same order everywhere.
    return ops.pixel_unshuffle(x, factor)


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Matrix products, (n, m, p, l) x (n, m, l, q) -> (n, m, p, q)."""
    # Native: the same.
    return ops.BatchMatMul()(x, y)


def matmul_transposed(x: Tensor, y: Tensor) -> Tensor:
    """Products of rows, (n, m, p, l) x (n, m, q, l) -> (n, m, p, q)."""
    # Native: the primitive can read its second argument transposed.
    return ops.BatchMatMul(transpose_b=True)(x, y)


def unit_spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """`rfft2` divided by its modulus, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Where the modulus is 0 it is 1 + 0i, without gradient.
    """
    # Native: products of complex numbers have no gradient. Here the modulus, 0 when below 1e-19,
    # has none; the last factor, 1 but for rounding, takes away the gradient's radial part.
    real, imaginary = rfft2(x)
    modulus = ops.stop_gradient(ops.sqrt(real * real + imaginary * imaginary))
    empty = (modulus == 0).astype(ms.float32)
    factor = (1 - empty) * ops.reciprocal(modulus + empty)
    real, imaginary = real * factor, imaginary * factor
    factor = 1.5 - 0.5 * (real * real + imaginary * imaginary)
    return real * factor + empty, imaginary * factor


def angle(real: Tensor, imaginary: Tensor) -> Tensor:
    """The angle of complex numbers in (-pi, pi], 0 without gradient at 0, any shape."""
    # Native: the gradient at 0 is not a number.
    empty = ops.logical_and(real == 0, imaginary == 0)
    return ops.atan2(ops.masked_fill(imaginary, empty, 0.0), ops.masked_fill(real, empty, 1.0))


def idft2(real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of `dft2`, also for a spectrum of no real map, 2 x (n, c, h, w) -> the same."""
    # Native: complex numbers, with gradients through real and imag only.
    values = ops.ifft2(ops.Complex()(real, imaginary), norm="backward")
    return ops.real(values), ops.imag(values)


def pad_repeat(x: Tensor, amount: int) -> Tensor:
    """Repeat the outermost pixels on all sides, (n, c, h, w) -> (n, c, h + 2 a, w + 2 a)."""
    # Native: zeros by default.
    return ops.pad(x, (amount, amount, amount, amount), mode="replicate")


def adaptive_avg_pool(x: Tensor, size: int) -> Tensor:
    """Means of size x size windows that cover a map, (n, c, h, w) -> (n, c, size, size).

    Window i spans the rows floor(i h / size) to ceil((i + 1) h / size); windows may overlap, and a
    map may be smaller than the result.
    """
    # Native: does this.
    return ops.adaptive_avg_pool2d(x, (size, size))


def resize_bilinear(x: Tensor, height: int, width: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, height, width)."""
    # Native: align_corners defaults to False.
    return ops.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


def grid_sample(x: Tensor, grid: Tensor, *, padding: str, align_corners: bool) -> Tensor:
    """Bilinear samples, maps (n, c, h, w) and places (n, h', w', 2), x first -> (n, c, h', w').

    -1 and 1 are the centers of the outermost pixels if the corners are aligned, else their outer
    edges. padding: outside is 0 ("zeros") or the nearest pixel ("border").
    """
    # Native: zeros, and corners that are not aligned, by default. Where w' is a multiple of 8 its
    # gradient logs failed copies of nothing ("memcpy_s failed"), and is right.
    return ops.grid_sample(
        x, grid, mode="bilinear", padding_mode=padding, align_corners=align_corners
    )


def without_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function's result, through which no gradient flows."""
    # Native: stop_gradient cuts the graph.
    return ops.stop_gradient(function(x))


def filter_valid(x: Tensor, window: Tensor) -> Tensor:
    """Each channel correlated with a window (k, k), (n, c, h, w) -> (n, c, h-k+1, w-k+1)."""
    # Native: convolution, which correlates, over all channels together.
    n, c, h, w = x.shape
    size = window.shape[0]
    x = ops.conv2d(x.reshape(n * c, 1, h, w), window.reshape(1, 1, size, size))
    return x.reshape(n, c, h - size + 1, w - size + 1)


def shift_reflected(x: Tensor, down: int, right: int) -> Tensor:
    """The map moved by whole pixels, mirrored into the gap, (n, c, h, w) -> the same."""
    # Native: padding by reflection, slowly, not by negative amounts.
    rows = windows.reflected(np.arange(x.shape[2]) - down, x.shape[2])
    columns = windows.reflected(np.arange(x.shape[3]) - right, x.shape[3])
    return ops.gather(ops.gather(x, Tensor(rows), 2), Tensor(columns), 3)


class PRelu(nn.Cell):
    """Values below zero times one slope that is learned, any shape."""

    # Native: the parameter is called w.
    def __init__(self) -> None:
        super().__init__()
        self.weight = Parameter(ops.full((1,), 0.25, dtype=ms.float32))

    def construct(self, x: Tensor) -> Tensor:
        return ops.prelu(x, self.weight)


class RelativeBias(nn.Cell):
    """Adds a learned number per head and offset between pixels, (b, heads, w w, w w) -> the same.

    Its table is ((2 w - 1)^2, heads) for windows of w x w pixels.
    """

    # Native: a tensor that is no Parameter is a constant.
    def __init__(self, window: int, heads: int):
        super().__init__()
        shape = ((2 * window - 1) ** 2, heads)
        self.weight = Parameter(initializer(TruncatedNormal(sigma=0.02), shape, ms.float32))
        self._places = Tensor(windows.relative_positions(window))

    def construct(self, logits: Tensor) -> Tensor:
        heads, size = logits.shape[1], logits.shape[2]
        bias = ops.gather(self.weight, self._places, 0).reshape(size, size, heads)
        return logits + bias.permute(2, 0, 1)


def window_mask(logits: Tensor, height: int, width: int, window: int, shift: int) -> Tensor:
    """Bar a shifted window's pixels from those that lie elsewhere, (n windows, heads, l, l).

    Adds -100 between pixels of a map (height, width) that the shift brought together.
    """
    # Native: Graph mode makes tensors from arrays only while it compiles.
    n, heads, size, _ = logits.shape
    bars = _shift_mask(height, width, window, shift)
    count = bars.shape[0]
    barred = logits.reshape(n // count, count, heads, size, size) + ops.expand_dims(bars, 1)
    return barred.reshape(n, heads, size, size)


@ops.constexpr
def _shift_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    return Tensor(windows.shift_mask(height, width, window, shift))


def scale_rows(x: Tensor, factors: Tensor) -> Tensor:
    """Each row times a factor of its own, (r, c), (r, 1) -> (r, c)."""
    # Native: repeating along the last axis takes thirty times as long as a product with ones.
    return x * ops.matmul(factors, ops.ones((1, x.shape[1]), x.dtype))


def repeat_rows(x: Tensor, count: int) -> Tensor:
    """Each row so many times, (n, c) -> (n count, c)."""
    # Native: repeating takes thirty times as long as a product with ones; the gradient of a stack
    # of one product, of one column and one row, raises.
    n, c = x.shape
    if n == 1:
        return ops.matmul(ops.ones((count, 1), x.dtype), x)
    ones = ops.ones((n, count, 1), x.dtype)
    return ops.matmul(ones, x.reshape(n, 1, c)).reshape(n * count, c)


def columns(x: Tensor, count: int) -> list[Tensor]:
    """Cut into blocks of as many columns each, (r, c) -> count x (r, c/count)."""
    # Native: views, whose rows lie apart, which slows `take_rows` down.
    return [block.contiguous() for block in ops.chunk(x, count, axis=1)]


def modulate_rows(x: Tensor, gains: Tensor, shifts: Tensor, rows: Tensor) -> Tensor:
    """x * gain + shift, of which each row has its own in tables, (r, c), 2 x (p, c), (r,)."""
    # Native: four operations, which take six times as long as a kernel.
    if compiled.enabled and x.dtype == ms.float32:
        return compiled.operators["modulate_rows"](x, gains, shifts, rows)
    return x * take_rows(gains, rows) + take_rows(shifts, rows)


def cos_sin(x: Tensor) -> Tensor:
    """All cosines, then all sines, (r, k) -> (r, 2 k)."""
    # Native: two functions, which take ten times as long as a kernel.
    if compiled.enabled and x.dtype == ms.float32:
        return compiled.operators["cos_sin"](x)
    return ops.cat([ops.cos(x), ops.sin(x)], axis=1)


def convolve(
    x: Tensor, weight: Tensor, *, stride: int = 1, padding: int, groups: int = 1
) -> Tensor:
    """Convolution by given weights (out, in/groups, k, k), (n, in, h, w) -> (n, out, h', w')."""
    # Native: pad_mode "valid" by default, which ignores the padding.
    return ops.conv2d(
        x, weight, None, pad_mode="pad", stride=stride, padding=padding, groups=groups
    )


def flip(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The other way round along axes, any shape."""
    # Native: the same.
    return ops.flip(x, axes)


def patches(x: Tensor, size: int, *, stride: int, padding: int) -> Tensor:
    """Square pieces row by row, zeros around, (n, c, h, w) -> (n, c size size, pieces)."""
    # Native: the same.
    return ops.unfold(x, size, padding=padding, stride=stride)


def overlay(x: Tensor, height: int, width: int, size: int, *, stride: int, padding: int) -> Tensor:
    """The adjoint of `patches`: add the pieces, (n, c size size, pieces) -> (n, c, h, w)."""
    # Native: the size of the result is a tensor.
    return ops.fold(x, Tensor([height, width], ms.int32), size, padding=padding, stride=stride)


def batched_matmul(x: Tensor, y: Tensor) -> Tensor:
    """Products of stacks of matrices, (..., i, k), (..., k, j) -> (..., i, j)."""
    # Native: matmul does this.
    return ops.matmul(x, y)


def settle(x: Tensor) -> Tensor:
    """Compute x now, so that what went into it can be freed."""
    # Native: always so.
    return x
