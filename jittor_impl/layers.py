"""What PyTorch, Jittor and MindSpore mean differently, under one name and signature in all three.

Each comment states what the framework does on its own. Arrays are (n, c, h, w).
"""

from __future__ import annotations

from collections.abc import Callable

import jittor as jt
import numpy as np
from jittor import Var, nn

from restoration.models import windows


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

    # Native: padding 0 and a bias unless told otherwise; the bias's gradient adds one number after
    # another.
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


class Linear(nn.Linear):
    """Linear map of the last axis, (..., in) -> (..., out).

    With a deviation `std`, weights are drawn from a normal distribution and the bias is 0.
    """

    # Native: a bias unless told otherwise; uniform weights and bias, as those of convolutions.
    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, std: float = 0.0):
        super().__init__(in_channels, out_channels, bias=bias)
        if std:
            jt.init.gauss_(self.weight, std=std)
            jt.init.zero_(self.bias)

    def execute(self, x: Var) -> Var:
        return linear(x, self.weight, self.bias)


def linear(x: Var, weight: Var, bias: Var | None) -> Var:
    """Linear map of the last axis by given weights (out, in), (..., in) -> (..., out)."""
    # Native: a product with the transposed matrix; the sum is apart.
    rows = nn.matmul_transpose(x, weight)
    return rows if bias is None else rows + bias


