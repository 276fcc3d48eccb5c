"""Phaseformer: a U-shaped transformer whose channels attend to each other by the phases of spectra.

Source: Khan, Negi, Kulkarni, Phutke, Vipparthi, Murala, "Phaseformer: Phase-based Attention
Mechanism for Underwater Image Restoration and Beyond", WACV 2025, arXiv 2412.01456.

Input: RGB image (n, 3, h, w) in [-1, 1] (the authors' weights) or [0, 1] (their followers'), h and
w multiples of 8. Output: two images of that range, not clamped, (n, 3, h, w) and (n, 3, 2h, 2w).
Levels 1 to 4 are full, half, quarter, eighth resolution, as published of 16, 32, 64, 128 channels.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import (
    Conv2d,
    LayerNorm2d,
    constant_parameter,
    conv1x1,
    conv2d,
    gelu,
    global_avg_pool,
    half_counts,
    irfft2,
    matmul,
    pad_to,
    pixel_shuffle,
    pixel_unshuffle,
    softmax,
    uniform_parameter,
    unit_spectrum,
)
from restoration.models.phaseformer import PhaseformerSpec


def phase_only(x: Tensor) -> Tensor:
    """The maps of the same phases, and of modulus 1 at every frequency, (n, c, h, w) -> the same.

    Each has the 2-norm 1. An empty frequency counts as phase 0. Rounding errors of frequencies that
    are almost empty become as large as any other number here: there is no accuracy where an image
    has next to nothing, as a constant image has at all frequencies but one.
    """
    real, imaginary = unit_spectrum(x)
    return irfft2(real, imaginary, width=x.shape[3])


def phase_rows(x: Tensor) -> Tensor:
    """Phases as numbers, (n, c, h, w) -> (n, c, 2 h (w/2 + 1)).

    The product of two such rows is that of the two maps' `phase_only`, by Parseval's theorem:
    nothing has to be transformed back.
    """
    n, c, h, w = x.shape
    # Half a spectrum stands for the whole: its inner columns occur twice.
    counts = half_counts(x, w)
    weights = ops.sqrt(ops.cat([counts, counts], axis=0) / (h * w))
    real, imaginary = unit_spectrum(x)
    return (ops.cat([real, imaginary], axis=3) * weights).reshape(n, c, -1)


class ChannelGate(nn.Cell):
    """Weights channels by the signs of their sums, (n, c, h, w) -> (n, c, h, w).

    The mean of a phase-only map, which the paper takes, is 1/(hw) with the sign of the map's sum:
    at usual sizes the gate is almost one half everywhere.
    """

    def __init__(self):
        super().__init__()
        self.weight = uniform_parameter((1, 1, 3), 3**-0.5)

    def construct(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        mean = global_avg_pool(x)
        level = ops.full_like(mean, 1 / (h * w))
        signs = ops.where(mean < 0, -level, level)
        signs = pad_to(signs.reshape(n, 1, 1, c), 1, c + 2)
        scores = conv2d(signs, self.weight.reshape(1, 1, 1, 3), padding=0)
        return x * ops.sigmoid(scores).reshape(n, c, 1, 1)


class PhaseAttention(nn.Cell):
    """Mixes the channels of each head by the likeness of their phases, (n, c, h, w) -> the same."""

    def __init__(self, channels: int, *, heads: int):
        super().__init__()
        self.heads = heads
        self.temperature = constant_parameter((1, heads, 1, 1), 1.0)
        self.expand = Conv2d(channels, 3 * channels, 1, padding=0, bias=False)
        self.local = Conv2d(
            3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False
        )
        self.project = Conv2d(channels, channels, 1, padding=0, bias=False)

    def construct(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k, v = ops.chunk(self.local(self.expand(x)), 3, axis=1)
        q = phase_rows(q).reshape(n, self.heads, c // self.heads, -1)
        k = phase_rows(k).reshape(n, self.heads, c // self.heads, -1)
        v = v.reshape(n, self.heads, c // self.heads, h * w)
        mixture = softmax(matmul(q, k, transpose_y=True) * self.temperature, dim=3)
        return self.project(matmul(mixture, v).reshape(n, c, h, w))


class FeedForward(nn.Cell):
    """Gated convolutions, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int, *, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.expand = Conv2d(channels, 2 * hidden, 1, padding=0, bias=False)
        self.local = Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.project = Conv2d(hidden, channels, 1, padding=0, bias=False)

    def construct(self, x: Tensor) -> Tensor:
        # One after the other: two arrays of half the size take less time and memory than a whole.
        wide, local = self.expand.weight, self.local.weight
        gate = conv1x1(x, wide[self.hidden :])
        gate = conv2d(gate, local[self.hidden :], padding=1, groups=self.hidden)
        x = conv1x1(x, wide[: self.hidden])
        x = conv2d(x, local[: self.hidden], padding=1, groups=self.hidden)
        return self.project(gelu(x) * gate)


