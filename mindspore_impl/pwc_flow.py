"""PWC-Net: optical flow by pyramid, warping and cost volume, as Self-Blind-VSR uses it.

Source: Sun, Yang, Liu, Kautz, "PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and Cost
Volume", CVPR 2018, arXiv 1709.02371, with the layers of the widespread PyTorch version.

Input: RGB images first (n, 3, h, w) and second (k n, 3, h, w) in [0, 1], of any size. Output:
(k n, 2, h, w), for image i of first and images i, n + i, ... of second: pixels to the right and
down at which the second shows what the first shows here.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.cost_volume import cost_volume
from mindspore_impl.layers import (
    Conv2d,
    ConvTranspose2d,
    leaky_relu,
    resize_bilinear,
    tensor_like,
)
from restoration.images.tiling import rounded_up
from restoration.models.pwc_flow import PWCFlowSpec

SLOPE = 0.1
COARSEST_PX = 64
FLOW_UNIT_PX = 20.0
VISIBLE = 0.999


def warp(x: Tensor, flow: Tensor, *, padding: str, align_corners: bool) -> Tensor:
    """Fetch what the flow points at, (n, c, h, w) and (n, 2, h, w) in pixels -> (n, c, h, w).

    What comes from outside, if only in part, is 0. The weights were trained when PyTorch aligned
    corners; where they are not aligned, a flow of zero no longer leaves the maps as they are.
    """
    h, w = flow.shape[2], flow.shape[3]
    columns = tensor_like([float(i) for i in range(w)], flow).reshape(1, 1, w)
    rows = tensor_like([float(i) for i in range(h)], flow).reshape(1, h, 1)
    right = (flow[:, 0] + columns) * (2 / max(w - 1, 1)) - 1
    down = (flow[:, 1] + rows) * (2 / max(h - 1, 1)) - 1
    grid = ops.stack([right, down], axis=3)
    fetched = ops.grid_sample(
        x, grid, mode="bilinear", padding_mode=padding, align_corners=align_corners
    )
    ones = ops.full_like(x[:, :1], 1.0)
    share = ops.grid_sample(
        ones, grid, mode="bilinear", padding_mode="zeros", align_corners=align_corners
    )
    return fetched * ops.where(
        share < VISIBLE, ops.full_like(share, 0.0), ops.full_like(share, 1.0)
    )


class PyramidLevel(nn.Cell):
    """Features at half the size, (n, in, h, w) -> (n, out, h/2, w/2)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=True)
        self.conv2 = Conv2d(out_channels, out_channels, 3, padding=1, bias=True)
        self.conv3 = Conv2d(out_channels, out_channels, 3, padding=1, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        x = leaky_relu(self.conv1(x), SLOPE)
        x = leaky_relu(self.conv2(x), SLOPE)
        return leaky_relu(self.conv3(x), SLOPE)


class Pyramid(nn.Cell):
    """Features of levels 2 to 6, (n, 3, h, w) -> (n, 32, h/4, w/4) to (n, 196, h/64, w/64)."""

    def __init__(self):
        super().__init__()
        self.level1 = PyramidLevel(3, 16)
        self.level2 = PyramidLevel(16, 32)
        self.level3 = PyramidLevel(32, 64)
        self.level4 = PyramidLevel(64, 96)
        self.level5 = PyramidLevel(96, 128)
        self.level6 = PyramidLevel(128, 196)

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        level2 = self.level2(self.level1(x))
        level3 = self.level3(level2)
        level4 = self.level4(level3)
        level5 = self.level5(level4)
        return level2, level3, level4, level5, self.level6(level5)


class Estimator(nn.Cell):
    """Flow from a level's features by densely connected convolutions.

    (n, in, h, w) -> flow (n, 2, h, w) and features (n, in + 448, h, w), the newest first.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = Conv2d(channels, 128, 3, padding=1, bias=True)
        self.conv2 = Conv2d(channels + 128, 128, 3, padding=1, bias=True)
        self.conv3 = Conv2d(channels + 256, 96, 3, padding=1, bias=True)
        self.conv4 = Conv2d(channels + 352, 64, 3, padding=1, bias=True)
        self.conv5 = Conv2d(channels + 416, 32, 3, padding=1, bias=True)
        self.flow = Conv2d(channels + 448, 2, 3, padding=1, bias=True)

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = ops.cat([leaky_relu(self.conv1(x), SLOPE), x], axis=1)
        x = ops.cat([leaky_relu(self.conv2(x), SLOPE), x], axis=1)
        x = ops.cat([leaky_relu(self.conv3(x), SLOPE), x], axis=1)
        x = ops.cat([leaky_relu(self.conv4(x), SLOPE), x], axis=1)
        x = ops.cat([leaky_relu(self.conv5(x), SLOPE), x], axis=1)
        return self.flow(x), x


class Decoder(nn.Cell):
    """Flow of one level from that of the level above, which has half the size.

    unit: how many of this level's pixels a flow of 1 stands for.
    """

    def __init__(self, channels: int, above: int, *, unit: float, align_corners: bool):
        super().__init__()
        self.unit = unit
        self.align_corners = align_corners
        self.up_flow = ConvTranspose2d(2, 2, 4, stride=2, padding=1, bias=True)
        self.up_features = ConvTranspose2d(above, 2, 4, stride=2, padding=1, bias=True)
        self.estimator = Estimator(81 + channels + 4)

    def construct(
        self, first: Tensor, second: Tensor, flow: Tensor, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        flow = self.up_flow(flow)
        second = warp(second, flow * self.unit, padding="zeros", align_corners=self.align_corners)
        volume = leaky_relu(cost_volume(first, second), SLOPE)
        return self.estimator(ops.cat([volume, first, flow, self.up_features(features)], axis=1))


class Refiner(nn.Cell):
    """What to add to the finest flow, from a wide neighborhood, (n, 565, h, w) -> (n, 2, h, w)."""

    def __init__(self):
        super().__init__()
        self.conv1 = Conv2d(565, 128, 3, padding=1, dilation=1, bias=True)
        self.conv2 = Conv2d(128, 128, 3, padding=2, dilation=2, bias=True)
        self.conv3 = Conv2d(128, 128, 3, padding=4, dilation=4, bias=True)
        self.conv4 = Conv2d(128, 96, 3, padding=8, dilation=8, bias=True)
        self.conv5 = Conv2d(96, 64, 3, padding=16, dilation=16, bias=True)
        self.conv6 = Conv2d(64, 32, 3, padding=1, dilation=1, bias=True)
        self.conv7 = Conv2d(32, 2, 3, padding=1, dilation=1, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        x = leaky_relu(self.conv1(x), SLOPE)
        x = leaky_relu(self.conv2(x), SLOPE)
        x = leaky_relu(self.conv3(x), SLOPE)
        x = leaky_relu(self.conv4(x), SLOPE)
        x = leaky_relu(self.conv5(x), SLOPE)
        x = leaky_relu(self.conv6(x), SLOPE)
        return self.conv7(x)


class PWCFlow(nn.Cell):
    """The whole network; see the module's docstring for shapes."""

    def __init__(self, spec: PWCFlowSpec):
        super().__init__()
        corners = spec.align_corners
        self.pyramid = Pyramid()
        self.decoder6 = Estimator(81)
        self.decoder5 = Decoder(128, 529, unit=0.625, align_corners=corners)
        self.decoder4 = Decoder(96, 661, unit=1.25, align_corners=corners)
        self.decoder3 = Decoder(64, 629, unit=2.5, align_corners=corners)
        self.decoder2 = Decoder(32, 597, unit=5.0, align_corners=corners)
        self.refiner = Refiner()

    def construct(self, first: Tensor, second: Tensor) -> Tensor:
        height, width = first.shape[2], first.shape[3]
        tall, wide = rounded_up(height, COARSEST_PX), rounded_up(width, COARSEST_PX)
        first2, first3, first4, first5, first6 = self.levels(
            resize_bilinear(first, tall, wide), second.shape[0] // first.shape[0]
        )
        second2, second3, second4, second5, second6 = self.pyramid(
            resize_bilinear(second, tall, wide)
        )
        flow, x = self.decoder6(leaky_relu(cost_volume(first6, second6), SLOPE))
        flow, x = self.decoder5(first5, second5, flow, x)
        flow, x = self.decoder4(first4, second4, flow, x)
        flow, x = self.decoder3(first3, second3, flow, x)
        flow, x = self.decoder2(first2, second2, flow, x)
        flow = resize_bilinear(flow + self.refiner(x), height, width)
        units = tensor_like([FLOW_UNIT_PX * width / wide, FLOW_UNIT_PX * height / tall], flow)
        return flow * units.reshape(1, 2, 1, 1)

    def levels(self, images: Tensor, count: int) -> list[Tensor]:
        """The pyramid of images, computed once and repeated `count` times."""
        return [ops.cat([level] * count, axis=0) for level in self.pyramid(images)]
