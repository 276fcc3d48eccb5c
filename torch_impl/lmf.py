"""LM-LIIF, LM-LTE, LM-CiaoSR: the color at any place of an image, at little cost per place.

Source: He and Jin, "Latent Modulated Function for Computational Optimal Continuous Image
Representation", CVPR 2024, arXiv 2404.16451. A network per pixel of the image gives a code and the
modulations of a small network, which renders each query. Attention across scales: Mei et al., CVPR
2020, arXiv 2006.01424, as in CiaoSR (Cao et al., CVPR 2023, arXiv 2212.04362).

Input: image (n, 3, h, w) in [-1, 1], and where to look for each query, as
`restoration/models/continuous.py` says. Output: colors (n, q, 3) in [-1, 1], not clamped.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restoration.models.continuous import ContinuousSpec
from restoration.models.encoder import EncoderSpec
from restoration.models.lmf import LMCiaoSRSpec, LMLIIFSpec, LMLTESpec, ModulatedSpec
from torch_impl.edsr import EDSR
from torch_impl.layers import (
    Conv2d,
    Linear,
    PRelu,
    batched_matmul,
    columns,
    convolve,
    cos_sin,
    downsample_bilinear,
    fill_map,
    linear,
    modulate_rows,
    overlay,
    pad_bottom_right,
    patches,
    repeat_rows,
    scale_rows,
    settle,
    softmax,
    take_rows,
)
from torch_impl.rdn import RDN
from torch_impl.swinir import SwinIR

SHARPNESS = 10.0
SMALLEST_NORM = 1e-4
OVERLAPS = 6.0
TILE_PX = 48


def make_encoder(spec: EncoderSpec) -> nn.Module:
    """The encoder that a spec names."""
    networks = {"edsr": EDSR, "rdn": RDN, "swinir": SwinIR}
    return networks[spec.module](spec)


def to_rows(x: Tensor) -> Tensor:
    """A row per pixel, (n, c, h, w) -> (n h w, c)."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n * h * w, c)


def neighborhoods(x: Tensor) -> Tensor:
    """Each pixel's 3x3 neighbors, zeros outside, (n, c, h, w) -> (n h w, 9 c), 9 per channel."""
    n, c, h, w = x.shape
    return patches(x, 3, stride=1, padding=1).permute(0, 2, 1).reshape(n * h * w, 9 * c)


