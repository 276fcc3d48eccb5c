"""Larger and smaller maps."""

from __future__ import annotations

import numpy as np
from jittor import Var, nn

from jittor_impl.layers.matrices import resampled


def upsample(x: Var, factor: int, *, mode: str) -> Var:
    """Enlarge by a whole factor, (n, c, h, w) -> (n, c, h*factor, w*factor).

    mode "nearest" repeats pixels; "align_corners" is bilinear, corner pixels' centers aligned;
    "asymmetric" is bilinear without half-pixel centers: pixel i of the input lies at factor*i of
    the output, the last pixel is replicated.
    """
    # Native: jittor.nn.interpolate: mode "bilinear", align_corners and tf_mode False by default;
    # tf_mode is the asymmetric grid.
    if factor == 1:
        return x
    size = (x.shape[2] * factor, x.shape[3] * factor)
    if mode == "nearest":
        return nn.interpolate(x, size=size, mode="nearest")
    if mode == "align_corners":
        return nn.interpolate(x, size=size, mode="bilinear", align_corners=True)
    return nn.interpolate(x, size=size, mode="bilinear", align_corners=False, tf_mode=True)


def downsample_nearest(x: Var, factor: int) -> Var:
    """Keep rows and columns 0, factor, 2 factor..., (n, c, h, w) -> (n, c, h/factor, w/factor)."""
    # Native: slices with a step: a copy, with gradients.
    return x[:, :, ::factor, ::factor]


def downsample_bilinear(x: Var, factor: int) -> Var:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, h/f, w/f).

    For an even factor: the mean of the central 2x2 pixels of each factor x factor block.
    """
    # Native: jittor.nn.interpolate: mode "bilinear", align_corners False by default; right while
    # size x scale is whole, as here, wrong by whole pixels otherwise.
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return nn.interpolate(x, size=size, mode="bilinear", align_corners=False)


def resize_bilinear(x: Var, height: int, width: int) -> Var:
    """Bilinear with half-pixel centers, no antialiasing, (n, c, h, w) -> (n, c, height, width)."""

    # Native: jittor.nn.interpolate: wrong by whole pixels where size x scale is not whole. Here
    # products with two matrices.
    def weights(new: int, old: int) -> np.ndarray:
        places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(old)))

    if (height, width) == tuple(x.shape[2:]):
        return x
    return resampled(x, weights(height, x.shape[2]), weights(width, x.shape[3]))


def pixel_shuffle(x: Var, factor: int) -> Var:
    """Channels to pixels, (n, c f f, h, w) -> (n, c, h f, w f); channel = c f f + dy f + dx."""
    # Native: jittor.nn.PixelShuffle: this order of channels, as a module only.
    n, c, h, w = x.shape
    blocks = x.reshape(n, c // factor**2, factor, factor, h, w).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, c // factor**2, h * factor, w * factor)


def pixel_unshuffle(x: Var, factor: int) -> Var:
    """Pixels to channels, the inverse of `pixel_shuffle`, (n, c, h f, w f) -> (n, c f f, h, w)."""
    # Native: absent.
    n, c, h, w = x.shape
    h, w = h // factor, w // factor
    blocks = x.reshape(n, c, h, factor, w, factor).permute(0, 1, 3, 5, 2, 4)
    return blocks.reshape(n, c * factor**2, h, w)


def zero_insert(x: Var, factor: int) -> Var:
    """Pixels at rows and columns 0, f, 2f..., zeros between, (n, c, h, w) -> (n, c, h f, w f)."""
    # Native: jittor.Var.reindex: 0 where a condition holds, by default.
    if factor == 1:
        return x
    n, c, h, w = x.shape
    return x.reindex(
        [n, c, h * factor, w * factor],
        ["i0", "i1", f"i2/{factor}", f"i3/{factor}"],
        overflow_conditions=[f"i2%{factor}!=0", f"i3%{factor}!=0"],
        overflow_value=0,
    )


def expand(x: Var, height: int, width: int) -> Var:
    """One value everywhere, (n, c, 1, 1) -> (n, c, height, width)."""
    # Native: jittor.Var.expand: a whole shape; it is broadcast when it is used.
    return x.expand(x.shape[0], x.shape[1], height, width)
