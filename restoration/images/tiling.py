"""Fitting images of any size to networks: padding to a multiple, and overlapping tiles.

A tile sees only itself. For networks that look at the whole image (a global mean, an attention
over all pixels, a Fourier transform) a tiled result is not the result of the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from restoration.errors import InputError


def rounded_up(size: int, multiple: int) -> int:
    """The smallest multiple that is at least as large as a size."""
    # Not -(-size // multiple): a graph with open sizes, as ONNX's, divides towards zero.
    return (size + multiple - 1) // multiple * multiple


def cut_to_multiple(image: np.ndarray, multiple: int) -> np.ndarray:
    """Without the rows and columns at the end that are over a multiple: (..., h, w)."""
    height, width = (side // multiple * multiple for side in image.shape[-2:])
    return image[..., :height, :width]


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


@dataclass(frozen=True)
class Tiles:
    """How a picture is cut: tiles of `tile_px` at multiples of `multiple`, overlapping.

    overlap_px: of neighbors. margin_px: of pixels at an inner edge that are computed and thrown
    away, because they lack what lies beyond; between two margins tiles are blended.
    """

    tile_px: int
    overlap_px: int
    margin_px: int = 0
    multiple: int = 1

    def __post_init__(self) -> None:
        holds = (
            self.tile_px >= 1
            and self.tile_px % self.multiple == 0
            and self.overlap_px % self.multiple == 0
            and 0 <= 2 * self.overlap_px < self.tile_px
            and (0 <= 2 * self.margin_px < self.overlap_px or self.margin_px == 0)
        )
        if not holds:
            raise InputError(
                "tiles",
                expected=f"tile and overlap that are multiples of {self.multiple}, the tile over "
                "twice the overlap, the overlap over twice its margin",
                got=f"tile {self.tile_px}, overlap {self.overlap_px}, margin {self.margin_px}",
                where="restoration.images.tiling.Tiles",
                next_step="make the tile larger or the overlap smaller",
            )

    def along(self, length: int) -> list[slice]:
        """Where tiles lie along an axis. The last one ends with the picture; it may be larger than
        the others by less than `multiple`."""
        if length <= self.tile_px:
            return [slice(0, length)]
        last = (length - self.tile_px) // self.multiple * self.multiple
        starts = [*range(0, last, self.tile_px - self.overlap_px), last]
        return [slice(start, start + self.tile_px) for start in starts[:-1]] + [slice(last, length)]


@dataclass
class Seam:
    """By how much the lesser of two neighboring tiles changed the result where they are blended,
    intensities in [0, 1]."""

    largest: float = 0.0
    square: float = 0.0
    count: int = 0

    def add(self, difference: np.ndarray) -> None:
        if difference.size:
            self.largest = max(self.largest, float(np.abs(difference).max()))
            self.square += float((difference.astype(np.float64) ** 2).sum())
            self.count += difference.size

    @property
    def psnr_db(self) -> float:
        """Of one tile against the other; infinite where nothing differs."""
        mean = self.square / max(self.count, 1)
        return float(-10 * np.log10(mean)) if mean else float("inf")


Part = tuple[slice, slice]
"""Rows and columns."""


def restore_tiled(
    restore: Callable[[Part, Part], np.ndarray],
    size: tuple[int, int],
    tiles: Tiles,
    *,
    result_size: tuple[int, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, Seam]:
    """A picture of a size (h, w) restored tile by tile, (n, c, H, W), and the seam between tiles.

    restore: takes a part of the picture and the part of the result whose pixels have their centers
    in it, and gives the latter, (n, c, rows, columns). result_size: H, W, at any ratio to h, w; the
    picture's if None. progress: called with (tiles done, in all).
    """
    result_size = result_size or size
    axes = [
        [(part, *_of_result(part, length, longer, tiles)) for part in tiles.along(length)]
        for length, longer in zip(size, result_size, strict=True)
    ]
    places = [(row, column) for row in axes[0] for column in axes[1]]
    seam = Seam()
    blended: np.ndarray | None = None
    weights = np.zeros(result_size, np.float32)
    for done, (row, column) in enumerate(places, start=1):
        tile = restore((row[0], column[0]), (row[1], column[1]))
        if len(places) == 1:
            if progress:
                progress(1, 1)
            return tile, seam
        if blended is None:
            blended = np.zeros((*tile.shape[:2], *result_size), np.float32)
        ramp = np.minimum.outer(row[2], column[2])
        sofar, known = blended[..., row[1], column[1]], weights[row[1], column[1]]
        both = (ramp > 0) & (known > 0)
        lesser = np.minimum(ramp[both], known[both]) / (ramp[both] + known[both])
        seam.add((tile[..., both] - sofar[..., both] / known[both]) * lesser)
        sofar += tile * ramp
        known += ramp
        if progress:
            progress(done, len(places))
    assert blended is not None, "a picture has at least one tile"
    blended /= weights
    return blended, seam


def _of_result(
    part: slice, length: int, result_length: int, tiles: Tiles
) -> tuple[slice, np.ndarray]:
    """The pixels of a result's axis whose centers lie in a part of the picture's, and how much each
    counts there: nothing within the margin of an inner edge, then more and more."""
    found = part_of_result(part, length, result_length)
    centers = (np.arange(found.start, found.stop) + 0.5) * length / result_length
    ramp = np.ones(len(centers))
    band = max(tiles.overlap_px - 2 * tiles.margin_px, 1)
    if part.start > 0 and tiles.overlap_px:
        ramp = np.minimum(ramp, (centers - part.start - tiles.margin_px) / band)
    if part.stop < length and tiles.overlap_px:
        ramp = np.minimum(ramp, (part.stop - centers - tiles.margin_px) / band)
    return found, ramp.clip(0, 1).astype(np.float32)


def part_of_result(part: slice, length: int, result_length: int) -> slice:
    """The pixels of a result's axis whose centers lie in a part of the picture's axis."""
    scale = result_length / length
    return slice(
        max(math.ceil(part.start * scale - 0.5), 0),
        min(math.ceil(part.stop * scale - 0.5), result_length),
    )


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
