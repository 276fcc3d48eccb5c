"""Self-Blind-VSR: video super-resolution whose training needs low-resolution video only.

Source: Bai, Pan, "Self-Supervised Deep Blind Video Super-Resolution", IEEE TPAMI 2024,
arXiv 2201.07422.

Input: RGB frames (n, 5, 3, h, w) in [0, 1], in order of time; the third is restored. Output in mode
"infer": the frame (n, 3, s h, s w), not clamped, and the clip's blur kernel (n, 1, k, k), of sum 1,
to be applied by correlation. "train" and "val" also blur and reduce by that kernel, frames and
result, and restore the reduced frames.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import (
    Conv2d,
    Linear,
    adaptive_avg_pool,
    conv2d,
    expand,
    global_avg_pool,
    no_grad,
    pad_replicate,
    pixel_shuffle,
    resize_bilinear,
    softmax,
)
from mindspore_impl.pwc_flow import PWCFlow, warp
from restoration.models.pwc_flow import PWCFlowSpec
from restoration.models.self_blind_vsr import SelfBlindVSRSpec


def blur_down(x: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """Blur images and keep every s-th pixel, (n, c, h, w) -> (n, c, h/s, w/s), rounded up.

    kernel: one per sample, (n, 1, k, k), applied by correlation; borders are replicated.
    """
    n, c, size = x.shape[0], x.shape[1], kernel.shape[3]
    x = pad_replicate(x, size // 2)
    height, width = x.shape[2], x.shape[3]
    blurred = [
        conv2d(x[i].reshape(c, 1, height, width), kernel[i : i + 1], stride=scale, padding=0)
        for i in range(n)
    ]
    return ops.stack([maps[:, 0] for maps in blurred], axis=0)


class ResidualBlock(nn.Cell):
    """Two convolutions with a residual connection, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = Conv2d(channels, channels, 3, padding=1, bias=True)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        return x + self.conv2(ops.relu(self.conv1(x)))


