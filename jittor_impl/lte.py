"""LTE: the color at any place of an image, by an MLP over local Fourier features.

Source: Lee and Jin, "Local Texture Estimator for Implicit Representation Function", CVPR 2022,
arXiv 2111.08918.

Input: image (n, 3, h, w) in [-1, 1], and where to look for each query, as
`restoration/models/continuous.py` says. Output: colors (n, q, 3) in [-1, 1], not clamped.
"""

from __future__ import annotations

import math

from jittor import Var

from jittor_impl.continuous import MLP, Continuous, blend, to_rows
from jittor_impl.layers import (
    Conv2d,
    Linear,
    chunk_columns,
    cos_sin,
    gather_rows,
    repeat_rows,
    scale_rows,
)
from restoration.models.lte import LTESpec


def fourier(coefficients: Var, phase: Var) -> Var:
    """Half of the coefficients times cosines, half times sines, (r, k), (r, k/2) -> (r, k)."""
    return coefficients * cos_sin(math.pi * phase)


def axes_apart(frequencies: Var) -> Var:
    """Pairs of frequencies of y and x as all of y, then all of x, (r, k) -> (r, k)."""
    r, k = frequencies.shape
    return frequencies.reshape(r, k // 2, 2).permute(0, 2, 1).reshape(r, k)


class LTE(Continuous):
    """LTE; see the module's docstring for shapes."""

    def __init__(self, spec: LTESpec):
        super().__init__(spec)
        channels, frequencies = spec.encoder.channels, spec.frequencies
        self.is_interleaved = spec.pairing == "interleaved"
        self.coefficients = Conv2d(channels, frequencies, 3, padding=1, bias=True)
        self.frequencies = Conv2d(channels, frequencies, 3, padding=1, bias=True)
        self.cell_phase = Linear(2, frequencies // 2, bias=False)
        self.render_network = MLP(frequencies, spec.hidden, 3)

    def latents(self, image: Var, cell: Var) -> list[Var]:
        """The coefficients, and the frequencies of y and of x."""
        features = self.encoder(image)
        frequencies = to_rows(self.frequencies(features))
        if self.is_interleaved:
            frequencies = axes_apart(frequencies)
        along_y, along_x = chunk_columns(frequencies, 2)
        return [to_rows(self.coefficients(features)), along_y, along_x, to_rows(image)]

    def colors(self, latents: list[Var], index: Var, offset: Var, weight: Var, cell: Var) -> Var:
        """The local ensemble of what is rendered from each pixel near a query."""
        n, count, q, _ = offset.shape
        rows = index[:, :count].reshape(n * count * q)
        offset = offset.reshape(n * count * q, 2)
        phase = scale_rows(gather_rows(latents[1], rows), offset[:, :1])
        phase = phase + scale_rows(gather_rows(latents[2], rows), offset[:, 1:])
        phase = phase + repeat_rows(self.cell_phase(cell), count * q)
        rgb = self.render_network(fourier(gather_rows(latents[0], rows), phase))
        rgb = scale_rows(rgb, weight[:, :count].reshape(n * count * q, 1))
        rgb = rgb.reshape(n, count, q, 3).sum(dim=1)
        return rgb + blend(latents[-1], index[:, count:], weight[:, count:])
