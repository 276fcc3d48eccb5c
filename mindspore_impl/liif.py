"""LIIF: the color at any place of an image, by an MLP over the features near it.

Source: Chen et al., "Learning Continuous Image Representation with Local Implicit Image Function",
CVPR 2021, arXiv 2012.09161.

Input: image (n, 3, h, w) in [-1, 1], and where to look for each query, as
`restoration/models/continuous.py` says. Output: colors (n, q, 3) in [-1, 1], not clamped.
"""

from __future__ import annotations

from mindspore import Tensor, ops

from mindspore_impl.continuous import MLP, Continuous, to_rows
from mindspore_impl.layers import (
    gather_rows,
    repeat_rows,
    scale_rows,
)
from restoration.models.liif import LIIFSpec


class LIIF(Continuous):
    """LIIF; see the module's docstring for shapes."""

    def __init__(self, spec: LIIFSpec):
        super().__init__(spec)
        self.unfold = spec.unfold
        self.cell = spec.cell
        known = (9 if spec.unfold else 1) * spec.encoder.channels
        self.render_network = MLP(known + 2 + (2 if spec.cell else 0), spec.hidden, 3)

    def latents(self, image: Tensor, cell: Tensor) -> list[Tensor]:
        """The first layer's result on the features."""
        features = self.encoder(image)
        if self.unfold:
            known = self.render_network.over_neighborhoods(features)
        else:
            known = self.render_network.over_pixels(features, 0)
        return [known, to_rows(image)]

    def colors(
        self, latents: list[Tensor], index: Tensor, offset: Tensor, weight: Tensor, cell: Tensor
    ) -> Tensor:
        """The local ensemble of what is rendered from each pixel near a query."""
        n, count, q, _ = offset.shape
        rest = offset.reshape(n * count * q, 2)
        if self.cell:
            rest = ops.cat([rest, repeat_rows(cell, count * q)], axis=1)
        x = self.render_network.start(gather_rows(latents[0], index.reshape(n * count * q)), rest)
        rgb = self.render_network.finish(x)
        rgb = scale_rows(rgb, weight.reshape(n * count * q, 1))
        return rgb.reshape(n, count, q, 3).sum(axis=1)
