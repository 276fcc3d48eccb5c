"""Larger and smaller maps."""

from __future__ import annotations

from mindspore import Tensor, ops


def upsample(x: Tensor, factor: int, *, mode: str) -> Tensor:
    """Enlarge by a whole factor, (n, c, h, w) -> (n, c, h*factor, w*factor).

    mode "nearest" repeats pixels. "corners" is bilinear with the corner pixels' centers aligned.
    "asymmetric" is bilinear without half-pixel centers: pixel i of the input lies at factor*i of
    the output, the last pixel is repeated.
    """
    # Native: scale_factor is refused in most modes; the primitive has the asymmetric grid.
    if factor == 1:
        return x
    size = (x.shape[2] * factor, x.shape[3] * factor)
    if mode == "nearest":
        return ops.interpolate(x, size=size, mode="nearest")
    if mode == "corners":
        return ops.interpolate(x, size=size, mode="bilinear", align_corners=True)
    return ops.ResizeBilinearV2(align_corners=False, half_pixel_centers=False)(x, size)


def downsample_nearest(x: Tensor, factor: int) -> Tensor:
    """Keep rows and columns 0, factor, 2 factor..., (n, c, h, w) -> (n, c, h/factor, w/factor)."""
    # Native: slicing with a step does this, but in PyNative mode its gradient raises for more than
    # one map.
    n, c, h, w = x.shape
    return x.reshape(n, c, h // factor, factor, w // factor, factor)[:, :, :, 0, :, 0]


def downsample_bilinear(x: Tensor, factor: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: align_corners defaults to False.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return ops.interpolate(x, size=size, mode="bilinear", align_corners=False)


def resize_bilinear(x: Tensor, height: int, width: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, height, width)."""
    # Native: align_corners defaults to False.
    return ops.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


def grid_sample(x: Tensor, grid: Tensor, *, padding: str, align_corners: bool) -> Tensor:
    """Bilinear samples, maps (n, c, h, w) and places (n, h', w', 2), x first -> (n, c, h', w').

    -1 and 1 are the centers of the outermost pixels if the corners are aligned, else their outer
    edges. padding: outside is 0 ("zeros") or the nearest pixel ("border").
    """
    # Native: zeros, and corners that are not aligned, by default. Where w' is a multiple of 8 its
    # gradient logs failed copies of nothing ("memcpy_s failed"), and is right.
    return ops.grid_sample(
        x, grid, mode="bilinear", padding_mode=padding, align_corners=align_corners
    )


def pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    """Channels to pixels, (n, c f f, h, w) -> (n, c, h f, w f); channel = c f f + dy f + dx."""
    # Native: the same order everywhere.
    return ops.pixel_shuffle(x, factor)


def pixel_unshuffle(x: Tensor, factor: int) -> Tensor:
    """Pixels to channels, the inverse of `pixel_shuffle`, (n, c, h f, w f) -> (n, c f f, h, w)."""
    # Native: the same order everywhere.
    return ops.pixel_unshuffle(x, factor)


def zero_insert(x: Tensor, factor: int) -> Tensor:
    """Pixels at rows and columns 0, f, 2f..., zeros between, (n, c, h, w) -> (n, c, h f, w f)."""
    # Native: assignment to a slice with a step does this.
    if factor == 1:
        return x
    n, c, h, w = x.shape
    result = ops.zeros((n, c, h * factor, w * factor), x.dtype)
    result[:, :, ::factor, ::factor] = x
    return result


def repeat_map(x: Tensor, height: int, width: int) -> Tensor:
    """One value everywhere, (n, c, 1, 1) -> (n, c, height, width)."""
    # Native: a broadcast to a whole shape.
    return ops.broadcast_to(x, (x.shape[0], x.shape[1], height, width))
