"""Spectroformer: a U-shaped transformer whose skip connections and upsampling work on spectra.

Source: Khan, Mishra, Mehta, Phutke, Vipparthi, Nandi, Murala, "Spectroformer: Multi-Domain Query
Cascaded Transformer Network for Underwater Image Enhancement", WACV 2024; the variant whose weights
its users published, as their code executes it. Phaseformer is its successor.

Input: RGB image (n, 3, h, w) in [0, 1], h and w multiples of 8. Output: (n, 3, h, w), not clamped.
Levels 1 to 4 are full, half, quarter, eighth resolution, as published of 16, 32, 64, 128 channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restoration.models.spectroformer import SpectroformerSpec
from torch_impl.layers import (
    Conv2d,
    angle,
    constant_parameter,
    conv1x1,
    conv2d,
    fft2,
    gelu,
    global_avg_pool,
    ifft2,
    irfft2,
    leaky_relu,
    matmul,
    pixel_shuffle,
    rfft2,
    softmax,
    tensor_like,
    zero_insert,
)
from torch_impl.phaseformer import Block, ChannelGate, Down, Up


def modulus(real: Tensor, imaginary: Tensor) -> Tensor:
    """Of complex numbers, without gradient at 0, any shape."""
    square = real * real + imaginary * imaginary
    root = torch.sqrt(torch.where(square > 0, square, torch.full_like(square, 1.0)))
    return torch.where(square > 0, root, torch.full_like(square, 0.0))


def phase(real: Tensor, imaginary: Tensor) -> Tensor:
    """The angles of real maps' spectra, 2 x (n, c, h, w) -> (n, c, h, w).

    A frequency that is its own conjugate is real, so its angle is 0 or pi: the sign of a rounding
    error in its imaginary part must not make -pi of it.
    """
    height, width = real.shape[2], real.shape[3]
    rows = tensor_like([1.0 if 2 * k % height == 0 else 0.0 for k in range(height)], real)
    columns = tensor_like([1.0 if 2 * k % width == 0 else 0.0 for k in range(width)], real)
    is_real = rows.reshape(1, 1, height, 1) * columns.reshape(1, 1, 1, width)
    is_real = torch.full_like(real, 0.0) + is_real
    return angle(real, torch.where(is_real > 0, torch.full_like(imaginary, 0.0), imaginary))


def inverse_lengths(x: Tensor) -> Tensor:
    """One over the 2-norm of each map, (n, c, h, w) -> (n, c, 1, 1)."""
    square = global_avg_pool(x * x) * (x.shape[2] * x.shape[3])
    return 1 / torch.sqrt(torch.clamp(square, min=1e-24))


class CascadedAttention(nn.Module):
    """Mixes the channels of each head twice by the same likeness, (n, c, h, w) -> (n, c, h, w).

    The paper mixes by a second likeness, to the spectrum, the second time. The code that the
    weights were trained with computes it and does not use it: so no output depends on unused1,
    unused2 and the first halves of expand2 and local2.
    """

    def __init__(self, channels: int, *, heads: int):
        super().__init__()
        self.heads = heads
        self.temperature = constant_parameter((1, heads, 1, 1), 1.0)
        self.expand1 = Conv2d(channels, 3 * channels, 1, padding=0, bias=False)
        self.local1 = Conv2d(
            3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False
        )
        self.project1 = Conv2d(channels, channels, 1, padding=0, bias=False)
        self.expand2 = Conv2d(channels, 2 * channels, 1, padding=0, bias=False)
        self.local2 = Conv2d(
            2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False
        )
        self.project2 = Conv2d(channels, channels, 1, padding=0, bias=False)
        self.unused1 = Conv2d(channels, channels, 1, padding=0, bias=False)
        self.unused2 = Conv2d(channels, channels, 1, padding=0, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        heads, per_head = self.heads, c // self.heads
        q, k, v = torch.chunk(self.local1(self.expand1(x)), 3, dim=1)
        likeness = matmul(
            q.reshape(n, heads, per_head, h * w),
            k.reshape(n, heads, per_head, h * w),
            transpose_y=True,
        )
        likeness = likeness * inverse_lengths(q).reshape(n, heads, per_head, 1)
        likeness = likeness * inverse_lengths(k).reshape(n, heads, 1, per_head)
        mixture = softmax(likeness * self.temperature, dim=3)
        x = matmul(mixture, v.reshape(n, heads, per_head, h * w))
        x = self.project1(x.reshape(n, c, h, w))
        v = conv1x1(x, self.expand2.weight[c:])
        v = conv2d(v, self.local2.weight[c:], padding=1, groups=c)
        x = matmul(mixture, v.reshape(n, heads, per_head, h * w))
        return self.project2(x.reshape(n, c, h, w))


class SkipFusion(nn.Module):
    """Filters a skip connection in space and frequency, and gates it, (n, c, h, w) -> (n, c, h, w).

    Of the spectrum only the real part is kept. It is even, and stays so under 1x1 convolutions;
    hence half of it suffices.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.spatial1 = Conv2d(channels, 2 * channels, 1, padding=0, bias=True)
        self.spatial2 = Conv2d(2 * channels, channels, 3, padding=1, groups=channels, bias=True)
        self.spatial_skip = Conv2d(channels, channels, 1, padding=0, bias=True)
        self.spectral1 = Conv2d(channels, 2 * channels, 1, padding=0, bias=True)
        self.spectral2 = Conv2d(2 * channels, channels, 1, padding=0, bias=True)
        self.spectral_skip = Conv2d(channels, channels, 1, padding=0, bias=True)
        self.merge = Conv2d(2 * channels, channels, 1, padding=0, bias=True)
        self.gate = ChannelGate()

    def forward(self, x: Tensor) -> Tensor:
        spatial = leaky_relu(self.spatial2(leaky_relu(self.spatial1(x), 0.2)), 0.2)
        real, _ = rfft2(x)
        real = self.spectral2(gelu(self.spectral1(real)))
        spectral = irfft2(real, torch.full_like(real, 0.0), width=x.shape[3])
        spatial = spatial + self.spatial_skip(x)
        spectral = spectral + self.spectral_skip(x)
        return self.gate(self.merge(torch.cat([spatial, spectral], dim=1)))


