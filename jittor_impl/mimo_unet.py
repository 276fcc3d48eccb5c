"""MIMO-UNet and MIMO-UNet+: coarse-to-fine deblurring with one U-net of three inputs and outputs.

Source: Cho, Ji, Hong, Jung, Ko, "Rethinking Coarse-to-Fine Approach in Single Image Deblurring",
ICCV 2021, arXiv 2108.05054. The two differ in the number of residual blocks and in the dropout.

Input: RGB image (n, 3, h, w) in [0, 1], h and w multiples of 4. Output: three images, not clamped,
(n, 3, h/4, w/4), (n, 3, h/2, w/2), (n, 3, h, w). Levels 1, 2, 3 are full, half, quarter resolution.
"""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn

from jittor_impl.layers import (
    ChannelDropout,
    Conv2d,
    ConvTranspose2d,
    conv1x1,
    downsample_nearest,
    upsample,
)
from restoration.models.mimo_unet import MIMOUNetSpec


class ResidualBlock(nn.Module):
    """Two convolutions with a residual connection, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = Conv2d(channels, channels, 3, padding=1, bias=True)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=True)

    def execute(self, x: Var) -> Var:
        return self.conv2(nn.relu(self.conv1(x))) + x


class ShallowFeatures(nn.Module):
    """Features of a reduced image (the paper's SCM), (n, 3, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = Conv2d(3, channels // 4, 3, padding=1, bias=True)
        self.conv2 = Conv2d(channels // 4, channels // 2, 1, padding=0, bias=True)
        self.conv3 = Conv2d(channels // 2, channels // 2, 3, padding=1, bias=True)
        self.conv4 = Conv2d(channels // 2, channels - 3, 1, padding=0, bias=True)
        self.merge = Conv2d(channels, channels, 1, padding=0, bias=True)

    def execute(self, image: Var) -> Var:
        x = nn.relu(self.conv1(image))
        x = nn.relu(self.conv2(x))
        x = nn.relu(self.conv3(x))
        x = nn.relu(self.conv4(x))
        return self.merge(jt.concat([image, x], dim=1))


class FeatureAttention(nn.Module):
    """Emphasizes features by a reduced image's (FAM), 2 x (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int):
        super().__init__()
        self.merge = Conv2d(channels, channels, 3, padding=1, bias=True)

    def execute(self, x: Var, shallow: Var) -> Var:
        return x + self.merge(x * shallow)


class FeatureFusion(nn.Module):
    """Fuses features of all levels at one resolution (AFF): level 1, 2, 3 -> (n, out, h, w).

    The paper enlarges the coarse levels, concatenates all, and applies a 1x1 convolution. Enlarging
    commutes with it, so here each level is convolved at its own resolution: the same sum.

    factor: how much larger the result, and level 1, is than level 2; level 3 is half of level 2.
    """

    def __init__(self, width: int, out_channels: int, *, factor: int, resize: str):
        super().__init__()
        self.width = width
        self.factor = factor
        self.resize = resize
        self.conv1 = Conv2d(7 * width, out_channels, 1, padding=0, bias=True)
        self.conv2 = Conv2d(out_channels, out_channels, 3, padding=1, bias=True)

    def execute(self, level1: Var, level2: Var, level3: Var) -> Var:
        weight = self.conv1.weight
        x = conv1x1(level3, weight[:, 3 * self.width :])
        x = upsample(x, 2, mode=self.resize)
        x = x + conv1x1(level2, weight[:, self.width : 3 * self.width])
        x = upsample(x, self.factor, mode=self.resize)
        x = x + conv1x1(level1, weight[:, : self.width], self.conv1.bias)
        return self.conv2(nn.relu(x))


class MIMOUNet(nn.Module):
    """The whole network; see the module's docstring for shapes.

    skip_mask1 (n, c, 1, 1) and skip_mask2 (n, 2c, 1, 1) replace the random dropout of channels.
    """

    def __init__(self, spec: MIMOUNetSpec):
        super().__init__()
        width1, width2, width3 = spec.width, 2 * spec.width, 4 * spec.width
        self.stem = Conv2d(3, width1, 3, padding=1, bias=True)
        self.down1 = Conv2d(width1, width2, 3, stride=2, padding=1, bias=True)
        self.down2 = Conv2d(width2, width3, 3, stride=2, padding=1, bias=True)
        self.shallow2 = ShallowFeatures(width2)
        self.shallow3 = ShallowFeatures(width3)
        self.attention2 = FeatureAttention(width2)
        self.attention3 = FeatureAttention(width3)
        self.encoder1 = nn.Sequential(*[ResidualBlock(width1) for _ in range(spec.blocks)])
        self.encoder2 = nn.Sequential(*[ResidualBlock(width2) for _ in range(spec.blocks)])
        self.encoder3 = nn.Sequential(*[ResidualBlock(width3) for _ in range(spec.blocks)])
        self.fusion1 = FeatureFusion(spec.width, width1, factor=2, resize=spec.resize)
        self.fusion2 = FeatureFusion(spec.width, width2, factor=1, resize=spec.resize)
        self.dropout1 = ChannelDropout(spec.skip_dropout)
        self.dropout2 = ChannelDropout(spec.skip_dropout)
        self.decoder3 = nn.Sequential(*[ResidualBlock(width3) for _ in range(spec.blocks)])
        self.decoder2 = nn.Sequential(*[ResidualBlock(width2) for _ in range(spec.blocks)])
        self.decoder1 = nn.Sequential(*[ResidualBlock(width1) for _ in range(spec.blocks)])
        self.up3 = ConvTranspose2d(width3, width2, 4, stride=2, padding=1, bias=True)
        self.up2 = ConvTranspose2d(width2, width1, 4, stride=2, padding=1, bias=True)
        self.merge2 = Conv2d(2 * width2, width2, 1, padding=0, bias=True)
        self.merge1 = Conv2d(2 * width1, width1, 1, padding=0, bias=True)
        self.head3 = Conv2d(width3, 3, 3, padding=1, bias=True)
        self.head2 = Conv2d(width2, 3, 3, padding=1, bias=True)
        self.head1 = Conv2d(width1, 3, 3, padding=1, bias=True)

    def execute(
        self, image: Var, skip_mask1: Var | None = None, skip_mask2: Var | None = None
    ) -> tuple[Var, Var, Var]:
        image2 = downsample_nearest(image, 2)
        image3 = downsample_nearest(image2, 2)

        level1 = self.encoder1(nn.relu(self.stem(image)))
        level2 = self.attention2(nn.relu(self.down1(level1)), self.shallow2(image2))
        level2 = self.encoder2(level2)
        level3 = self.attention3(nn.relu(self.down2(level2)), self.shallow3(image3))
        level3 = self.encoder3(level3)

        skip2 = self.fusion2(downsample_nearest(level1, 2), level2, level3)
        skip1 = self.fusion1(level1, level2, level3)
        skip2 = self.dropout2(skip2, skip_mask2)
        skip1 = self.dropout1(skip1, skip_mask1)

        x = self.decoder3(level3)
        quarter = self.head3(x) + image3
        x = nn.relu(self.up3(x))
        x = self.decoder2(nn.relu(self.merge2(jt.concat([x, skip2], dim=1))))
        half = self.head2(x) + image2
        x = nn.relu(self.up2(x))
        x = self.decoder1(nn.relu(self.merge1(jt.concat([x, skip1], dim=1))))
        full = self.head1(x) + image
        return quarter, half, full
