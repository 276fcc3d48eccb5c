"""Kernel prediction: from one blurred image, K blur kernels and a map that mixes them per pixel.

Source: Carbajal, Vitoria, Lezama, Muse, "Blind Motion Deblurring with Pixel-Wise Kernel Estimation
via Kernel Prediction Networks", IEEE TCI 2023, arXiv 2308.02947 (their "two heads" network).

Input: RGB (n, 3, h, w) or gray (n, 1, h, w), intensities raised to 2.2, minus 0.5; h and w at
least 32. Output: kernels (n, K, k, k), each summing to one, and masks (n, K, h, w), summing to one
over K. The blur of a pixel is the sum over i of masks[i] * kernels[i], applied by correlation.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import (
    Conv2d,
    ConvTranspose2d,
    expand,
    global_avg_pool,
    leaky_relu,
    max_pool,
    pad_to,
    softmax,
    upsample,
)
from restoration.models.kernel_prediction import KernelPredictionSpec

SLOPE = 0.01


class DoubleConv(nn.Cell):
    """Two convolutions with leaky activations, (n, in, h, w) -> (n, out, h, w)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = Conv2d(in_channels, out_channels, 3, padding=1, bias=True)
        self.conv2 = Conv2d(out_channels, out_channels, 3, padding=1, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        x = leaky_relu(self.conv1(x), SLOPE)
        return leaky_relu(self.conv2(x), SLOPE)


class Up(nn.Cell):
    """Doubles the size and takes in a skip, (n, in, h, w), (n, skip, h', w') -> (n, out, h', w').

    h' is 2h or 2h + 1, w' likewise. Without skip channels the size is exactly doubled.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, *, bilinear: bool):
        super().__init__()
        self.bilinear = bilinear
        if not bilinear:
            self.up = ConvTranspose2d(in_channels, in_channels, 2, stride=2, padding=0, bias=True)
        self.double_conv = DoubleConv(in_channels, out_channels)
        self.merge = Conv2d(skip_channels + out_channels, out_channels, 3, padding=1, bias=True)

    def construct(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        x = upsample(x, 2, mode="align_corners") if self.bilinear else self.up(x)
        x = self.double_conv(x)
        if skip is not None:
            x = ops.cat([skip, pad_to(x, skip.shape[2], skip.shape[3])], axis=1)
        return leaky_relu(self.merge(x), SLOPE)


class Head(nn.Cell):
    """Three convolutions to K channels, the first with its own geometry."""

    def __init__(self, width: int, kernels: int, *, kernel_size: int):
        super().__init__()
        self.conv1 = Conv2d(width, width, kernel_size, padding=1, bias=True)
        self.conv2 = Conv2d(width, width, 3, padding=1, bias=True)
        self.conv3 = Conv2d(width, kernels, 3, padding=1, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        x = leaky_relu(self.conv1(x), SLOPE)
        x = leaky_relu(self.conv2(x), SLOPE)
        return self.conv3(x)


class KernelPrediction(nn.Cell):
    """The whole network; see the module's docstring for shapes.

    One encoder feeds two decoders: one at the image's resolution gives the masks, one that starts
    from the means of the encoder's features gives the kernels.
    """

    def __init__(self, spec: KernelPredictionSpec):
        super().__init__()
        width1, width2, width3, width4, width5 = spec.widths
        bilinear = spec.bilinear
        self.kernel_size = spec.kernel_size
        self.stem_rgb = Conv2d(3, width1, 3, padding=1, bias=True)
        self.stem_gray = Conv2d(1, width1, 3, padding=1, bias=True)
        self.down1 = DoubleConv(width1, width1)
        self.down2 = DoubleConv(width1, width2)
        self.down3 = DoubleConv(width2, width3)
        self.down4 = DoubleConv(width3, width4)
        self.down5 = DoubleConv(width4, width5)
        self.bottom = Conv2d(width5, width5, 3, padding=1, bias=True)
        self.mask_up5 = Up(width5, width5, width4, bilinear=bilinear)
        self.mask_up4 = Up(width4, width4, width3, bilinear=bilinear)
        self.mask_up3 = Up(width3, width3, width2, bilinear=bilinear)
        self.mask_up2 = Up(width2, width2, width1, bilinear=bilinear)
        self.mask_up1 = Up(width1, width1, width1, bilinear=bilinear)
        self.mask_head = Head(width1, spec.kernels, kernel_size=3)
        self.kernel_up5 = Up(width5, width5, width4, bilinear=bilinear)
        self.kernel_up4 = Up(width4, width4, width3, bilinear=bilinear)
        self.kernel_up3 = Up(width3, width3, width3, bilinear=bilinear)
        self.kernel_up2 = Up(width3, width2, width2, bilinear=bilinear)
        self.kernel_up1 = Up(width2, width1, width1, bilinear=bilinear)
        if spec.kernel_size == 65:
            self.kernel_up0 = Up(width1, 0, width1, bilinear=bilinear)
        self.kernel_head = Head(width1, spec.kernels, kernel_size=2)

    def construct(self, image: Tensor) -> tuple[Tensor, Tensor]:
        stem = self.stem_rgb if image.shape[1] == 3 else self.stem_gray
        feature1 = self.down1(leaky_relu(stem(image), SLOPE))
        feature2 = self.down2(max_pool(feature1, 2))
        feature3 = self.down3(max_pool(feature2, 2))
        feature4 = self.down4(max_pool(feature3, 2))
        feature5 = self.down5(max_pool(feature4, 2))
        feature6 = leaky_relu(self.bottom(max_pool(feature5, 2)), SLOPE)

        x = self.kernel_up5(global_avg_pool(feature6), expand(global_avg_pool(feature5), 2, 2))
        x = self.kernel_up4(x, expand(global_avg_pool(feature4), 4, 4))
        x = self.kernel_up3(x, expand(global_avg_pool(feature3), 8, 8))
        x = self.kernel_up2(x, expand(global_avg_pool(feature2), 16, 16))
        x = self.kernel_up1(x, expand(global_avg_pool(feature1), 32, 32))
        if self.kernel_size == 65:
            x = self.kernel_up0(x)
        taps = self.kernel_head(x)
        n, kernels, height, width = taps.shape
        taps = softmax(taps.reshape(n, kernels, height * width), dim=2)

        x = self.mask_up5(feature6, feature5)
        x = self.mask_up4(x, feature4)
        x = self.mask_up3(x, feature3)
        x = self.mask_up2(x, feature2)
        x = self.mask_up1(x, feature1)
        masks = softmax(self.mask_head(x), dim=1)
        return taps.reshape(n, kernels, height, width), masks