class LayerNorm(nn.Module):
    """Mean 0 and variance 1 over the last axis, then a factor and an offset, any shape."""

    # Native: the variance as a mean of squares minus a square, which loses all digits where the
    # mean is large.
    def __init__(self, channels: int, *, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = jt.ones(channels)
        self.bias = jt.zeros(channels)

    def execute(self, x: Var) -> Var:
        centered = x - x.mean(dim=-1, keepdims=True)
        variance = (centered * centered).mean(dim=-1, keepdims=True)
        return centered / jt.sqrt(variance + self.eps) * self.weight + self.bias


class Table(nn.Module):
    """A learned table (rows, columns), its `weight`, drawn from a normal distribution."""

    # Native: nn.Embedding holds one.
    def __init__(self, rows: int, columns: int, *, std: float):
        super().__init__()
        self.weight = std * jt.randn(rows, columns)


class DropPath(nn.Module):
    """In training drops members of the first axis and scales the others by 1 / (1 - rate)."""

    # Native: there is none.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def execute(self, x: Var) -> Var:
        if self.rate == 0.0 or not self.is_training():
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x * ((jt.rand(shape) >= self.rate).float32() / (1 - self.rate))


class WindowConv(nn.Module):
    """3x3 convolution of each channel by itself, channels last, (n, h, w, c) -> (n, h, w, c).

    border "zeros" or "reflect" says what lies around each map.
    """

    # Native: channels first; the axes are moved in memory, there and back.
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


def attention(query: Var, key: Var, value: Var, offsets: Var | None, scale: float) -> Var:
    """Softmax of scaled products plus offsets, times the values.

    (rows, heads, q, d), (rows, heads, k, d) twice, (1 or rows, heads, q, k) -> (rows, heads, q, d).
    """
    # Native: no function of its own.
    logits = jt.matmul(query * scale, key.transpose(0, 1, 3, 2))
    if offsets is not None:
        logits = logits + offsets
    return jt.matmul(softmax(logits, axis=3), value)


def softmax(x: Var, *, axis: int) -> Var:
    """Shares that add up to one along an axis, any shape."""
    # Native: the axis is named dim.
    return nn.softmax(x, dim=axis)


def gelu(x: Var) -> Var:
    """x times the normal distribution's integral up to x, any shape."""
    # Native: exact by default.
    return nn.gelu(x)


def sigmoid(x: Var) -> Var:
    """1 / (1 + exp(-x)), any shape."""
    # Native: the same.
    return jt.sigmoid(x)


def constant(values: np.ndarray | list[float], x: Var) -> Var:
    """Given numbers as an array of the kind of x, without gradient."""
    # Native: 64-bit numbers become 32-bit ones.
    return jt.array(np.asarray(values)).astype(x.dtype)


def stop_gradient(x: Var) -> Var:
    """The same numbers, as a constant for gradients."""
    # Native: detach.
    return x.detach()


def kept_rows(policy: Var) -> Var:
    """The places where a vector is not 0, in order, (n,) -> (kept,)."""
    # Native: a result of a size that is known only after a synchronization, so NumPy does it.
    return jt.array(np.flatnonzero(policy.numpy()).astype(np.int32))


def places(array: np.ndarray, x: Var) -> Var:
    """Whole numbers (k,) as places to take from x."""
    # Native: 64-bit numbers become 32-bit ones.
    return jt.array(array.astype(np.int32))


def take_rows(x: Var, rows: Var) -> Var:
    """Members of the first axis by their places (k,), (n, ...) -> (k, ...)."""
    # Native: a place outside is no error.
    return x[rows]


def put_rows(x: Var, values: Var, rows: Var) -> Var:
    """x with members of the first axis replaced, (n, ...), (k, ...), (k,) -> (n, ...)."""
    # Native: assignment to an index rebinds a name, and keeps what the name stood for.
    result = x.clone()
    result[rows] = values
    return result


def leaky_relu(x: Var, slope: float) -> Var:
    """Values below zero times a slope, any shape."""
    # Native: slope 0.01 by default.
    return nn.leaky_relu(x, slope)


def max_pool(x: Var, factor: int) -> Var:
    """Largest of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: the stride is the size of the block by default; a map of one block is refused, so it
    # gets a row and a column that are cut off again.
    height, width = x.shape[2], x.shape[3]
    x = pad_bottom_right(x, height + (height == factor), width + (width == factor), mode="zeros")
    return nn.max_pool2d(x, factor)


def spatial_mean(x: Var) -> Var:
    """Mean over height and width, (n, c, h, w) -> (n, c, 1, 1)."""
    # Native: sums one after another, which loses digits over many numbers; so one axis at a time.
    return x.mean(dim=3, keepdims=True).mean(dim=2, keepdims=True)


def repeat_map(x: Var, height: int, width: int) -> Var:
    """One value everywhere, (n, c, 1, 1) -> (n, c, height, width)."""
    # Native: a broadcast to a whole shape.
    return x.expand(x.shape[0], x.shape[1], height, width)


def pad_to(x: Var, height: int, width: int) -> Var:
    """Zeros around, the odd one at the bottom and right, (n, c, h, w) -> (n, c, height, width)."""
    # Native: amounts from the last axis to the first.
    top, left = (height - x.shape[2]) // 2, (width - x.shape[3]) // 2
    bottom, right = height - x.shape[2] - top, width - x.shape[3] - left
    if top + bottom + left + right == 0:
        return x
    return nn.pad(x, (left, right, top, bottom), mode="constant", value=0.0)


def pad_bottom_right(x: Var, height: int, width: int, *, mode: str) -> Var:
    """Extend at the bottom and right, (n, c, h, w) -> (n, c, height, width).

    mode "zeros", "repeat" for the last row and column, or "reflect" at them.
    """
    # Native: amounts from the last axis to the first; zeros by default.
    amounts = (0, width - x.shape[3], 0, height - x.shape[2])
    if amounts == (0, 0, 0, 0):
        return x
    native = {"zeros": "constant", "repeat": "replicate", "reflect": "reflect"}
    return nn.pad(x, amounts, mode=native[mode])


def fill_map(x: Var, value: float) -> Var:
    """A constant of the shape and kind of x, without gradient."""
    # Native: full_like.
    return jt.full_like(x, value)


def avg_pool(x: Var, factor: int) -> Var:
    """Mean of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: the stride is the size of the block by default.
    return nn.avg_pool2d(x, factor)


def pixel_shuffle(x: Var, factor: int) -> Var:
    """Channels to pixels, (n, c f f, h, w) -> (n, c, h f, w f); channel = c f f + dy f + dx."""
    # Native: the same order everywhere, here only as a module.
    n, c, h, w = x.shape
    blocks = x.reshape(n, c // factor**2, factor, factor, h, w).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, c // factor**2, h * factor, w * factor)


def zero_insert(x: Var, factor: int) -> Var:
    """Pixels at rows and columns 0, f, 2f..., zeros between, (n, c, h, w) -> (n, c, h f, w f)."""
    # Native: reindexing with a condition.
    if factor == 1:
        return x
    n, c, h, w = x.shape
    return x.reindex(
        [n, c, h * factor, w * factor],
        ["i0", "i1", f"i2/{factor}", f"i3/{factor}"],
        overflow_conditions=[f"i2%{factor}!=0", f"i3%{factor}!=0"],
        overflow_value=0,
    )


def roll(x: Var, shifts: tuple[int, ...], axes: tuple[int, ...]) -> Var:
    """Shift circularly along axes, any shape; a positive shift moves to higher indices."""
    # Native: the same.
    return jt.roll(x, shifts, axes)


def softplus(x: Var) -> Var:
    """log(1 + exp(x)), any shape."""
    # Native: log(1 + exp(x)) as written, which is off by 2 % of the value at x = -13.
    # Here log(1 + t) = 2 artanh(t / (2 + t)) by its series, t = exp(-|x|) being at most 1.
    t = jt.exp(-jt.abs(x))
    s = t / (2 + t)
    square = s * s
    series = jt.full_like(x, 1 / 17)
    for odd in (15, 13, 11, 9, 7, 5, 3, 1):
        series = 1 / odd + square * series
    return nn.relu(x) + 2 * s * series


def rfft2(x: Var) -> tuple[Var, Var]:
    """Half of the unnormalized 2-D spectrum of a real map, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Real and imaginary part.
    """
    # Native: no FFT and no complex numbers on CPU. Products with the matrices cos and -sin.
    n, c, h, w = x.shape
    half = w // 2 + 1
    cos_w, sin_w = _dft_matrices(w)
    cos_h, sin_h = _dft_matrices(h)
    rows = x.reshape(n * c * h, w)
    real = _columns_last(jt.matmul(rows, cos_w[:, :half]), n * c, h)
    imaginary = _columns_last(jt.matmul(rows, sin_w[:, :half]), n * c, h)
    real, imaginary = (
        jt.matmul(real, cos_h) - jt.matmul(imaginary, sin_h),
        jt.matmul(real, sin_h) + jt.matmul(imaginary, cos_h),
    )
    real = _columns_last(real, n * c, half).reshape(n, c, h, half)
    imaginary = _columns_last(imaginary, n * c, half).reshape(n, c, h, half)
    return real, imaginary


def irfft2(real: Var, imaginary: Var, *, width: int) -> Var:
    """The inverse of `rfft2`, 2 x (n, c, h, width/2 + 1) -> (n, c, h, width)."""
    # Native: no FFT and no complex numbers on CPU. Products with the matrices cos and sin.
    n, c, h, half = real.shape
    cos_w, sin_w = _dft_matrices(width)
    cos_h, sin_h = _dft_matrices(h)
    real = _columns_last(real.reshape(n * c * h, half), n * c, h)
    imaginary = _columns_last(imaginary.reshape(n * c * h, half), n * c, h)
    real, imaginary = (
        jt.matmul(real, cos_h) + jt.matmul(imaginary, sin_h),
        jt.matmul(imaginary, cos_h) - jt.matmul(real, sin_h),
    )
    # The frequencies that the half leaves out are the conjugates of those between 0 and Nyquist.
    weights = np.full((half, 1), 2 / (h * width), np.float32)
    weights[0] = 1 / (h * width)
    if width % 2 == 0:
        weights[-1] = 1 / (h * width)
    real, imaginary = _columns_last(real, n * c, half), _columns_last(imaginary, n * c, half)
    rows = jt.matmul(real, jt.array(weights) * cos_w[:half])
    rows = rows + jt.matmul(imaginary, jt.array(weights) * sin_w[:half])
    return rows.reshape(n, c, h, width)


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

    mode "nearest" repeats pixels. "corners" is bilinear with the corner pixels' centers aligned.
    "asymmetric" is bilinear without half-pixel centers: pixel i of the input lies at factor*i of
    the output, the last pixel is repeated.
    """
    # Native: "bilinear" is the default of interpolate; tf_mode is the asymmetric grid.
    if factor == 1:
        return x
    size = (x.shape[2] * factor, x.shape[3] * factor)
    if mode == "nearest":
        return nn.interpolate(x, size=size, mode="nearest")
    if mode == "corners":
        return nn.interpolate(x, size=size, mode="bilinear", align_corners=True)
    return nn.interpolate(x, size=size, mode="bilinear", align_corners=False, tf_mode=True)


def downsample_bilinear(x: Var, factor: int) -> Var:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: right while size x scale is whole, as here; wrong by whole pixels otherwise.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return nn.interpolate(x, size=size, mode="bilinear", align_corners=False)


def dft2(x: Var) -> tuple[Var, Var]:
    """Real and imaginary part of the unnormalized 2-D Fourier transform, each (n, c, h, w)."""
    # Native: no FFT and no complex numbers on CPU. Products with the matrices cos and -sin.
    n, c, h, w = x.shape
    cos_w, sin_w = _dft_matrices(w)
    cos_h, sin_h = _dft_matrices(h)
    rows = x.reshape(n * c * h, w)
    real = _columns_last(jt.matmul(rows, cos_w), n * c, h)
    imaginary = _columns_last(jt.matmul(rows, sin_w), n * c, h)
    real, imaginary = (
        jt.matmul(real, cos_h) - jt.matmul(imaginary, sin_h),
        jt.matmul(real, sin_h) + jt.matmul(imaginary, cos_h),
    )
    real = _columns_last(real, n * c, w).reshape(n, c, h, w)
    imaginary = _columns_last(imaginary, n * c, w).reshape(n, c, h, w)
    return real, imaginary


def _dft_matrices(size: int) -> tuple[Var, Var]:
    """Real and imaginary part of exp(-2 pi i j k / size), each (size, size) and symmetric."""
    steps = np.arange(size)
    angles = -2 * np.pi * (np.outer(steps, steps) % size) / size
    return jt.array(np.cos(angles).astype(np.float32)), jt.array(np.sin(angles).astype(np.float32))


def _columns_last(x: Var, count: int, height: int) -> Var:
    """Transpose each of a stack of matrices, (count * height, w) -> (count * w, height)."""
    width = x.shape[1]
    return x.reshape(count, height, width).permute(0, 2, 1).reshape(count * width, height)


class ChannelNorm(nn.Module):
    """Normalises over the channels of each pixel, (n, c, h, w) -> (n, c, h, w)."""

    # Native: the last axis only, and the variance as mean of squares minus square of mean, which is
    # off by a thousandth where the mean is a hundred standard deviations.
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


def constant_parameter(shape: tuple[int, ...], value: float) -> Var:
    """Something to be trained that starts with one value everywhere."""
    # Native: any array that is an attribute of a module is trained.
    return jt.full(shape, value)


def uniform_parameter(shape: tuple[int, ...], bound: float) -> Var:
    """Something to be trained that starts uniformly distributed between -bound and bound."""
    # Native: any array that is an attribute of a module is trained.
    return jt.init.uniform(shape, low=-bound, high=bound)


def pixel_unshuffle(x: Var, factor: int) -> Var:
    """Pixels to channels, the inverse of `pixel_shuffle`, (n, c, h f, w f) -> (n, c f f, h, w)."""
    # Native: absent.
    n, c, h, w = x.shape
    h, w = h // factor, w // factor
    blocks = x.reshape(n, c, h, factor, w, factor).permute(0, 1, 3, 5, 2, 4)
    return blocks.reshape(n, c * factor**2, h, w)


def matmul(x: Var, y: Var) -> Var:
    """Matrix products, (n, m, p, l) x (n, m, l, q) -> (n, m, p, q)."""
    # Native: only products of two matrices are fast, of stacks they take 35 times as long.
    n, m, p, _ = x.shape
    pairs = [(i, j) for i in range(n) for j in range(m)]
    return jt.stack([jt.matmul(x[i, j], y[i, j]) for i, j in pairs]).reshape(n, m, p, -1)


def matmul_transposed(x: Var, y: Var) -> Var:
    """Products of rows, (n, m, p, l) x (n, m, q, l) -> (n, m, p, q)."""
    # Native: only products of two matrices are fast, of stacks they take 35 times as long.
    n, m, p, _ = x.shape
    pairs = [(i, j) for i in range(n) for j in range(m)]
    products = [nn.matmul_transpose(x[i, j], y[i, j]) for i, j in pairs]
    return jt.stack(products).reshape(n, m, p, -1)


def unit_spectrum(x: Var) -> tuple[Var, Var]:
    """`rfft2` divided by its modulus, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Where the modulus is 0 it is 1 + 0i, without gradient.
    """
    # Native: no complex numbers on CPU. Here the modulus, 0 when below 1e-19, has no gradient; the
    # last factor, 1 but for rounding, takes away the gradient's part along the number.
    real, imaginary = rfft2(x)
    modulus = jt.sqrt(real * real + imaginary * imaginary).detach()
    empty = (modulus == 0).float32()
    factor = (1 - empty) / (modulus + empty)
    real, imaginary = real * factor, imaginary * factor
    factor = 1.5 - 0.5 * (real * real + imaginary * imaginary)
    return real * factor + empty, imaginary * factor


def angle(real: Var, imaginary: Var) -> Var:
    """The angle of complex numbers in (-pi, pi], 0 without gradient at 0, any shape."""
    # Native: arctan2 adds a multiple of pi that has three digits when there is one number only, and
    # its gradient overflows where the real part is nearly 0. Here the gradient is that of a term
    # which is 0 but for rounding.
    x, y = real.detach(), imaginary.detach()
    half_turn = jt.full_like(x, np.pi)
    turn = jt.ternary(x < 0, jt.ternary(y < 0, -half_turn, half_turn), jt.zeros_like(x))
    quotient = y / jt.ternary(x == 0, jt.full_like(x, 1e-30), x)
    square = x * x + y * y
    slope = (x * imaginary - y * real) / jt.ternary(square == 0, jt.ones_like(x), square)
    return jt.atan(quotient) + turn + slope


def idft2(real: Var, imaginary: Var) -> tuple[Var, Var]:
    """The inverse of `dft2`, also for a spectrum of no real map, 2 x (n, c, h, w) -> the same."""
    # Native: no FFT and no complex numbers on CPU. Products with the matrices cos and sin.
    n, c, h, w = real.shape
    cos_w, sin_w = _dft_matrices(w)
    cos_h, sin_h = _dft_matrices(h)
    real, imaginary = (
        real.reshape(n * c * h, w) / (h * w),
        imaginary.reshape(n * c * h, w) / (h * w),
    )
    real, imaginary = (
        _columns_last(jt.matmul(real, cos_w) + jt.matmul(imaginary, sin_w), n * c, h),
        _columns_last(jt.matmul(imaginary, cos_w) - jt.matmul(real, sin_w), n * c, h),
    )
    real, imaginary = (
        _columns_last(jt.matmul(real, cos_h) + jt.matmul(imaginary, sin_h), n * c, w),
        _columns_last(jt.matmul(imaginary, cos_h) - jt.matmul(real, sin_h), n * c, w),
    )
    return real.reshape(n, c, h, w), imaginary.reshape(n, c, h, w)


def pad_repeat(x: Var, amount: int) -> Var:
    """Repeat the outermost pixels on all sides, (n, c, h, w) -> (n, c, h + 2 a, w + 2 a)."""
    # Native: zeros by default.
    return nn.pad(x, (amount, amount, amount, amount), mode="replicate")


def adaptive_avg_pool(x: Var, size: int) -> Var:
    """Means of size x size windows that cover a map, (n, c, h, w) -> (n, c, size, size).

    Window i spans the rows floor(i h / size) to ceil((i + 1) h / size); windows may overlap, and a
    map may be smaller than the result.
    """

    # Native: right only where the size divides the map's. Products with two matrices of means.
    def means(length: int) -> np.ndarray:
        starts, ends = np.arange(size) * length // size, -(-np.arange(1, size + 1) * length // size)
        places = np.arange(length)
        inside = (starts[:, None] <= places) & (places < ends[:, None])
        return inside / (ends - starts)[:, None]

    return _resampled(x, means(x.shape[2]), means(x.shape[3]))


def resize_bilinear(x: Var, height: int, width: int) -> Var:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, height, width)."""

    # Native: wrong by whole pixels where size x scale is not whole. Products with two matrices.
    def weights(new: int, old: int) -> np.ndarray:
        places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(old)))

    if (height, width) == tuple(x.shape[2:]):
        return x
    return _resampled(x, weights(height, x.shape[2]), weights(width, x.shape[3]))