def blend(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Weighted sum of k rows for each query, (r, c), 2 x (n, k, q) -> (n, q, c)."""
    n, count, q = index.shape
    found = take_rows(rows, index.reshape(n * count * q))
    found = scale_rows(found, weight.reshape(n * count * q, 1))
    return found.reshape(n, count, q, rows.shape[1]).sum(dim=1)


def fourier(coefficients: Tensor, phase: Tensor) -> Tensor:
    """Half of the coefficients times cosines, half times sines, (r, k), (r, k/2) -> (r, k)."""
    return coefficients * cos_sin(math.pi * phase)


def weigh(logits: list[Tensor], values: list[Tensor]) -> Tensor:
    """Values by the softmax of their logits, k x (r), k x (r, c) -> (r, c)."""
    shares = softmax(torch.stack(logits, dim=1), axis=1)
    total = scale_rows(values[0], shares[:, 0:1])
    for i in range(1, len(values)):
        total = total + scale_rows(values[i], shares[:, i : i + 1])
    return total


def axes_apart(frequencies: Tensor) -> Tensor:
    """Pairs of frequencies of y and x as all of y, then all of x, (r, k) -> (r, k)."""
    r, k = frequencies.shape
    return frequencies.reshape(r, k // 2, 2).permute(0, 2, 1).reshape(r, k)


class Mlp(nn.Module):
    """Perceptron with a ReLU after each hidden layer, (r, in) -> (r, out).

    Where many rows share their first columns, as queries share the features of a pixel, the first
    layer's work on those is done once: `over_neighborhoods` or `over_pixels`, `start`, `finish`.
    """

    def __init__(self, in_channels: int, hidden: tuple[int, ...], out_channels: int):
        super().__init__()
        widths = (in_channels, *hidden, out_channels)
        self.layers = nn.ModuleList(
            [Linear(widths[i], widths[i + 1], bias=True) for i in range(len(widths) - 1)]
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.layers[0](x))

    def over_neighborhoods(self, x: Tensor) -> Tensor:
        """The first layer's first columns on `neighborhoods`, (n, c, h, w) -> (n h w, hidden)."""
        channels = x.shape[1]
        weight = self.layers[0].weight[:, : 9 * channels]
        return to_rows(convolve(x, weight.reshape(weight.shape[0], channels, 3, 3), padding=1))

    def over_pixels(self, x: Tensor, first: int) -> Tensor:
        """The first layer's columns from a place on, (n, c, h, w) -> (n h w, hidden)."""
        channels = x.shape[1]
        weight = self.layers[0].weight[:, first : first + channels]
        return to_rows(convolve(x, weight.reshape(weight.shape[0], channels, 1, 1), padding=0))

    def start(self, shared: Tensor, rest: Tensor | None) -> Tensor:
        """The first layer's result from that on the first columns and from the last columns."""
        weight, bias = self.layers[0].weight, self.layers[0].bias
        if rest is None:
            return shared + bias
        return shared + linear(rest, weight[:, weight.shape[1] - rest.shape[1] :], bias)

    def finish(self, x: Tensor) -> Tensor:
        """What follows the first layer, given its result."""
        for i in range(1, len(self.layers)):
            x = self.layers[i](F.relu_(x))
        return x


class RenderNetwork(nn.Module):
    """Perceptron whose hidden layers are modulated before their ReLU, (r, in) -> (r, 3).

    The modulations are rows of maps, one map (pixels, width) per layer and kind: first all factors,
    then all offsets. `rows` tells each query's pixel.
    """

    def __init__(self, in_channels: int, spec: ModulatedSpec):
        super().__init__()
        self.depth = spec.depth
        self.has_gain = "scale" in spec.modulation
        self.has_shift = "shift" in spec.modulation
        widths = (in_channels, *[spec.width] * spec.depth, 3)
        self.layers = nn.ModuleList(
            [Linear(widths[i], widths[i + 1], bias=True) for i in range(spec.depth + 1)]
        )

    def forward(self, x: Tensor, rows: Tensor, maps: list[Tensor]) -> Tensor:
        for i in range(self.depth):
            x = self.layers[i](x)
            if self.has_gain and self.has_shift:
                x = modulate_rows(x, maps[i], maps[self.depth + i], rows)
            elif self.has_gain:
                x = x * take_rows(maps[i], rows)
            elif self.has_shift:
                x = x + take_rows(maps[i], rows)
            x = F.relu_(x)
        return self.layers[self.depth](x)


class CrossScaleAttention(nn.Module):
    """Each pixel is given what lies around similar places of the map reduced in size.

    (n, c, h, w) -> (n, c scales, h, w), each scale by itself.
    """

    def __init__(self, channels: int, scales: tuple[int, ...]):
        super().__init__()
        self.scales = scales
        self.query = Conv2d(channels, channels // 2, 1, padding=0, bias=True)
        self.query_activation = PRelu()
        self.key = Conv2d(channels, channels // 2, 1, padding=0, bias=True)
        self.key_activation = PRelu()
        self.value = Conv2d(channels, channels, 1, padding=0, bias=True)
        self.value_activation = PRelu()
        if 2 in scales:
            self.down2 = Conv2d(channels, channels, 3, stride=2, padding=1, bias=True)
        if 3 in scales:
            self.down3 = Conv2d(channels, channels, 3, stride=3, padding=1, bias=True)
        if 4 in scales:
            self.down4 = Conv2d(channels, channels, 3, stride=4, padding=1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        results = []
        if 2 in self.scales:
            results.append(self.down2(self.enlarge(x, 2)))
        if 3 in self.scales:
            results.append(self.down3(self.enlarge(x, 3)))
        if 4 in self.scales:
            results.append(self.down4(self.enlarge(x, 4)))
        height, width = x.shape[2], x.shape[3]
        return torch.cat([y[:, :, :height, :width] for y in results], dim=1) / OVERLAPS

    def enlarge(self, x: Tensor, scale: int) -> Tensor:
        """The map enlarged with pieces of itself, (n, c, h, w) -> (n, c, s h', s w').

        h', w' are h, w rounded up to multiples of the scale.
        """
        height, width = -(-x.shape[2] // scale) * scale, -(-x.shape[3] // scale) * scale
        x = pad_bottom_right(x, height, width, mode="reflect")
        values = self.value_activation(self.value(x))
        queries = self.query_activation(self.query(x))
        keys = self.key_activation(self.key(downsample_bilinear(x, scale)))
        keys = patches(keys, 3, stride=1, padding=1)
        # The floor is taken before the root, whose slope at 0 is infinite.
        norms = torch.sqrt(torch.clamp((keys * keys).sum(dim=1), min=SMALLEST_NORM**2))
        keys = keys / norms.reshape(keys.shape[0], 1, keys.shape[2])
        queries = patches(queries, 3, stride=1, padding=1)
        scores = batched_matmul(queries.permute(0, 2, 1), keys)
        shares = softmax(SHARPNESS * scores, axis=2)
        pieces = patches(values, 3 * scale, stride=scale, padding=scale)
        found = batched_matmul(pieces, shares.permute(0, 2, 1))
        return overlay(found, scale * height, scale * width, 3 * scale, stride=scale, padding=scale)


def tiled(attention: CrossScaleAttention, x: Tensor) -> Tensor:
    """Attention on tiles of a map that is large; each sees one pixel around itself."""
    height, width = x.shape[2], x.shape[3]
    if height * width <= TILE_PX**2:
        return attention(x)
    down, across = max(height // TILE_PX, 1), max(width // TILE_PX, 1)
    lines = []
    for row in range(down):
        top = row * TILE_PX
        bottom = height if row == down - 1 else top + TILE_PX
        first, last = max(top - 1, 0), min(bottom + 1, height)
        tiles = []
        for column in range(across):
            left = column * TILE_PX
            right = width if column == across - 1 else left + TILE_PX
            start, stop = max(left - 1, 0), min(right + 1, width)
            tile = attention(x[:, :, first:last, start:stop])
            tile = tile[:, :, top - first : bottom - first, left - start : right - start]
            tiles.append(settle(tile))
        lines.append(torch.cat(tiles, dim=3))
    return torch.cat(lines, dim=2)


class Continuous(nn.Module):
    """Base of the networks: what depends on the image is worked out once, queries in chunks.

    `latents` gives arrays with a row per pixel, the image last; `colors` (n, q, 3) of queries.
    """

    def __init__(self, spec: ContinuousSpec):
        super().__init__()
        self.chunk = spec.chunk
        self.neighbors = spec.neighbors
        self.encoder = make_encoder(spec.encoder)

    def forward(
        self, image: Tensor, index: Tensor, offset: Tensor, weight: Tensor, cell: Tensor
    ) -> Tensor:
        return self.render(self.latents(image, cell), index, offset, weight, cell)

    def render(
        self, latents: list[Tensor], index: Tensor, offset: Tensor, weight: Tensor, cell: Tensor
    ) -> Tensor:
        """Colors of queries, whatever their number, (n, q, 3)."""
        q = index.shape[2]
        if q <= self.chunk:
            return self.colors(latents, index, offset, weight, cell)
        chunks = []
        for start in range(0, q, self.chunk):
            stop = min(start + self.chunk, q)
            chunk = self.colors(
                latents,
                index[:, :, start:stop],
                offset[:, :, start:stop],
                weight[:, :, start:stop],
                cell,
            )
            chunks.append(settle(chunk))
        return torch.cat(chunks, dim=1)


class Modulated(Continuous):
    """Base of the LMF models: a render network, modulated per pixel.

    Its latents are the maps of `RenderNetwork`, then the code that it starts from.
    """

    def __init__(self, spec: ModulatedSpec, in_channels: int):
        super().__init__(spec)
        self.width = spec.width
        self.depth = spec.depth
        self.maps = spec.modulations // spec.width
        self.compress = spec.compress
        self.has_gain = "scale" in spec.modulation
        self.has_skip = spec.has_skip
        self.render_network = RenderNetwork(in_channels, spec)

    def split(self, latent: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Maps for the render network, and the code's blocks, all (pixels, width)."""
        gains = self.depth * self.width if self.has_gain else 0
        maps = []
        if self.has_gain:
            maps = [1 + block for block in columns(latent[:, :gains], self.depth)]
        if latent.shape[1] == gains:
            return maps, []
        blocks = columns(latent[:, gains:], (latent.shape[1] - gains) // self.width)
        shifts = self.maps - len(maps)
        return maps + blocks[:shifts], blocks[shifts:]

    def strength(self, latents: list[Tensor]) -> Tensor:
        """How strongly each pixel is modulated: the mean absolute offset, (pixels, 1)."""
        total = latents[self.maps // 2].abs().mean(dim=1)
        for i in range(self.maps // 2 + 1, self.maps):
            total = total + latents[i].abs().mean(dim=1)
        return total / (self.maps - self.maps // 2)

    def colors(
        self, latents: list[Tensor], index: Tensor, offset: Tensor, weight: Tensor, cell: Tensor
    ) -> Tensor:
        """The local ensemble of what is rendered from each pixel near a query."""
        n, count, q, _ = offset.shape
        rows = index[:, :count].reshape(n * count * q)
        x = self.describe(latents, rows, offset.reshape(n * count * q, 2), cell)
        rgb = self.render_network(x, rows, latents[: self.maps])
        rgb = scale_rows(rgb, weight[:, :count].reshape(n * count * q, 1))
        rgb = rgb.reshape(n, count, q, 3).sum(dim=1)
        if not self.has_skip:
            return rgb
        return rgb + blend(latents[-1], index[:, count:], weight[:, count:])


class LMLIIF(Modulated):
    """LM-LIIF; see the module's docstring for shapes."""

    def __init__(self, spec: LMLIIFSpec):
        channels = spec.encoder.channels
        code = spec.width if spec.compress else channels
        super().__init__(spec, code + 2 + (2 if spec.cell else 0))
        self.unfold = spec.unfold
        self.cell = spec.cell
        self.modulator = Mlp(
            (9 if spec.unfold else 1) * channels + (2 if spec.cell else 0),
            (spec.latent_width,),
            spec.modulations + (spec.width if spec.compress else 0),
        )

    def latents(self, image: Tensor, cell: Tensor) -> list[Tensor]:
        """Modulations, and the code."""
        features = self.encoder(image)
        pixels = features.shape[2] * features.shape[3]
        if self.unfold:
            x = self.modulator.over_neighborhoods(features)
        else:
            x = self.modulator.over_pixels(features, 0)
        x = self.modulator.start(x, repeat_rows(cell, pixels) if self.cell else None)
        maps, code = self.split(self.modulator.finish(x))
        code = code[0] if self.compress else to_rows(features)
        return [*maps, code, to_rows(image)]

    def describe(self, latents: list[Tensor], rows: Tensor, offset: Tensor, cell: Tensor) -> Tensor:
        """What the render network starts from, (r, in)."""
        parts = [take_rows(latents[self.maps], rows), offset]
        if self.cell:
            parts.append(repeat_rows(cell, rows.shape[0] // cell.shape[0]))
        return torch.cat(parts, dim=1)


class LMLTE(Modulated):
    """LM-LTE; see the module's docstring for shapes."""

    def __init__(self, spec: LMLTESpec):
        channels, frequencies = spec.encoder.channels, spec.frequencies
        super().__init__(spec, spec.width if spec.compress else frequencies)
        self.cell = spec.cell
        self.coefficients = Conv2d(channels, frequencies, 3, padding=1, bias=True)
        self.frequencies = Conv2d(channels, frequencies, 3, padding=1, bias=True)
        self.cell_phase = Linear(2, frequencies // 2, bias=False)
        self.modulator = Mlp(
            frequencies,
            (spec.latent_width,),
            spec.modulations + (2 * spec.width if spec.compress else 0),
        )
        if spec.compress:
            self.render_cell_phase = Linear(2, spec.width // 2, bias=False)

    def latents(self, image: Tensor, cell: Tensor) -> list[Tensor]:
        """Modulations, the coefficients, and the frequencies of y and of x."""
        features = self.encoder(image)
        maps, code = self.split(self.modulator(self.wave(features, cell)))
        if self.compress:
            spectrum = [code[0], *columns(axes_apart(code[1]), 2)]
        else:
            spectrum = self.spectrum(features)
        return [*maps, *spectrum, to_rows(image)]

    def spectrum(self, features: Tensor) -> list[Tensor]:
        """Coefficients (pixels, k), and frequencies of y and of x, both (pixels, k/2)."""
        return [to_rows(self.coefficients(features)), *self.directions(features)]

    def directions(self, features: Tensor) -> list[Tensor]:
        """Frequencies of y and of x, both (pixels, k/2)."""
        return columns(axes_apart(to_rows(self.frequencies(features))), 2)

    def wave(self, features: Tensor, cell: Tensor) -> Tensor:
        """The Fourier features half a pixel away from each pixel, (pixels, k)."""
        phase = self.diagonal(features)
        if self.cell:
            pixels = features.shape[2] * features.shape[3]
            phase = phase + repeat_rows(self.cell_phase(cell), pixels)
        return fourier(to_rows(self.coefficients(features)), phase)

    def diagonal(self, features: Tensor) -> Tensor:
        """The sum of both frequencies, (pixels, k/2)."""
        along_y, along_x = self.directions(features)
        return along_y + along_x

    def describe(self, latents: list[Tensor], rows: Tensor, offset: Tensor, cell: Tensor) -> Tensor:
        """What the render network starts from, (r, in)."""
        along_y, along_x = latents[self.maps + 1], latents[self.maps + 2]
        phase = scale_rows(take_rows(along_y, rows), offset[:, :1])
        phase = phase + scale_rows(take_rows(along_x, rows), offset[:, 1:])
        if self.cell:
            phases = self.render_cell_phase(cell) if self.compress else self.cell_phase(cell)
            phase = phase + repeat_rows(phases, rows.shape[0] // cell.shape[0])
        return fourier(take_rows(latents[self.maps], rows), phase)


class LMCiaoSR(Modulated):
    """LM-CiaoSR; see the module's docstring for shapes."""

    def __init__(self, spec: LMCiaoSRSpec):
        channels = spec.encoder.channels
        code = 2 * spec.width if spec.compress else 5 * channels
        super().__init__(spec, code + 2)
        self.temperature = spec.temperature
        self.as_published = spec.as_published
        self.steps = ((-1, -1), (-1, 1), (1, -1), (1, 1)) if spec.ensemble else ((0, 0),)
        self.attention = CrossScaleAttention(channels, (spec.scale,))
        self.query = Mlp(9 * channels, (spec.hidden,), 4 * channels)
        self.key = Mlp(4 * channels + 4, (spec.hidden,), 4 * channels)
        self.value = Mlp(5 * channels + 4, (spec.hidden,), 5 * channels)
        self.modulator = Mlp(
            5 * channels,
            (spec.latent_width,),
            spec.modulations + (2 * spec.width if spec.compress else 0),
        )

    def latents(self, image: Tensor, cell: Tensor) -> list[Tensor]:
        """Modulations, and the code."""
        features = self.encoder(image)
        attended = self.attend(features, cell)
        maps, code = self.split(self.modulator(attended))
        code = torch.cat(code, dim=1) if self.compress else attended
        return [*maps, code, to_rows(image)]

    def attend(self, features: Tensor, cell: Tensor) -> Tensor:
        """Attention of each pixel over its four quarters, (n, c, h, w), (n, 2) -> (n h w, 5 c)."""
        height, width = features.shape[2], features.shape[3]
        distant = to_rows(tiled(self.attention, features))
        near = neighborhoods(features)
        queries = self.query(near)
        if not self.as_published:
            pixels, length = near.shape
            near = near.reshape(pixels, length // 9, 9).permute(0, 2, 1).reshape(pixels, length)
        blocks = columns(near, 9)
        logits, values = [], []
        for first, second in self.steps:
            # Published weights were trained with the two axes exchanged here, but not in `rest`,
            # where the step is divided by the size though it is in half pixels already.
            y, x = (second, first) if self.as_published else (first, second)
            corner = 3 * max(y, 0) + max(x, 0)
            near = torch.cat([blocks[corner + place] for place in (0, 1, 3, 4)], dim=1)
            by_y, by_x = (height, width) if self.as_published else (1, 1)
            rest = torch.cat(
                [fill_map(cell[:, :1], -first / by_y), fill_map(cell[:, :1], -second / by_x), cell],
                dim=1,
            )
            rest = repeat_rows(rest, height * width)
            key = near * self.key(torch.cat([near, rest], dim=1))
            value = torch.cat([near, distant], dim=1)
            values.append(value * self.value(torch.cat([value, rest], dim=1)))
            logits.append((queries * key).sum(dim=1) / self.temperature)
        return weigh(logits, values)

    def describe(self, latents: list[Tensor], rows: Tensor, offset: Tensor, cell: Tensor) -> Tensor:
        """What the render network starts from, (r, in)."""
        return torch.cat([take_rows(latents[self.maps], rows), offset], dim=1)
