"""What networks for continuous super-resolution have in common: features, latents, queries, MLP.

A network works out once what depends on the image, its latents, and then renders each query, a
place between pixels, from the latents near it.

Input: image (n, 3, h, w) in [-1, 1], and where to look for each query, as
`restoration/models/continuous.py` says. Output: colors (n, q, 3) in [-1, 1], not clamped.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.edsr import EDSR
from mindspore_impl.layers import (
    Linear,
    conv2d,
    gather_rows,
    linear,
    materialize,
    scale_rows,
)
from mindspore_impl.rdn import RDN
from mindspore_impl.swinir import SwinIR
from restoration.models.continuous import ContinuousSpec
from restoration.models.encoder import EncoderSpec


def make_encoder(spec: EncoderSpec) -> nn.Cell:
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
    return ops.unfold(x, 3, stride=1, padding=1).permute(0, 2, 1).reshape(n * h * w, 9 * c)


def blend(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Weighted sum of k rows for each query, (r, c), 2 x (n, k, q) -> (n, q, c)."""
    n, count, q = index.shape
    found = gather_rows(rows, index.reshape(n * count * q))
    found = scale_rows(found, weight.reshape(n * count * q, 1))
    return found.reshape(n, count, q, rows.shape[1]).sum(axis=1)


class MLP(nn.Cell):
    """Linear layers, a ReLU after each but the last, (r, in) -> (r, out).

    Where many rows share their first columns, as queries share the features of a pixel, the first
    layer's work on those is done once: `over_neighborhoods` or `over_pixels`, `start`, `finish`.
    """

    def __init__(self, in_channels: int, hidden: tuple[int, ...], out_channels: int):
        super().__init__()
        widths = (in_channels, *hidden, out_channels)
        self.layers = nn.CellList(
            [Linear(widths[i], widths[i + 1], bias=True) for i in range(len(widths) - 1)]
        )

    def construct(self, x: Tensor) -> Tensor:
        return self.finish(self.layers[0](x))

    def over_neighborhoods(self, x: Tensor) -> Tensor:
        """The first layer's first columns on `neighborhoods`, (n, c, h, w) -> (n h w, hidden)."""
        channels = x.shape[1]
        weight = self.layers[0].weight[:, : 9 * channels]
        return to_rows(conv2d(x, weight.reshape(weight.shape[0], channels, 3, 3), padding=1))

    def over_pixels(self, x: Tensor, first: int) -> Tensor:
        """The first layer's columns from a place on, (n, c, h, w) -> (n h w, hidden)."""
        channels = x.shape[1]
        weight = self.layers[0].weight[:, first : first + channels]
        return to_rows(conv2d(x, weight.reshape(weight.shape[0], channels, 1, 1), padding=0))

    def start(self, shared: Tensor, rest: Tensor | None) -> Tensor:
        """The first layer's result from that on the first columns and from the last columns."""
        weight, bias = self.layers[0].weight, self.layers[0].bias
        if rest is None:
            return shared + bias
        return shared + linear(rest, weight[:, weight.shape[1] - rest.shape[1] :], bias)

    def finish(self, x: Tensor) -> Tensor:
        """What follows the first layer, given its result."""
        for i in range(1, len(self.layers)):
            x = self.layers[i](ops.relu(x))
        return x


class Continuous(nn.Cell):
    """Base of the networks: what depends on the image is worked out once, queries in chunks.

    `latents` gives arrays with a row per pixel, the image last; `colors` (n, q, 3) of queries.
    """

    def __init__(self, spec: ContinuousSpec):
        super().__init__()
        self.chunk = spec.chunk
        self.neighbors = spec.neighbors
        self.encoder = make_encoder(spec.encoder)

    def construct(
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
            chunks.append(materialize(chunk))
        return ops.cat(chunks, axis=1)