def grid_sample(x: Var, grid: Var, *, padding: str, align_corners: bool) -> Var:
    """Bilinear samples, maps (n, c, h, w) and places (n, h', w', 2), x first -> (n, c, h', w').

    -1 and 1 are the centers of the outermost pixels if the corners are aligned, else their outer
    edges. padding: outside is 0 ("zeros") or the nearest pixel ("border").
    """
    # Native: zeros, and corners that are not aligned, by default.
    return nn.grid_sample(
        x, grid, mode="bilinear", padding_mode=padding, align_corners=align_corners
    )


def without_gradient(function: Callable[[Var], Var], x: Var) -> Var:
    """A function's result, through which no gradient flows."""
    # Native: detach cuts the graph, and what is not asked for is not computed.
    return function(x).detach()


def _resampled(x: Var, rows: np.ndarray, columns: np.ndarray) -> Var:
    """Each map times a matrix from the left and one from the right."""
    n, c, h, w = x.shape
    x = jt.matmul(x.reshape(n * c * h, w), jt.array(columns.T.astype(np.float32)))
    x = jt.matmul(_columns_last(x, n * c, h), jt.array(rows.T.astype(np.float32)))
    return _columns_last(x, n * c, len(columns)).reshape(n, c, len(rows), len(columns))


def filter_valid(x: Var, window: Var) -> Var:
    """Each channel correlated with a window (k, k), (n, c, h, w) -> (n, c, h-k+1, w-k+1)."""
    # Native: convolution, which correlates, over all channels together.
    n, c, h, w = x.shape
    size = window.shape[0]
    x = nn.conv2d(x.reshape(n * c, 1, h, w), window.reshape(1, 1, size, size))
    return x.reshape(n, c, h - size + 1, w - size + 1)


