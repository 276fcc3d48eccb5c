"""LIIF, LTE, CiaoSR: the color at any place of an image, by a network that runs for each place.

Sources: LIIF: Chen et al., "Learning Continuous Image Representation with Local Implicit Image
Function", CVPR 2021, arXiv 2012.09161. LTE: Lee and Jin, "Local Texture Estimator for Implicit
Representation Function", CVPR 2022, arXiv 2111.08918. CiaoSR: Cao et al., "Continuous Implicit
Attention-in-Attention Network for Arbitrary-Scale Image Super-Resolution", CVPR 2023, arXiv
2212.04362.

Input: image (n, 3, h, w) in [-1, 1], and where to look for each query, as
`restoration/models/continuous.py` says. Output: colors (n, q, 3) in [-1, 1], not clamped.
"""

from __future__ import annotations

import jittor as jt
from jittor import Var

from jittor_impl.layers import Conv2d, Linear, columns, repeat_rows, scale_rows, take_rows
from jittor_impl.lmf import (
    Continuous,
    CrossScaleAttention,
    Mlp,
    axes_apart,
    blend,
    fourier,
    neighborhoods,
    tiled,
    to_rows,
    weigh,
)
from restoration.models.ciaosr import CiaoSRSpec
from restoration.models.liif import LIIFSpec
from restoration.models.lte import LTESpec


class LIIF(Continuous):
    """LIIF; see the module's docstring for shapes."""

    def __init__(self, spec: LIIFSpec):
        super().__init__(spec)
        self.unfold = spec.unfold
        self.cell = spec.cell
        known = (9 if spec.unfold else 1) * spec.encoder.channels
        self.render_network = Mlp(known + 2 + (2 if spec.cell else 0), spec.hidden, 3)

    def latents(self, image: Var, cell: Var) -> list[Var]:
        """The first layer's result on the features."""
        features = self.encoder(image)
        if self.unfold:
            known = self.render_network.over_neighborhoods(features)
        else:
            known = self.render_network.over_pixels(features, 0)
        return [known, to_rows(image)]

    def colors(self, latents: list[Var], index: Var, offset: Var, weight: Var, cell: Var) -> Var:
        """The local ensemble of what is rendered from each pixel near a query."""
        n, count, q, _ = offset.shape
        rest = offset.reshape(n * count * q, 2)
        if self.cell:
            rest = jt.concat([rest, repeat_rows(cell, count * q)], dim=1)
        x = self.render_network.start(take_rows(latents[0], index.reshape(n * count * q)), rest)
        rgb = self.render_network.finish(x)
        rgb = scale_rows(rgb, weight.reshape(n * count * q, 1))
        return rgb.reshape(n, count, q, 3).sum(dim=1)


class LTE(Continuous):
    """LTE; see the module's docstring for shapes."""

    def __init__(self, spec: LTESpec):
        super().__init__(spec)
        channels, frequencies = spec.encoder.channels, spec.frequencies
        self.is_interleaved = spec.pairing == "interleaved"
        self.coefficients = Conv2d(channels, frequencies, 3, padding=1, bias=True)
        self.frequencies = Conv2d(channels, frequencies, 3, padding=1, bias=True)
        self.cell_phase = Linear(2, frequencies // 2, bias=False)
        self.render_network = Mlp(frequencies, spec.hidden, 3)

    def latents(self, image: Var, cell: Var) -> list[Var]:
        """The coefficients, and the frequencies of y and of x."""
        features = self.encoder(image)
        frequencies = to_rows(self.frequencies(features))
        if self.is_interleaved:
            frequencies = axes_apart(frequencies)
        along_y, along_x = columns(frequencies, 2)
        return [to_rows(self.coefficients(features)), along_y, along_x, to_rows(image)]

    def colors(self, latents: list[Var], index: Var, offset: Var, weight: Var, cell: Var) -> Var:
        """The local ensemble of what is rendered from each pixel near a query."""
        n, count, q, _ = offset.shape
        rows = index[:, :count].reshape(n * count * q)
        offset = offset.reshape(n * count * q, 2)
        phase = scale_rows(take_rows(latents[1], rows), offset[:, :1])
        phase = phase + scale_rows(take_rows(latents[2], rows), offset[:, 1:])
        phase = phase + repeat_rows(self.cell_phase(cell), count * q)
        rgb = self.render_network(fourier(take_rows(latents[0], rows), phase))
        rgb = scale_rows(rgb, weight[:, :count].reshape(n * count * q, 1))
        rgb = rgb.reshape(n, count, q, 3).sum(dim=1)
        return rgb + blend(latents[-1], index[:, count:], weight[:, count:])


class CiaoSR(Continuous):
    """CiaoSR; see the module's docstring for shapes."""

    def __init__(self, spec: CiaoSRSpec):
        super().__init__(spec)
        channels = spec.encoder.channels
        near, distant = 9 * channels, len(spec.scales) * channels
        self.temperature = spec.temperature
        self.near = near
        self.has_distant = distant > 0
        self.key = Mlp(near + 4, spec.hidden, near)
        self.value = Mlp(near + distant + 4, spec.hidden, near + distant)
        self.render_network = Mlp(near + distant, spec.hidden, 3)
        if distant > 0:
            self.attention = CrossScaleAttention(channels, spec.scales)

    def latents(self, image: Var, cell: Var) -> list[Var]:
        """Neighborhoods, with what is distant too, and the first layers' results on them."""
        features = self.encoder(image)
        near = neighborhoods(features)
        key = self.key.over_neighborhoods(features)
        value = self.value.over_neighborhoods(features)
        if not self.has_distant:
            return [near, near, key, value, to_rows(image)]
        distant = tiled(self.attention, features)
        value = value + self.value.over_pixels(distant, self.near)
        whole = jt.concat([near, to_rows(distant)], dim=1)
        return [near, whole, key, value, to_rows(image)]

    def colors(self, latents: list[Var], index: Var, offset: Var, weight: Var, cell: Var) -> Var:
        """What is rendered from the attention of a query's own pixel to those around."""
        n, count, q, _ = offset.shape
        near, whole, key_start, value_start, image = latents
        queries = take_rows(near, index[:, count].reshape(n * q))
        logits, values = [], []
        for i in range(count):
            rows = index[:, i].reshape(n * q)
            rest = jt.concat([offset[:, i].reshape(n * q, 2), repeat_rows(cell, q)], dim=1)
            key = self.key.finish(self.key.start(take_rows(key_start, rows), rest))
            value = self.value.finish(self.value.start(take_rows(value_start, rows), rest))
            logits.append((queries * take_rows(near, rows) * key).sum(dim=1) / self.temperature)
            values.append(take_rows(whole, rows) * value)
        rgb = self.render_network(weigh(logits, values))
        return rgb.reshape(n, q, 3) + blend(image, index[:, count + 1 :], weight)
