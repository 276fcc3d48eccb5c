"""CiaoSR: the color at any place of an image, by attention near it and across scales.

Source: Cao et al., "Continuous Implicit Attention-in-Attention Network for Arbitrary-Scale Image
Super-Resolution", CVPR 2023, arXiv 2212.04362.

Input: image (n, 3, h, w) in [-1, 1], and where to look for each query, as
`restoration/models/continuous.py` says. Output: colors (n, q, 3) in [-1, 1], not clamped.
"""

from __future__ import annotations

from mindspore import Tensor, ops

from mindspore_impl.continuous import MLP, Continuous, blend, neighborhoods, to_rows
from mindspore_impl.cross_scale_attention import CrossScaleAttention, tiled
from mindspore_impl.layers import (
    gather_rows,
    repeat_rows,
    scale_rows,
    softmax,
)
from restoration.models.ciaosr import CiaoSRSpec


def weigh(logits: list[Tensor], values: list[Tensor]) -> Tensor:
    """Values by the softmax of their logits, k x (r), k x (r, c) -> (r, c)."""
    shares = softmax(ops.stack(logits, axis=1), dim=1)
    total = scale_rows(values[0], shares[:, 0:1])
    for i in range(1, len(values)):
        total = total + scale_rows(values[i], shares[:, i : i + 1])
    return total


class CiaoSR(Continuous):
    """CiaoSR; see the module's docstring for shapes."""

    def __init__(self, spec: CiaoSRSpec):
        super().__init__(spec)
        channels = spec.encoder.channels
        near, distant = 9 * channels, len(spec.scales) * channels
        self.temperature = spec.temperature
        self.near = near
        self.has_distant = distant > 0
        self.key = MLP(near + 4, spec.hidden, near)
        self.value = MLP(near + distant + 4, spec.hidden, near + distant)
        self.render_network = MLP(near + distant, spec.hidden, 3)
        if distant > 0:
            self.attention = CrossScaleAttention(channels, spec.scales)

    def latents(self, image: Tensor, cell: Tensor) -> list[Tensor]:
        """Neighborhoods, with what is distant too, and the first layers' results on them."""
        features = self.encoder(image)
        near = neighborhoods(features)
        key = self.key.over_neighborhoods(features)
        value = self.value.over_neighborhoods(features)
        if not self.has_distant:
            return [near, near, key, value, to_rows(image)]
        distant = tiled(self.attention, features)
        value = value + self.value.over_pixels(distant, self.near)
        whole = ops.cat([near, to_rows(distant)], axis=1)
        return [near, whole, key, value, to_rows(image)]

    def colors(
        self, latents: list[Tensor], index: Tensor, offset: Tensor, weight: Tensor, cell: Tensor
    ) -> Tensor:
        """What is rendered from the attention of a query's own pixel to those around."""
        n, count, q, _ = offset.shape
        near, whole, key_start, value_start, image = latents
        queries = gather_rows(near, index[:, count].reshape(n * q))
        logits, values = [], []
        for i in range(count):
            rows = index[:, i].reshape(n * q)
            rest = ops.cat([offset[:, i].reshape(n * q, 2), repeat_rows(cell, q)], axis=1)
            key = self.key.finish(self.key.start(gather_rows(key_start, rows), rest))
            value = self.value.finish(self.value.start(gather_rows(value_start, rows), rest))
            logits.append((queries * gather_rows(near, rows) * key).sum(axis=1) / self.temperature)
            values.append(gather_rows(whole, rows) * value)
        rgb = self.render_network(weigh(logits, values))
        return rgb.reshape(n, q, 3) + blend(image, index[:, count + 1 :], weight)