def shift_reflected(x: Var, down: int, right: int) -> Var:
    """The map moved by whole pixels, mirrored into the gap, (n, c, h, w) -> the same."""
    # Native: padding by reflection, not by negative amounts.
    rows = windows.reflected(np.arange(x.shape[2]) - down, x.shape[2])
    columns = windows.reflected(np.arange(x.shape[3]) - right, x.shape[3])
    return x[:, :, jt.array(rows)][:, :, :, jt.array(columns)]


class PRelu(nn.Module):
    """Values below zero times one slope that is learned, any shape."""

    # Native: the same.
    def __init__(self) -> None:
        super().__init__()
        self.weight = jt.full((1,), 0.25)

    def execute(self, x: Var) -> Var:
        return nn.relu(x) - self.weight * nn.relu(-x)


class RelativeBias(nn.Module):
    """Adds a learned number per head and offset between pixels, (b, heads, w w, w w) -> the same.

    Its table is ((2 w - 1)^2, heads) for windows of w x w pixels.
    """

    # Native: any Var that a module holds is a parameter unless its name begins with "_".
    def __init__(self, window: int, heads: int):
        super().__init__()
        self.weight = jt.init.trunc_normal_(jt.zeros((2 * window - 1) ** 2, heads), std=0.02)
        self._places = windows.relative_positions(window)

    def execute(self, logits: Var) -> Var:
        heads, size = logits.shape[1], logits.shape[2]
        bias = self.weight[jt.array(self._places)].reshape(size, size, heads)
        return logits + bias.permute(2, 0, 1)


