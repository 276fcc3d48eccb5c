"""SwinIR: attention inside shifted windows, for restoration and continuous super-resolution.

Source: Liang et al., "SwinIR: Image Restoration Using Swin Transformer", ICCV Workshops 2021, arXiv
2108.10257.

Input: image (n, 3, h, w) in [-1, 1]; it is extended to multiples of the window by reflection, so
its sides must exceed what is added. Output: features (n, 64, h, w). With a head for restoration:
image (n, 3 or 1, h, w) in [0, 1], output the same (n, 3 or 1, scale h, scale w), not clamped.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import (
    Conv2d,
    DropPath,
    LayerNorm,
    Linear,
    RelativePositionBias,
    gelu,
    leaky_relu,
    mask_shifted_windows,
    matmul,
    pad_bottom_right,
    pixel_shuffle,
    roll,
    softmax,
    tensor_like,
    upsample,
)
from restoration.images.tiling import rounded_up
from restoration.models.swinir import SwinIRSpec

FINAL_SLOPE = 0.01
BOTTLENECK_SLOPE = 0.2
SMOOTH_SLOPE = 0.2


def to_windows(x: Tensor, window: int) -> Tensor:
    """Cut a map into windows, (n, h, w, c) -> (n windows, window^2, c), row by row."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // window, window, w // window, window, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n * (h // window) * (w // window), window * window, c)


def from_windows(x: Tensor, height: int, width: int, window: int) -> Tensor:
    """The inverse of `to_windows`, (n windows, window^2, c) -> (n, height, width, c)."""
    rows, columns = height // window, width // window
    n, c = x.shape[0] // (rows * columns), x.shape[2]
    x = x.reshape(n, rows, columns, window, window, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, height, width, c)


