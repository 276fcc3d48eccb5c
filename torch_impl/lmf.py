"""LM-LIIF, LM-LTE, LM-CiaoSR: the color at any place of an image, at little cost per place.

Source: He and Jin, "Latent Modulated Function for Computational Optimal Continuous Image
Representation", CVPR 2024, arXiv 2404.16451. A network per pixel of the image gives a code and the
modulations of a small network, which renders each query.

Input: image (n, 3, h, w) in [-1, 1], and where to look for each query, as
`restoration/models/continuous.py` says. Output: colors (n, q, 3) in [-1, 1], not clamped.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restoration.models.lmf import LMCiaoSRSpec, LMLIIFSpec, LMLTESpec, ModulatedSpec
from torch_impl.ciaosr import weigh
from torch_impl.continuous import MLP, Continuous, blend, neighborhoods, to_rows
from torch_impl.cross_scale_attention import CrossScaleAttention, tiled
from torch_impl.layers import (
    Conv2d,
    Linear,
    chunk_columns,
    gather_rows,
    modulate_rows,
    repeat_rows,
    scale_rows,
)
from torch_impl.lte import axes_apart, fourier


class RenderNetwork(nn.Module):
    """An MLP whose hidden layers are modulated before their ReLU, (r, in) -> (r, 3).

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
                x = x * gather_rows(maps[i], rows)
            elif self.has_shift:
                x = x + gather_rows(maps[i], rows)
            x = F.relu_(x)
        return self.layers[self.depth](x)


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
            maps = [1 + block for block in chunk_columns(latent[:, :gains], self.depth)]
        if latent.shape[1] == gains:
            return maps, []
        blocks = chunk_columns(latent[:, gains:], (latent.shape[1] - gains) // self.width)
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
        self.modulator = MLP(
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
        parts = [gather_rows(latents[self.maps], rows), offset]
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
        self.modulator = MLP(
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
            spectrum = [code[0], *chunk_columns(axes_apart(code[1]), 2)]
        else:
            spectrum = self.spectrum(features)
        return [*maps, *spectrum, to_rows(image)]

    def spectrum(self, features: Tensor) -> list[Tensor]:
        """Coefficients (pixels, k), and frequencies of y and of x, both (pixels, k/2)."""
        return [to_rows(self.coefficients(features)), *self.directions(features)]

    def directions(self, features: Tensor) -> list[Tensor]:
        """Frequencies of y and of x, both (pixels, k/2)."""
        return chunk_columns(axes_apart(to_rows(self.frequencies(features))), 2)

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
        phase = scale_rows(gather_rows(along_y, rows), offset[:, :1])
        phase = phase + scale_rows(gather_rows(along_x, rows), offset[:, 1:])
        if self.cell:
            phases = self.render_cell_phase(cell) if self.compress else self.cell_phase(cell)
            phase = phase + repeat_rows(phases, rows.shape[0] // cell.shape[0])
        return fourier(gather_rows(latents[self.maps], rows), phase)


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
        self.query = MLP(9 * channels, (spec.hidden,), 4 * channels)
        self.key = MLP(4 * channels + 4, (spec.hidden,), 4 * channels)
        self.value = MLP(5 * channels + 4, (spec.hidden,), 5 * channels)
        self.modulator = MLP(
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
        blocks = chunk_columns(near, 9)
        logits, values = [], []
        for first, second in self.steps:
            # Published weights were trained with the two axes exchanged here, but not in `rest`,
            # where the step is divided by the size though it is in half pixels already.
            y, x = (second, first) if self.as_published else (first, second)
            corner = 3 * max(y, 0) + max(x, 0)
            near = torch.cat([blocks[corner + place] for place in (0, 1, 3, 4)], dim=1)
            by_y, by_x = (height, width) if self.as_published else (1, 1)
            rest = torch.cat(
                [
                    torch.full_like(cell[:, :1], -first / by_y),
                    torch.full_like(cell[:, :1], -second / by_x),
                    cell,
                ],
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
        return torch.cat([gather_rows(latents[self.maps], rows), offset], dim=1)
