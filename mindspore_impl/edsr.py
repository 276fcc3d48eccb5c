"""EDSR: residual blocks without normalization, an encoder for continuous super-resolution.

Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR
Workshops 2017, arXiv 1707.02921.

Input: image (n, 3, h, w) in [-1, 1], of any size. Output: features (n, width, h, w), or with a
scale an image (n, 3, scale h, scale w), not clamped.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import Conv2d, pixel_shuffle
from restoration.models.edsr import EDSRSpec


class ResidualBlock(nn.Cell):
    """Two convolutions, scaled, with a residual connection, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int, *, scale: float):
        super().__init__()
        self.scale = scale
        self.conv1 = Conv2d(channels, channels, 3, padding=1, bias=True)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        y = self.conv2(ops.relu(self.conv1(x)))
        return x + y if self.scale == 1 else x + self.scale * y


class EDSR(nn.Cell):
    """The whole network; see the module's docstring for shapes."""

    def __init__(self, spec: EDSRSpec):
        super().__init__()
        width = spec.width
        self.factors = spec.factors
        self.head = Conv2d(3, width, 3, padding=1, bias=True)
        self.body = nn.CellList(
            [ResidualBlock(width, scale=spec.residual_scale) for _ in range(spec.blocks)]
            + [Conv2d(width, width, 3, padding=1, bias=True)]
        )
        self.enlarge = nn.CellList(
            [Conv2d(width, width * factor**2, 3, padding=1, bias=True) for factor in spec.factors]
        )
        if spec.scale > 1:
            self.tail = Conv2d(width, 3, 3, padding=1, bias=True)

    def construct(self, image: Tensor) -> Tensor:
        shallow = self.head(image)
        x = shallow
        for layer in self.body:
            x = layer(x)
        x = x + shallow
        for i in range(len(self.factors)):
            x = pixel_shuffle(self.enlarge[i](x), self.factors[i])
        return self.tail(x) if len(self.factors) > 0 else x
