"""Larger and smaller maps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def upsample(x: Tensor, factor: int, *, mode: str) -> Tensor:
    """Enlarge by a whole factor, (n, c, h, w) -> (n, c, h*factor, w*factor).

    mode "nearest" repeats pixels; "align_corners" is bilinear, corner pixels' centers aligned;
    "asymmetric" is bilinear without half-pixel centers: pixel i of the input lies at factor*i of
    the output, the last pixel is replicated.
    """
    # Native: torch.nn.functional.interpolate: mode "nearest" and align_corners False by default;
    # there is no "asymmetric", but aligning the corners of the input extended by one pixel gives
    # the same grid.
    if factor == 1:
        return x
    height, width = x.shape[2] * factor, x.shape[3] * factor
    if mode == "nearest":
        return F.interpolate(x, scale_factor=factor, mode="nearest")
    if mode == "align_corners":
        return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)
    extended = F.pad(x, (0, 1, 0, 1), mode="replicate")
    size = (height + 1, width + 1)
    resized = F.interpolate(extended, size=size, mode="bilinear", align_corners=True)
    return resized[:, :, :height, :width]


def downsample_nearest(x: Tensor, factor: int) -> Tensor:
    """Keep rows and columns 0, factor, 2 factor..., (n, c, h, w) -> (n, c, h/factor, w/factor)."""
    # Native: slices with a step: a view, with gradients.
    return x[:, :, ::factor, ::factor]


def downsample_bilinear(x: Tensor, factor: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: torch.nn.functional.interpolate: mode "nearest", align_corners and antialias False by
    # default.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=False)


def resize_bilinear(x: Tensor, height: int, width: int) -> Tensor:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, height, width)."""
    # Native: torch.nn.functional.interpolate: mode "nearest", align_corners and antialias False by
    # default.
    return F.interpolate(
        x, size=(height, width), mode="bilinear", align_corners=False, antialias=False
    )


def pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    """Channels to pixels, (n, c f f, h, w) -> (n, c, h f, w f); channel = c f f + dy f + dx."""
    # Native: torch.nn.functional.pixel_shuffle: this order of channels.
    return F.pixel_shuffle(x, factor)


def pixel_unshuffle(x: Tensor, factor: int) -> Tensor:
    """Pixels to channels, the inverse of `pixel_shuffle`, (n, c, h f, w f) -> (n, c f f, h, w)."""
    # Native: torch.nn.functional.pixel_unshuffle: this order of channels.
    return F.pixel_unshuffle(x, factor)


def zero_insert(x: Tensor, factor: int) -> Tensor:
    """Pixels at rows and columns 0, f, 2f..., zeros between, (n, c, h, w) -> (n, c, h f, w f)."""
    # Native: assignment to a slice with a step, in place, with gradients.
    if factor == 1:
        return x
    n, c, h, w = x.shape
    result = x.new_zeros(n, c, h * factor, w * factor)
    result[:, :, ::factor, ::factor] = x
    return result


def expand(x: Tensor, height: int, width: int) -> Tensor:
    """One value everywhere, (n, c, 1, 1) -> (n, c, height, width)."""
    # Native: torch.Tensor.expand: a view; -1 keeps a size.
    return x.expand(-1, -1, height, width)
