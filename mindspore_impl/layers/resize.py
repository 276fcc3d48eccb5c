"""Larger and smaller maps."""

from __future__ import annotations

from mindspore import Tensor, ops


def upsample(x: Tensor, factor: int, *, mode: str) -> Tensor:
    """Enlarge by a whole factor, (n, c, h, w) -> (n, c, h*factor, w*factor).

    mode "nearest" repeats pixels; "align_corners" is bilinear, corner pixels' centers aligned;
    "asymmetric" is bilinear without half-pixel centers: pixel i of the input lies at factor*i of
    the output, the last pixel is replicated.
    """
    # Native: mindspore.ops.interpolate: mode "nearest" by default; refuses scale_factor in most
    # modes. mindspore.ops.ResizeBilinearV2 has the asymmetric grid, by default.
    if factor == 1:
        return x
    size = (x.shape[2] * factor, x.shape[3] * factor)
    if mode == "nearest":
        return ops.interpolate(x, size=size, mode="nearest")
    if mode == "align_corners":
        return ops.interpolate(x, size=size, mode="bilinear", align_corners=True)
    return ops.ResizeBilinearV2(align_corners=False, half_pixel_centers=False)(x, size)


def downsample_nearest(x: Tensor, factor: int) -> Tensor:
    """Keep rows and columns 0, factor, 2 factor..., (n, c, h, w) -> (n, c, h/factor, w/factor)."""
    # Native: slices with a step: in PyNative mode their gradient raises for more than one map.
    n, c, h, w = x.shape
    return x.reshape(n, c, h // factor, factor, w // factor, factor)[:, :, :, 0, :, 0]


def downsample_bilinear(x: Tensor, factor: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: mindspore.ops.interpolate: mode "nearest", align_corners False by default.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return ops.interpolate(x, size=size, mode="bilinear", align_corners=False)


def resize_bilinear(x: Tensor, height: int, width: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, height, width)."""
    # Native: mindspore.ops.interpolate: mode "nearest", align_corners False by default.
    return ops.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


def pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    """Channels to pixels, (n, c f f, h, w) -> (n, c, h f, w f); channel = c f f + dy f + dx."""
    # Native: mindspore.ops.pixel_shuffle: this order of channels.
    return ops.pixel_shuffle(x, factor)


def pixel_unshuffle(x: Tensor, factor: int) -> Tensor:
    """Pixels to channels, the inverse of `pixel_shuffle`, (n, c, h f, w f) -> (n, c f f, h, w)."""
    # Native: mindspore.ops.pixel_unshuffle: this order of channels.
    return ops.pixel_unshuffle(x, factor)


def zero_insert(x: Tensor, factor: int) -> Tensor:
    """Pixels at rows and columns 0, f, 2f..., zeros between, (n, c, h, w) -> (n, c, h f, w f)."""
    # Native: assignment to a slice with a step: makes a new tensor of the name, with gradients.
    if factor == 1:
        return x
    n, c, h, w = x.shape
    result = ops.zeros((n, c, h * factor, w * factor), x.dtype)
    result[:, :, ::factor, ::factor] = x
    return result


def expand(x: Tensor, height: int, width: int) -> Tensor:
    """One value everywhere, (n, c, 1, 1) -> (n, c, height, width)."""
    # Native: mindspore.ops.broadcast_to: a whole shape, in memory.
    return ops.broadcast_to(x, (x.shape[0], x.shape[1], height, width))