class WindowAttention(nn.Cell):
    """Attention among the pixels of each window of a map, (n, h, w, c) -> (n, h, w, c)."""

    def __init__(self, channels: int, heads: int, *, window: int, shift: int):
        super().__init__()
        self.heads = heads
        self.window = window
        self.shift = shift
        self.scale = (channels // heads) ** -0.5
        self.qkv = Linear(channels, 3 * channels, bias=True)
        self.relative_bias = RelativePositionBias(window, heads)
        self.out = Linear(channels, channels, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        _, height, width, channels = x.shape
        window, shift, heads = self.window, self.shift, self.heads
        if shift > 0:
            x = roll(x, (-shift, -shift), (1, 2))
        x = to_windows(x, window)
        count, size = x.shape[0], x.shape[1]
        q, k, v = ops.chunk(self.qkv(x), 3, axis=2)
        q = q.reshape(count, size, heads, channels // heads).permute(0, 2, 1, 3)
        k = k.reshape(count, size, heads, channels // heads).permute(0, 2, 3, 1)
        v = v.reshape(count, size, heads, channels // heads).permute(0, 2, 1, 3)
        logits = self.relative_bias(matmul(self.scale * q, k))
        if shift > 0:
            logits = mask_shifted_windows(logits, height, width, window, shift)
        x = matmul(softmax(logits, dim=3), v)
        x = x.permute(0, 2, 1, 3).reshape(count, size, channels)
        x = from_windows(self.out(x), height, width, window)
        return roll(x, (shift, shift), (1, 2)) if shift > 0 else x


class Block(nn.Cell):
    """Attention and an MLP, both residual, on normalized maps, (n, h, w, c) -> (n, h, w, c)."""

    def __init__(
        self, channels: int, heads: int, *, window: int, shift: int, hidden: int, drop_path: float
    ):
        super().__init__()
        self.norm1 = LayerNorm(channels, eps=1e-5)
        self.attention = WindowAttention(channels, heads, window=window, shift=shift)
        self.norm2 = LayerNorm(channels, eps=1e-5)
        self.linear1 = Linear(channels, hidden, bias=True)
        self.linear2 = Linear(hidden, channels, bias=True)
        self.drop_path = DropPath(drop_path)

    def construct(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attention(self.norm1(x)))
        return x + self.drop_path(self.linear2(gelu(self.linear1(self.norm2(x)))))


class Bottleneck(nn.Cell):
    """Convolutions over a quarter of the channels, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = Conv2d(channels, channels // 4, 3, padding=1, bias=True)
        self.conv2 = Conv2d(channels // 4, channels // 4, 1, padding=0, bias=True)
        self.conv3 = Conv2d(channels // 4, channels, 3, padding=1, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        x = leaky_relu(self.conv1(x), BOTTLENECK_SLOPE)
        x = leaky_relu(self.conv2(x), BOTTLENECK_SLOPE)
        return self.conv3(x)


def merge_layer(channels: int, kind: str) -> nn.Cell:
    """What ends a group of blocks: one convolution, or three."""
    if kind == "1conv":
        return Conv2d(channels, channels, 3, padding=1, bias=True)
    return Bottleneck(channels)


class Group(nn.Cell):
    """Blocks, every other one with shifted windows, and a convolution, residual."""

    def __init__(self, spec: SwinIRSpec, place: int):
        super().__init__()
        before, total = sum(spec.depths[:place]), sum(spec.depths)
        self.blocks = nn.CellList(
            [
                Block(
                    spec.width,
                    spec.heads[place],
                    window=spec.window,
                    shift=number % 2 * (spec.window // 2),
                    hidden=int(spec.width * spec.mlp_ratio),
                    drop_path=spec.drop_path * (before + number) / max(total - 1, 1),
                )
                for number in range(spec.depths[place])
            ]
        )
        self.merge = merge_layer(spec.width, spec.merge)

    def construct(self, x: Tensor) -> Tensor:
        y = x
        for block in self.blocks:
            y = block(y)
        return x + self.merge(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class SwinIR(nn.Cell):
    """The whole network; see the module's docstring for shapes."""

    def __init__(self, spec: SwinIRSpec):
        super().__init__()
        self.window = spec.window
        self.keep_padding = spec.keep_padding
        self.first = Conv2d(spec.image_channels, spec.width, 3, padding=1, bias=True)
        self.norm_first = LayerNorm(spec.width, eps=1e-5)
        self.groups = nn.CellList([Group(spec, place) for place in range(len(spec.depths))])
        self.norm_last = LayerNorm(spec.width, eps=1e-5)
        self.merge = merge_layer(spec.width, spec.merge)
        self.gives_features = spec.gives_features
        self.is_residual = spec.head == "residual"
        self.has_last = spec.head in ("features", "pixelshuffle", "nearest+conv")
        self.has_tail = spec.head in ("pixelshuffle", "nearest+conv", "residual")
        self.mean = list(spec.mean)
        self.value_range = spec.value_range
        self.scale = spec.scale
        self.factors = spec.factors
        self.doublings = spec.doublings
        channels, made = spec.width, spec.image_channels
        if self.has_last:
            self.last = Conv2d(channels, spec.features, 3, padding=1, bias=True)
            channels = made = spec.features
        if len(spec.factors) > 0:
            self.enlarge = nn.CellList(
                [
                    Conv2d(channels, made * factor**2, 3, padding=1, bias=True)
                    for factor in spec.factors
                ]
            )
        if spec.doublings > 0:
            self.smooth = nn.CellList(
                [Conv2d(channels, channels, 3, padding=1, bias=True) for _ in range(spec.doublings)]
            )
            self.refine = Conv2d(channels, channels, 3, padding=1, bias=True)
        if self.has_tail:
            self.tail = Conv2d(channels, spec.image_channels, 3, padding=1, bias=True)

    def construct(self, image: Tensor) -> Tensor:
        height, width = image.shape[2], image.shape[3]
        tall, wide = rounded_up(height, self.window), rounded_up(width, self.window)
        x = pad_bottom_right(image, tall, wide, mode="reflect")
        if self.gives_features:
            x = self.features(x)
            return x if self.keep_padding else x[:, :, :height, :width]
        mean = tensor_like(self.mean, x).reshape(1, -1, 1, 1)
        x = (x - mean) * self.value_range
        x = self.restored(self.features(x), x) / self.value_range + mean
        return x[:, :, : height * self.scale, : width * self.scale]

    def features(self, image: Tensor) -> Tensor:
        """What the body makes of an image, (n, c, h, w) -> (n, features or width, h, w)."""
        shallow = self.first(image)
        x = self.norm_first(shallow.permute(0, 2, 3, 1))
        for group in self.groups:
            x = group(x)
        x = self.merge(self.norm_last(x).permute(0, 3, 1, 2)) + shallow
        return leaky_relu(self.last(x), FINAL_SLOPE) if self.has_last else x

    def restored(self, x: Tensor, image: Tensor) -> Tensor:
        """The head, (n, features or width, h, w), (n, c, h, w) -> (n, c, scale h, scale w)."""
        for i in range(len(self.factors)):
            x = pixel_shuffle(self.enlarge[i](x), self.factors[i])
        for i in range(self.doublings):
            x = leaky_relu(self.smooth[i](upsample(x, 2, mode="nearest")), SMOOTH_SLOPE)
        if self.doublings > 0:
            x = leaky_relu(self.refine(x), SMOOTH_SLOPE)
        if self.has_tail:
            x = self.tail(x)
        return image + x if self.is_residual else x