class AttentionBlock(nn.Cell):
    """A residual block whose channels are weighted, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = Conv2d(channels, channels, 3, padding=1, bias=True)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=True)
        self.squeeze = Conv2d(channels, channels // 16, 1, padding=0, bias=True)
        self.excite = Conv2d(channels // 16, channels, 1, padding=0, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        y = self.conv2(ops.relu(self.conv1(x)))
        weights = self.excite(ops.relu(self.squeeze(global_avg_pool(y))))
        return x + y * ops.sigmoid(weights)


class KernelNet(nn.Cell):
    """The blur kernel of a clip, (n, 3 t, h, w) -> (n, 1, k, k), not negative, of sum 1."""

    def __init__(self, frames: int, kernel_size: int):
        super().__init__()
        self.size = kernel_size
        self.stem = Conv2d(3 * frames, 64, 3, padding=1, bias=True)
        self.body1 = nn.SequentialCell(AttentionBlock(64), AttentionBlock(64))
        self.body2 = nn.SequentialCell(AttentionBlock(64), AttentionBlock(64))
        self.conv1 = Conv2d(64, 32, 3, padding=1, bias=True)
        self.conv2 = Conv2d(32, 1, 3, padding=1, bias=True)
        self.linear1 = Linear(kernel_size * kernel_size, 1000, bias=True)
        self.linear2 = Linear(1000, kernel_size * kernel_size, bias=True)

    def construct(self, x: Tensor) -> Tensor:
        x = adaptive_avg_pool(self.body1(self.stem(x)), self.size)
        x = self.conv2(self.conv1(self.body2(x)))
        x = x.reshape(x.shape[0], self.size * self.size)
        x = softmax(self.linear2(self.linear1(x)), dim=1)
        return x.reshape(x.shape[0], 1, self.size, self.size)


class SelfBlindVSR(nn.Cell):
    """The whole network; see the module's docstring for shapes.

    Where the frames are already as large as the result, no output depends on enlarge.
    """

    def __init__(self, spec: SelfBlindVSRSpec):
        super().__init__()
        self.mode = spec.mode
        self.scale = spec.scale
        self.count = spec.frames
        self.enlarges = not spec.is_enlarged
        self.align_corners = spec.align_corners
        width = spec.width
        self.stem = Conv2d(3, width, 3, padding=1, bias=True)
        self.features = nn.SequentialCell(
            *[ResidualBlock(width) for _ in range(spec.feature_blocks)]
        )
        self.fusion = Conv2d(spec.frames * width, width, 3, padding=1, bias=True)
        self.body = nn.SequentialCell(*[ResidualBlock(width) for _ in range(spec.blocks)])
        self.head1 = Conv2d(width, width, 3, padding=1, bias=True)
        self.head2 = Conv2d(width, 3, 3, padding=1, bias=True)
        steps = [Conv2d(width, 4 * width, 3, padding=1, bias=True) for _ in range(spec.doublings)]
        self.enlarge = nn.CellList(steps)
        self.flow = PWCFlow(PWCFlowSpec(align_corners=spec.align_corners))
        self.kernel = KernelNet(spec.frames, spec.kernel_size)

    def construct(self, frames: Tensor) -> tuple[Tensor, ...]:
        n, count, _, h, w = frames.shape
        kernel = self.kernel(frames.reshape(n, 3 * count, h, w))
        if self.mode == "infer":
            return self.restore(frames), kernel
        images = [blur_down(frames[:, i], kernel, self.scale) for i in range(count)]
        reduced = ops.stack(images, axis=1)
        restored_reduced = self.restore(reduced)
        if self.mode == "train":
            restored = no_grad(self.restore, frames)
            return restored_reduced, blur_down(restored, kernel, self.scale), kernel
        restored = self.restore(frames)
        cycle = blur_down(restored, kernel, self.scale)
        return restored, restored_reduced, reduced[:, count // 2], cycle, kernel

    def restore(self, frames: Tensor) -> Tensor:
        """The middle frame from all of them, (n, t, 3, h, w) -> (n, 3, s h, s w)."""
        n, middle = frames.shape[0], self.count // 2
        before, after = middle * n, (middle + 1) * n
        images = ops.cat([frames[:, i] for i in range(self.count)], axis=0)
        center = images[before:after]
        x = self.features(self.stem(images))
        flow = self.flow(center, ops.cat([images[:before], images[after:]], axis=0))
        moved = ops.cat([x[:before], x[after:]], axis=0)
        moved = warp(moved, flow, padding="border", align_corners=self.align_corners)
        x = ops.cat([moved[:before], x[before:after], moved[before:]], axis=0)
        x = ops.cat(ops.chunk(x, self.count, axis=0), axis=1)
        x = self.body(self.fusion(x))
        if not self.enlarges:
            return self.colors(x) + center
        for conv in self.enlarge:
            x = pixel_shuffle(conv(x), 2)
        height, width = self.scale * center.shape[2], self.scale * center.shape[3]
        return self.colors(x) + resize_bilinear(center, height, width)

    def colors(self, x: Tensor) -> Tensor:
        """What head1 and head2 make of a map, (n, c, h, w) -> (n, 3, h, w).

        Nothing parts them, so they are one 5x5 convolution, a tenth of the work; but not along the
        edges, where head2 finds zeros outside instead of more of head1's results.
        """
        height, width = x.shape[2], x.shape[3]
        if min(height, width) < 3:
            return self.head2(self.head1(x))
        first, second = self.head1.weight, self.head2.weight
        joined = conv2d(first.permute(1, 0, 2, 3), ops.flip(second, (2, 3)), padding=2)
        inner = conv2d(x, joined.permute(1, 0, 2, 3), padding=2)
        bias = expand(self.head1.bias.reshape(1, -1, 1, 1), 3, 3)
        bias = conv2d(bias, second, padding=0) + self.head2.bias.reshape(1, -1, 1, 1)
        inner = inner[:, :, 1 : height - 1, 1 : width - 1] + expand(bias, height - 2, width - 2)
        top = self.head2(self.head1(x[:, :, :3]))[:, :, :1]
        bottom = self.head2(self.head1(x[:, :, height - 3 :]))[:, :, 2:]
        left = self.head2(self.head1(x[:, :, :, :3]))[:, :, 1 : height - 1, :1]
        right = self.head2(self.head1(x[:, :, :, width - 3 :]))[:, :, 1 : height - 1, 2:]
        inner = ops.cat([left, inner, right], axis=3)
        return ops.cat([top, inner, bottom], axis=2)