class SpectralFilter(nn.Module):
    """Filters modulus and phase of the spectrum, (n, c, h, w) -> (n, c, h, w), not negative.

    The phase enters as a number from -pi to pi. The bias of phase2 has no effect: it turns a whole
    spectrum, and the result is a modulus.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.modulus1 = Conv2d(channels, channels, 1, padding=0, bias=True)
        self.modulus2 = Conv2d(channels, channels, 1, padding=0, bias=True)
        self.phase1 = Conv2d(channels, channels, 1, padding=0, bias=True)
        self.phase2 = Conv2d(channels, channels, 1, padding=0, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        real, imaginary = fft2(x)
        size = self.modulus2(leaky_relu(self.modulus1(modulus(real, imaginary)), 0.1))
        turn = self.phase2(leaky_relu(self.phase1(phase(real, imaginary)), 0.1))
        real, imaginary = ifft2(size * torch.cos(turn), size * torch.sin(turn))
        return modulus(real, imaginary)


class SpectralUp(nn.Module):
    """Twice the size by way of spectrum and space, (n, c, h, w) -> (n, c/2, 2h, 2w).

    The authors repeat the spectrum in both directions, which puts zeros between the pixels. Here
    the filtered map keeps its size until zeros are put between its pixels, after the 1x1
    convolutions that follow.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.half = channels // 2
        self.filter = SpectralFilter(channels)
        self.post = Conv2d(channels, self.half, 1, padding=0, bias=True)
        self.conv = Conv2d(channels, 2 * channels, 3, padding=1, bias=False)
        self.merge = Conv2d(channels, self.half, 1, padding=0, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.merge.weight[:, : self.half]
        spectral = conv1x1(conv1x1(self.filter(x), self.post.weight), weight)
        bias = conv1x1(self.post.bias.reshape(1, self.half, 1, 1), weight).reshape(self.half)
        spatial = pixel_shuffle(self.conv(x), 2)
        return zero_insert(spectral, 2) + conv1x1(spatial, self.merge.weight[:, self.half :], bias)


def blocks(count: int, channels: int, *, heads: int, hidden: int) -> nn.Sequential:
    """The transformer blocks of one stage."""
    attentions = [CascadedAttention(channels, heads=heads) for _ in range(count)]
    return nn.Sequential(*[Block(part, channels, hidden=hidden) for part in attentions])


class Spectroformer(nn.Module):
    """The whole network; see the module's docstring for shapes.

    No output depends on skip4, up4, enlarge, high and up5: they are in the published checkpoints,
    and are kept.
    """

    def __init__(self, spec: SpectroformerSpec):
        super().__init__()
        width1, width2, width3, width4 = spec.widths
        count1, count2, count3, count4 = spec.blocks
        heads1, heads2, heads3, heads4 = spec.heads
        hidden1, hidden2, hidden3, hidden4 = spec.hidden
        self.embed = Conv2d(3, width1, 3, padding=1, bias=False)
        self.encoder1 = blocks(count1, width1, heads=heads1, hidden=hidden1)
        self.encoder2 = blocks(count2, width2, heads=heads2, hidden=hidden2)
        self.encoder3 = blocks(count3, width3, heads=heads3, hidden=hidden3)
        self.encoder4 = blocks(count4, width4, heads=heads4, hidden=hidden4)
        self.down1 = Down(width1)
        self.down2 = Down(width2)
        self.down3 = Down(width3)
        self.up3 = SpectralUp(width4)
        self.up2 = SpectralUp(width3)
        self.up1 = SpectralUp(width2)
        self.skip3 = SkipFusion(width3)
        self.skip2 = SkipFusion(width2)
        self.skip1 = SkipFusion(width1)
        self.reduce3 = Conv2d(width4, width3, 1, padding=0, bias=False)
        self.reduce2 = Conv2d(width3, width2, 1, padding=0, bias=False)
        self.decoder3 = blocks(count3, width3, heads=heads3, hidden=hidden3)
        self.decoder2 = blocks(count2, width2, heads=heads2, hidden=hidden2)
        self.decoder1 = blocks(count1, width2, heads=heads1, hidden=hidden2)
        self.refinement = blocks(spec.refinement, width2, heads=heads1, hidden=hidden2)
        self.low = Conv2d(width2, 8, 3, padding=1, bias=False)
        self.image = Conv2d(8, 3, 3, padding=1, bias=False)
        self.skip4 = SkipFusion(width3)
        self.up4 = SpectralUp(3)
        self.enlarge = Up(width2)
        self.high = Conv2d(width1, 8, 3, padding=1, bias=False)
        self.up5 = Up(width1)

    def forward(self, image: Tensor) -> Tensor:
        level1 = self.encoder1(self.embed(image))
        level2 = self.encoder2(self.down1(level1))
        level3 = self.encoder3(self.down2(level2))
        level4 = self.encoder4(self.down3(level3))
        x = torch.cat([self.up3(level4), self.skip3(level3)], dim=1)
        x = self.decoder3(self.reduce3(x))
        x = torch.cat([self.up2(x), self.skip2(level2)], dim=1)
        x = self.decoder2(self.reduce2(x))
        x = torch.cat([self.up1(x), self.skip1(level1)], dim=1)
        x = self.refinement(self.decoder1(x))
        return self.image(self.low(x))