def window_mask(logits: Var, height: int, width: int, window: int, shift: int) -> Var:
    """Bar a shifted window's pixels from those that lie elsewhere, (n windows, heads, l, l).

    Adds -100 between pixels of a map (height, width) that the shift brought together.
    """
    # Native: a Var made from an array.
    n, heads, size, _ = logits.shape
    bars = jt.array(windows.shift_mask(height, width, window, shift))
    count = bars.shape[0]
    barred = logits.reshape(n // count, count, heads, size, size) + bars.unsqueeze(1)
    return barred.reshape(n, heads, size, size)


def scale_rows(x: Var, factors: Var) -> Var:
    """Each row times a factor of its own, (r, c), (r, 1) -> (r, c)."""
    # Native: the same.
    return x * factors


def repeat_rows(x: Var, count: int) -> Var:
    """Each row so many times, (n, c) -> (n count, c)."""
    # Native: a broadcast to a whole shape.
    n, c = x.shape
    return x.reshape(n, 1, c).expand(n, count, c).reshape(n * count, c)


def columns(x: Var, count: int) -> list[Var]:
    """Cut into blocks of as many columns each, (r, c) -> count x (r, c/count)."""
    # Native: copies; one block alone raises UnboundLocalError.
    return list(jt.chunk(x, count, dim=1)) if count > 1 else [x]


def modulate_rows(x: Var, gains: Var, shifts: Var, rows: Var) -> Var:
    """x * gain + shift, of which each row has its own in tables, (r, c), 2 x (p, c), (r,)."""
    # Native: fused by the compiler.
    return x * take_rows(gains, rows) + take_rows(shifts, rows)


def cos_sin(x: Var) -> Var:
    """All cosines, then all sines, (r, k) -> (r, 2 k)."""
    # Native: two functions.
    return jt.concat([jt.cos(x), jt.sin(x)], dim=1)


def convolve(x: Var, weight: Var, *, stride: int = 1, padding: int, groups: int = 1) -> Var:
    """Convolution by given weights (out, in/groups, k, k), (n, in, h, w) -> (n, out, h', w')."""
    # Native: padding 0 by default.
    return nn.conv2d(x, weight, None, stride=stride, padding=padding, groups=groups)


def flip(x: Var, axes: tuple[int, ...]) -> Var:
    """The other way round along axes, any shape."""
    # Native: the same.
    return jt.flip(x, axes)


def patches(x: Var, size: int, *, stride: int, padding: int) -> Var:
    """Square pieces row by row, zeros around, (n, c, h, w) -> (n, c size size, pieces)."""
    # Native: the same.
    return nn.unfold(x, size, padding=padding, stride=stride)


def overlay(x: Var, height: int, width: int, size: int, *, stride: int, padding: int) -> Var:
    """The adjoint of `patches`: add the pieces, (n, c size size, pieces) -> (n, c, h, w)."""
    # Native: the same.
    return nn.fold(x, (height, width), size, padding=padding, stride=stride)


def batched_matmul(x: Var, y: Var) -> Var:
    """Products of stacks of matrices, (..., i, k), (..., k, j) -> (..., i, j)."""
    # Native: stacks do not go through oneDNN, single products do.
    if x.shape[0] == 1 and x.ndim == 3:
        return jt.matmul(x[0], y[0]).unsqueeze(0)
    return jt.matmul(x, y)


def settle(x: Var) -> Var:
    """Compute x now, so that what went into it can be freed."""
    # Native: nothing is computed before it is asked for, and all of it then stays until the end.
    x.sync()
    return x
