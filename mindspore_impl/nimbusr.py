"""NIMBUSR: restoration from spatially varying blur that is known, an unrolled linearized ADMM.

Source: Laroche, Almansa, Tassano, "Deep Model-Based Super-Resolution with Non-uniform Blur", WACV
2023, arXiv 2204.10109; with saturation: Carbajal et al., IEEE TCI 2023, arXiv 2308.02947. The prior
is KAIR's residual U-net (Zhang et al.).

Input: image (n, 3, h, w) in [0, 1]; masks (n, P, H, W) with H = s h, W = s w; kernels (n, P, k, k),
k odd, applied by convolution: kernels that are applied by correlation must be flipped first; sigma
(n, 1, 1, 1), the noise's standard deviation. Output: (n, 3, H, W), not clamped.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import (
    Conv2d,
    ConvTranspose2d,
    avg_pool,
    irfft2,
    leaky_relu,
    max_pool,
    pad_bottom_right,
    pixel_shuffle,
    rfft2,
    roll,
    softplus,
    upsample,
    zero_insert,
)
from restoration.images.tiling import rounded_up
from restoration.models.nimbusr import NIMBUSRSpec

SMALLEST = 1e-6
KNEE = 50.0
OVERSHOOT = 0.5


def kernel_spectra(kernels: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Half spectra of kernels centered on the origin, (n, P, k, k) -> 2 x (n, P, h, w/2 + 1).

    A kernel that is larger than the image wraps around.
    """
    n, count, size, _ = kernels.shape
    rows, columns = rounded_up(size, height) // height, rounded_up(size, width) // width
    x = pad_bottom_right(kernels, rows * height, columns * width, mode="zeros")
    x = x.reshape(n, count, rows, height, columns, width).sum(axis=4).sum(axis=2)
    top, left = (size // 2) % height, (size // 2) % width
    return rfft2(roll(x, (-top, -left), (2, 3)))


def blur(x: Tensor, masks: Tensor, spectra: tuple[Tensor, Tensor]) -> Tensor:
    """Sum over p of masks[p] * (x convolved with kernel p), circular, (n, c, h, w) -> the same."""
    n, c, h, w = x.shape
    kernel_real, kernel_imaginary = spectra
    count, half = kernel_real.shape[1], kernel_real.shape[3]
    real, imaginary = rfft2(x)
    real, imaginary = real.reshape(n, c, 1, h, half), imaginary.reshape(n, c, 1, h, half)
    kernel_real = kernel_real.reshape(n, 1, count, h, half)
    kernel_imaginary = kernel_imaginary.reshape(n, 1, count, h, half)
    filtered = irfft2(
        (real * kernel_real - imaginary * kernel_imaginary).reshape(n, c * count, h, half),
        (real * kernel_imaginary + imaginary * kernel_real).reshape(n, c * count, h, half),
        width=w,
    )
    return (filtered.reshape(n, c, count, h, w) * masks.reshape(n, 1, count, h, w)).sum(axis=2)


def blur_adjoint(y: Tensor, masks: Tensor, spectra: tuple[Tensor, Tensor]) -> Tensor:
    """Sum over p of (masks[p] * y) correlated with kernel p, circular: the transpose of `blur`."""
    n, c, h, w = y.shape
    kernel_real, kernel_imaginary = spectra
    count, half = kernel_real.shape[1], kernel_real.shape[3]
    weighted = y.reshape(n, c, 1, h, w) * masks.reshape(n, 1, count, h, w)
    real, imaginary = rfft2(weighted.reshape(n, c * count, h, w))
    real, imaginary = real.reshape(n, c, count, h, half), imaginary.reshape(n, c, count, h, half)
    kernel_real = kernel_real.reshape(n, 1, count, h, half)
    kernel_imaginary = kernel_imaginary.reshape(n, 1, count, h, half)
    return irfft2(
        (real * kernel_real + imaginary * kernel_imaginary).sum(axis=2),
        (imaginary * kernel_real - real * kernel_imaginary).sum(axis=2),
        width=w,
    )


def saturate(x: Tensor, limit: float) -> Tensor:
    """What a sensor that saturates softly at `limit` records of an intensity, any shape."""
    x = ops.clamp(x, max=limit + OVERSHOOT)
    x = x - ops.log(1 + ops.exp(KNEE * (x - limit))) / KNEE
    return ops.relu(x + (1 - limit)) - (1 - limit)


def saturation_slope(x: Tensor, limit: float) -> Tensor:
    """The derivative of `saturate` without its lower cut, any shape."""
    x = ops.clamp(x, max=limit + OVERSHOOT)
    return 1 / (1 + ops.exp(KNEE * (x - limit)))


class ResidualBlock(nn.Cell):
    """Two convolutions with a residual connection, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int, *, activation: str):
        super().__init__()
        self.slope = 0.2 if activation == "leaky_relu" else 0.0
        self.conv1 = Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False)

    def construct(self, x: Tensor) -> Tensor:
        y = self.conv1(x)
        y = leaky_relu(y, self.slope) if self.slope else ops.relu(y)
        return x + self.conv2(y)


class Resample(nn.Cell):
    """The part without weights of a change of size: "avg", "max", "shuffle" or "nearest", by 2."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def construct(self, x: Tensor) -> Tensor:
        if self.kind == "avg":
            return avg_pool(x, 2)
        if self.kind == "max":
            return max_pool(x, 2)
        if self.kind == "shuffle":
            return pixel_shuffle(x, 2)
        return upsample(x, 2, mode="nearest")


def residual_blocks(channels: int, spec: NIMBUSRSpec) -> list[nn.Cell]:
    """The blocks of one stage."""
    return [ResidualBlock(channels, activation=spec.activation) for _ in range(spec.blocks)]


def down_layers(in_channels: int, out_channels: int, mode: str) -> list[nn.Cell]:
    """Layers that halve the size."""
    if mode == "strideconv":
        return [Conv2d(in_channels, out_channels, 2, stride=2, padding=0, bias=False)]
    pool = Resample("avg" if mode == "avgpool" else "max")
    return [pool, Conv2d(in_channels, out_channels, 3, padding=1, bias=False)]


def up_layers(in_channels: int, out_channels: int, mode: str) -> list[nn.Cell]:
    """Layers that double the size."""
    if mode == "convtranspose":
        return [ConvTranspose2d(in_channels, out_channels, 2, stride=2, padding=0, bias=False)]
    if mode == "pixelshuffle":
        conv = Conv2d(in_channels, 4 * out_channels, 3, padding=1, bias=False)
        return [conv, Resample("shuffle")]
    conv = Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    return [Resample("nearest"), conv]


class Prior(nn.Cell):
    """A residual U-net that denoises, image and noise level (n, 4, h, w) -> (n, 3, h, w)."""

    def __init__(self, spec: NIMBUSRSpec):
        super().__init__()
        width1, width2, width3, width4 = spec.widths
        down, up = spec.downsample, spec.upsample
        self.head = Conv2d(4, width1, 3, padding=1, bias=False)
        self.down1 = nn.SequentialCell(
            *residual_blocks(width1, spec), *down_layers(width1, width2, down)
        )
        self.down2 = nn.SequentialCell(
            *residual_blocks(width2, spec), *down_layers(width2, width3, down)
        )
        self.down3 = nn.SequentialCell(
            *residual_blocks(width3, spec), *down_layers(width3, width4, down)
        )
        self.body = nn.SequentialCell(*residual_blocks(width4, spec))
        self.up3 = nn.SequentialCell(*up_layers(width4, width3, up), *residual_blocks(width3, spec))
        self.up2 = nn.SequentialCell(*up_layers(width3, width2, up), *residual_blocks(width2, spec))
        self.up1 = nn.SequentialCell(*up_layers(width2, width1, up), *residual_blocks(width1, spec))
        self.tail = Conv2d(width1, 3, 3, padding=1, bias=False)

    def construct(self, x: Tensor) -> Tensor:
        height, width = x.shape[2], x.shape[3]
        x = pad_bottom_right(x, rounded_up(height, 8), rounded_up(width, 8), mode="replicate")
        x1 = self.head(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up3(self.body(x4) + x4)
        x = self.up2(x + x3)
        x = self.up1(x + x2)
        return self.tail(x + x1)[:, :, :height, :width]


class HyperParameters(nn.Cell):
    """Step sizes from noise and scale, (n, 2, 1, 1) -> (n, 3 (iterations + 1), 1, 1), positive."""

    def __init__(self, width: int, outputs: int):
        super().__init__()
        self.conv1 = Conv2d(2, width, 1, padding=0, bias=True)
        self.conv2 = Conv2d(width, width, 1, padding=0, bias=True)
        self.conv3 = Conv2d(width, outputs, 1, padding=0, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        x = ops.relu(self.conv1(x))
        x = ops.relu(self.conv2(x))
        return softplus(self.conv3(x)) + SMALLEST


class NIMBUSR(nn.Cell):
    """The whole algorithm; see the module's docstring for shapes."""

    def __init__(self, spec: NIMBUSRSpec):
        super().__init__()
        self.iterations = spec.iterations
        self.scale = spec.scale
        self.saturation = spec.saturation
        self.prior = Prior(spec)
        self.hyper = HyperParameters(spec.hyper_width, 3 * (spec.iterations + 1))

    def construct(self, image: Tensor, masks: Tensor, kernels: Tensor, sigma: Tensor) -> Tensor:
        count = self.iterations + 1
        hyper = self.hyper(ops.cat([sigma, ops.full_like(sigma, float(self.scale))], axis=1))
        spectra = kernel_spectra(kernels, masks.shape[2], masks.shape[3])
        x = upsample(image, self.scale, mode="nearest")
        z = x
        h = blur(x, masks, spectra)
        u = ops.full_like(x, 0.0)
        for i in range(self.iterations):
            alpha = hyper[:, i : i + 1]
            beta = hyper[:, count + i : count + i + 1]
            gamma = hyper[:, 2 * count + i : 2 * count + i + 1]
            v = x - beta * blur_adjoint(h - z + u, masks, spectra)
            x = self.denoise(v, gamma)
            h = blur(x, masks, spectra)
            z = self.fit(image, z, h + u, alpha, sigma)
            u = u + h - z
        beta = hyper[:, 2 * count - 1 : 2 * count]
        gamma = hyper[:, 3 * count - 1 : 3 * count]
        v = x - beta * blur_adjoint(h - z + u, masks, spectra)
        return self.denoise(v, gamma)

    def denoise(self, v: Tensor, gamma: Tensor) -> Tensor:
        """The prior's proposal at a noise level (n, 1, 1, 1)."""
        return self.prior(ops.cat([v, gamma + ops.full_like(v[:, :1], 0.0)], axis=1))

    def fit(self, image: Tensor, z: Tensor, q: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The data step: between the observation and q, the blurred estimate; z is the last one."""
        if self.saturation:
            z = ops.clamp(z, max=1 + OVERSHOOT)
            slope = saturation_slope(z, 1.0)
            recorded = saturate(z, 1.0)
            return (slope * z + (image - recorded) * slope + alpha * q) / (slope + alpha)
        observed = zero_insert(image, self.scale)
        sampled = zero_insert(ops.full_like(image, 1.0), self.scale)
        noisy = (observed + alpha * q) / (sampled + alpha)
        exact = observed + (1 - sampled) * q
        return ops.where(sigma > 0, noisy, exact)