class Block(nn.Cell):
    """Attention and feed-forward with residual connections, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, attention: nn.Cell, channels: int, *, hidden: int):
        super().__init__()
        self.norm1 = LayerNorm2d(channels, eps=1e-5)
        self.attention = attention
        self.norm2 = LayerNorm2d(channels, eps=1e-5)
        self.feed_forward = FeedForward(channels, hidden=hidden)

    def construct(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class Down(nn.Cell):
    """Half the size, twice the channels, (n, c, h, w) -> (n, 2c, h/2, w/2)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = Conv2d(channels, channels // 2, 3, padding=1, bias=False)

    def construct(self, x: Tensor) -> Tensor:
        return pixel_unshuffle(self.conv(x), 2)


class Up(nn.Cell):
    """Twice the size, half the channels, (n, c, h, w) -> (n, c/2, 2h, 2w)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = Conv2d(channels, 2 * channels, 3, padding=1, bias=False)

    def construct(self, x: Tensor) -> Tensor:
        return pixel_shuffle(self.conv(x), 2)


def blocks(count: int, channels: int, *, heads: int, hidden: int) -> nn.SequentialCell:
    """The transformer blocks of one stage."""
    attentions = [PhaseAttention(channels, heads=heads) for _ in range(count)]
    return nn.SequentialCell(*[Block(part, channels, hidden=hidden) for part in attentions])


class Phaseformer(nn.Cell):
    """The whole network; see the module's docstring for shapes.

    No output depends on gate4 and up4: they are in the published checkpoints, and are kept.
    """

    def __init__(self, spec: PhaseformerSpec):
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
        self.up3 = Up(width4)
        self.up2 = Up(width3)
        self.up1 = Up(width2)
        self.gate3 = ChannelGate()
        self.gate2 = ChannelGate()
        self.gate1 = ChannelGate()
        self.reduce3 = Conv2d(width4, width3, 1, padding=0, bias=False)
        self.reduce2 = Conv2d(width3, width2, 1, padding=0, bias=False)
        self.decoder3 = blocks(count3, width3, heads=heads3, hidden=hidden3)
        self.decoder2 = blocks(count2, width2, heads=heads2, hidden=hidden2)
        self.decoder1 = blocks(count1, width2, heads=heads1, hidden=hidden2)
        self.refinement = blocks(spec.refinement, width2, heads=heads1, hidden=hidden2)
        self.enlarge = Up(width2)
        self.low = Conv2d(width2, 8, 3, padding=1, bias=False)
        self.high = Conv2d(width1, 8, 3, padding=1, bias=False)
        self.image = Conv2d(8, 3, 3, padding=1, bias=False)
        self.gate4 = ChannelGate()
        self.up4 = Up(width1)

    def construct(self, image: Tensor) -> tuple[Tensor, Tensor]:
        level1 = self.encoder1(self.embed(image))
        level2 = self.encoder2(self.down1(level1))
        level3 = self.encoder3(self.down2(level2))
        level4 = self.encoder4(self.down3(level3))
        x = ops.cat([self.up3(level4), self.gate3(level3)], axis=1)
        x = self.decoder3(self.reduce3(x))
        x = ops.cat([self.up2(x), self.gate2(level2)], axis=1)
        x = self.decoder2(self.reduce2(x))
        x = ops.cat([self.up1(x), self.gate1(level1)], axis=1)
        x = self.refinement(self.decoder1(x))
        return self.image(self.low(x)), self.image(self.high(self.enlarge(x)))
