"""EDSR: residual blocks without normalization, for super-resolution of one or of any factor.

Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR
Workshops 2017, arXiv 1707.02921.

Input: image (n, 3, h, w) in [-1, 1], of any size. Output: features (n, width, h, w), or with a
scale an image (n, 3, scale h, scale w), not clamped. With a mean both images are in [0, 1].
"""

from __future__ import annotations

from jittor import Var, nn

from jittor_impl.layers import Conv2d, pixel_shuffle, tensor_like
from restoration.models.edsr import EDSRSpec
from restoration.models.encoder import MEAN


class ResidualBlock(nn.Module):
    """Two convolutions, scaled, with a residual connection, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int, *, scale: float):
        super().__init__()
        self.scale = scale
        self.conv1 = Conv2d(channels, channels, 3, padding=1, bias=True)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=True)

    def execute(self, x: Var) -> Var:
        y = self.conv2(nn.relu(self.conv1(x)))
        return x + y if self.scale == 1 else x + self.scale * y


class EDSR(nn.Module):
    """The whole network; see the module's docstring for shapes."""

    def __init__(self, spec: EDSRSpec):
        super().__init__()
        width = spec.width
        self.factors = spec.factors
        self.head = Conv2d(3, width, 3, padding=1, bias=True)
        self.value_range = spec.value_range
        self.has_mean = spec.mean != "none"
        self.has_mean_layers = spec.mean == "layers"
        self.has_merge = spec.mean == "fixed"
        self.mean = list(MEAN)
        blocks = [ResidualBlock(width, scale=spec.residual_scale) for _ in range(spec.blocks)]
        merge = Conv2d(width, width, 3, padding=1, bias=True)
        # As in BasicSR; so a file tells by its names what images the network takes.
        if self.has_merge:
            self.body = nn.ModuleList(blocks)
            self.merge = merge
        else:
            self.body = nn.ModuleList([*blocks, merge])
        self.enlarge = nn.ModuleList(
            [Conv2d(width, width * factor**2, 3, padding=1, bias=True) for factor in spec.factors]
        )
        if spec.scale > 1:
            self.tail = Conv2d(width, 3, 3, padding=1, bias=True)
        if self.has_mean_layers:
            self.subtract_mean = Conv2d(3, 3, 1, padding=0, bias=True)
            self.add_mean = Conv2d(3, 3, 1, padding=0, bias=True)

    def execute(self, image: Var) -> Var:
        if not self.has_mean:
            return self.layers(image)
        if self.has_mean_layers:
            x = self.layers(self.subtract_mean(self.value_range * image))
            return self.add_mean(x) / self.value_range
        mean = tensor_like(self.mean, image).reshape(1, 3, 1, 1)
        return self.layers((image - mean) * self.value_range) / self.value_range + mean

    def layers(self, image: Var) -> Var:
        """All between the mean's, (n, 3, h, w) -> (n, width, h, w) or (n, 3, scale h, scale w)."""
        shallow = self.head(image)
        x = shallow
        for layer in self.body:
            x = layer(x)
        if self.has_merge:
            x = self.merge(x)
        x = x + shallow
        for i in range(len(self.factors)):
            x = pixel_shuffle(self.enlarge[i](x), self.factors[i])
        return self.tail(x) if len(self.factors) > 0 else x
