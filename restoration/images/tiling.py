"""Fitting images of any size to networks: padding to a multiple, and overlapping tiles.

A tile sees only itself. For networks that look at the whole image (a global mean, an attention
over all pixels, a Fourier transform) a tiled result is not the result of the whole image.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from restoration.errors import InputError


def rounded_up(size: int, multiple: int) -> int:
    """The smallest multiple that is at least as large as a size."""
    return -(-size // multiple) * multiple


def pad_to_multiple(image: np.ndarray, multiple: int, smallest_side_px: int = 1) -> np.ndarray:
    """Extend an image (..., h, w) at the bottom and right, symmetric at its border.

    Its sides become multiples of `multiple` and at least `smallest_side_px`. Crop the result with
    `[..., :h, :w]`, times the network's scale.
    """
    height, width = (rounded_up(max(size, smallest_side_px), multiple) for size in image.shape[-2:])
    return extend(image, height, width)


def extend(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (..., h, w) at least so large, symmetric beyond its lower and right border."""
    below, right = max(height - image.shape[-2], 0), max(width - image.shape[-1], 0)
    padding = [(0, 0)] * (image.ndim - 2) + [(0, below), (0, right)]
    return np.pad(image, padding, mode="symmetric") if below or right else image


def restore_tiled(
    restore: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    *,
    tile_px: int,
    overlap_px: int,
    multiple: int = 1,
    scale: int = 1,
    tiling_caveat: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Restore an image tile by tile and blend the overlaps, (n, c, h, w) -> (n, c', h*s, w*s).

    restore: takes a tile (n, c, t, t), gives (n, c', t*scale, t*scale). Tiles are cut so that each
    one is whole and its sides are multiples of `multiple`; an image smaller than a tile is one
    padded tile. tiling_caveat: the spec's reason why a tile is not restored as the whole image is;
    with more than one tile a UserWarning states it. progress: called with (tiles done, in all).

    Raises:
        InputError: `tile_px` is no multiple of `multiple`, or not larger than twice the overlap.
    """
    if tile_px < 1 or tile_px % multiple or not 0 <= 2 * overlap_px < tile_px:
        raise InputError(
            "tiles",
            expected=f"a tile that is a multiple of {multiple} and over twice the overlap",
            got=f"tile {tile_px}, overlap {overlap_px}",
            where="restoration.images.tiling.restore_tiled",
            next_step="make the tile larger or the overlap smaller",
        )
    height, width = image.shape[-2:]
    padded = pad_to_multiple(image, multiple)
    places = list(_places(padded.shape[-2], padded.shape[-1], tile_px, overlap_px))
    if tiling_caveat and len(places) > 1:
        warnings.warn(
            f"{len(places)} tiles differ from the whole image: {tiling_caveat}", stacklevel=2
        )
    blended: np.ndarray | None = None
    weights = np.zeros((padded.shape[-2] * scale, padded.shape[-1] * scale), np.float32)
    for done, (rows, columns) in enumerate(places, start=1):
        tile = restore(np.ascontiguousarray(padded[..., rows, columns]))
        if blended is None:
            blended = np.zeros((*tile.shape[:2], *weights.shape), np.float32)
        target_rows, target_columns = _scaled(rows, scale), _scaled(columns, scale)
        ramp = np.minimum.outer(
            _ramp(rows, padded.shape[-2], overlap_px, scale),
            _ramp(columns, padded.shape[-1], overlap_px, scale),
        )
        blended[..., target_rows, target_columns] += tile * ramp
        weights[target_rows, target_columns] += ramp
        if progress:
            progress(done, len(places))
    assert blended is not None, "an image has at least one tile"
    blended /= weights
    return blended[..., : height * scale, : width * scale]


def _places(
    height: int, width: int, tile_px: int, overlap_px: int
) -> Iterator[tuple[slice, slice]]:
    """Where tiles lie, row by row."""
    for top in _starts(height, tile_px, overlap_px):
        for left in _starts(width, tile_px, overlap_px):
            yield (
                slice(top, min(top + tile_px, height)),
                slice(left, min(left + tile_px, width)),
            )


def _starts(length: int, tile_px: int, overlap_px: int) -> list[int]:
    """First pixels of tiles along one axis; the last tile ends with the image."""
    if length <= tile_px:
        return [0]
    step = tile_px - overlap_px
    starts = list(range(0, length - tile_px, step))
    return [*starts, length - tile_px]


def _scaled(pixels: slice, scale: int) -> slice:
    return slice(pixels.start * scale, pixels.stop * scale)


def _ramp(pixels: slice, length: int, overlap_px: int, scale: int) -> np.ndarray:
    """Blending weights along one axis: rising and falling over the overlap, flat at the border."""
    size = (pixels.stop - pixels.start) * scale
    ramp = np.ones(size, np.float32)
    rise = (np.arange(overlap_px * scale, dtype=np.float32) + 0.5) / max(overlap_px * scale, 1)
    if pixels.start > 0 and overlap_px:
        ramp[: len(rise)] = rise
    if pixels.stop < length and overlap_px:
        ramp[-len(rise) :] = np.minimum(ramp[-len(rise) :], rise[::-1])
    return ramp


def pad_centered(image: np.ndarray, multiple: int) -> np.ndarray:
    """Zeros around images (n, c, h, w) up to multiples; the odd ones at the bottom and right."""
    height, width = image.shape[2:]
    down, right = -height % multiple, -width % multiple
    top, left = down // 2, right // 2
    return np.pad(image, ((0, 0), (0, 0), (top, down - top), (left, right - left)))


def crop_centered(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of an image (..., h, w), which `pad_centered` put zeros around."""
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
