"""Attention across scales: a map enlarged by what lies around similar places of it.

Source: Mei et al., "Image Super-Resolution with Cross-Scale Non-Local Attention and Exhaustive
Self-Exemplars Mining", CVPR 2020, arXiv 2006.01424, as in CiaoSR (Cao et al., CVPR 2023, arXiv
2212.04362).
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import (
    Conv2d,
    PReLU,
    downsample_bilinear,
    fold,
    materialize,
    matmul,
    pad_bottom_right,
    softmax,
)
from restoration.images.tiling import rounded_up

SHARPNESS = 10.0
SMALLEST_NORM = 1e-4
OVERLAPS = 6.0
TILE_PX = 48


class CrossScaleAttention(nn.Cell):
    """Each pixel is given what lies around similar places of the map reduced in size.

    (n, c, h, w) -> (n, c scales, h, w), each scale by itself.
    """

    def __init__(self, channels: int, scales: tuple[int, ...]):
        super().__init__()
        self.scales = scales
        self.query = Conv2d(channels, channels // 2, 1, padding=0, bias=True)
        self.query_activation = PReLU()
        self.key = Conv2d(channels, channels // 2, 1, padding=0, bias=True)
        self.key_activation = PReLU()
        self.value = Conv2d(channels, channels, 1, padding=0, bias=True)
        self.value_activation = PReLU()
        if 2 in scales:
            self.down2 = Conv2d(channels, channels, 3, stride=2, padding=1, bias=True)
        if 3 in scales:
            self.down3 = Conv2d(channels, channels, 3, stride=3, padding=1, bias=True)
        if 4 in scales:
            self.down4 = Conv2d(channels, channels, 3, stride=4, padding=1, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        results = []
        if 2 in self.scales:
            results.append(self.down2(self.enlarge(x, 2)))
        if 3 in self.scales:
            results.append(self.down3(self.enlarge(x, 3)))
        if 4 in self.scales:
            results.append(self.down4(self.enlarge(x, 4)))
        height, width = x.shape[2], x.shape[3]
        return ops.cat([y[:, :, :height, :width] for y in results], axis=1) / OVERLAPS

    def enlarge(self, x: Tensor, scale: int) -> Tensor:
        """The map enlarged with pieces of itself, (n, c, h, w) -> (n, c, s h', s w').

        h', w' are h, w rounded up to multiples of the scale.
        """
        height, width = rounded_up(x.shape[2], scale), rounded_up(x.shape[3], scale)
        x = pad_bottom_right(x, height, width, mode="reflect")
        values = self.value_activation(self.value(x))
        queries = self.query_activation(self.query(x))
        keys = self.key_activation(self.key(downsample_bilinear(x, scale)))
        keys = ops.unfold(keys, 3, stride=1, padding=1)
        # The floor is taken before the root, whose slope at 0 is infinite.
        norms = ops.sqrt(ops.clamp((keys * keys).sum(axis=1), min=SMALLEST_NORM**2))
        keys = keys / norms.reshape(keys.shape[0], 1, keys.shape[2])
        queries = ops.unfold(queries, 3, stride=1, padding=1)
        scores = matmul(queries.permute(0, 2, 1), keys)
        shares = softmax(SHARPNESS * scores, dim=2)
        pieces = ops.unfold(values, 3 * scale, stride=scale, padding=scale)
        found = matmul(pieces, shares.permute(0, 2, 1))
        return fold(found, scale * height, scale * width, 3 * scale, stride=scale, padding=scale)


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
            tiles.append(materialize(tile))
        lines.append(ops.cat(tiles, axis=3))
    return ops.cat(lines, axis=2)
