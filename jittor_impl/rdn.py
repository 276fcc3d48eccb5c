"""RDN: residual dense blocks, an encoder for continuous super-resolution.

Source: Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018, arXiv
1802.08797.

Input: image (n, 3, h, w) in [-1, 1], of any size. Output: features (n, width, h, w), or with a
scale an image (n, 3, scale h, scale w), not clamped.
"""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn

from jittor_impl.layers import Conv2d, pixel_shuffle
from restoration.models.rdn import RDNSpec


class DenseBlock(nn.Module):
    """Densely connected convolutions, merged, with a residual connection, (n, c, h, w) -> same."""

    def __init__(self, channels: int, growth: int, convolutions: int):
        super().__init__()
        self.convs = nn.ModuleList(
            [
                Conv2d(channels + place * growth, growth, 3, padding=1, bias=True)
                for place in range(convolutions)
            ]
        )
        self.merge = Conv2d(channels + convolutions * growth, channels, 1, padding=0, bias=True)

    def execute(self, x: Var) -> Var:
        dense = x
        for conv in self.convs:
            dense = jt.concat([dense, nn.relu(conv(dense))], dim=1)
        return self.merge(dense) + x


class RDN(nn.Module):
    """The whole network; see the module's docstring for shapes."""

    def __init__(self, spec: RDNSpec):
        super().__init__()
        width, growth = spec.width, spec.growth
        self.factors = spec.factors
        self.head1 = Conv2d(3, width, 3, padding=1, bias=True)
        self.head2 = Conv2d(width, width, 3, padding=1, bias=True)
        self.blocks = nn.ModuleList(
            [DenseBlock(width, growth, spec.convolutions) for _ in range(spec.blocks)]
        )
        self.merge1 = Conv2d(spec.blocks * width, width, 1, padding=0, bias=True)
        self.merge2 = Conv2d(width, width, 3, padding=1, bias=True)
        widths = (width, *[growth] * len(spec.factors), 3)
        factors = (*spec.factors, 1)
        self.upsampler = nn.ModuleList(
            [
                Conv2d(widths[i], widths[i + 1] * factors[i] ** 2, 3, padding=1, bias=True)
                for i in range(len(factors) if spec.scale > 1 else 0)
            ]
        )

    def execute(self, image: Var) -> Var:
        shallow = self.head1(image)
        x = self.head2(shallow)
        results = []
        for block in self.blocks:
            x = block(x)
            results.append(x)
        x = self.merge2(self.merge1(jt.concat(results, dim=1))) + shallow
        for i in range(len(self.upsampler)):
            x = self.upsampler[i](x)
            if i < len(self.factors):
                x = pixel_shuffle(x, self.factors[i])
        return x
