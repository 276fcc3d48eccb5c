"""Where a continuous super-resolution network looks for each query, worked out once for all.

A query is a place (y, x) in [-1, 1], the outer edges of the image's outer pixels, and a cell
(height, width), the size of an output pixel in the same measure. What follows from them (which
pixels are near, how far away they are, how much each one counts) is decided by rounding in a few
places, so it is worked out here, in float64, and the networks of all frameworks get the same:

index (n, k, q): the pixels at which each query looks, numbered row by row through all n images;
    for CiaoSR then the one that is nearest to it, and for all but LIIF and LM-LIIF the four of
    bilinear interpolation.
offset (n, k, q, 2): from the centres of the first ones to the query, (y, x), in half pixels.
weight (n, k, q): how much each of them counts in the local ensemble (not for CiaoSR), and in
    bilinear interpolation; both add up to 1.
cell (n, 2): size of an output pixel in half pixels of the image.

Sources: Chen et al., "Learning Continuous Image Representation with Local Implicit Image Function",
CVPR 2021, arXiv 2012.09161; for CiaoSR: Cao et al., CVPR 2023, arXiv 2212.04362.
"""

from __future__ import annotations

import math

import numpy as np

from restoration.errors import InputError
from restoration.specs import CiaosrSpec, ContinuousSpec

Arrays = dict[str, np.ndarray]

LARGEST_TRAINED_SCALE = 4
_NUDGE = 1e-6  # moves a place that lies between two pixels to the later one
_SMALLEST_AREA = 1e-9


def grid(height: int, width: int) -> np.ndarray:
    """The centres of all pixels row by row, (height width, 2)."""
    rows, columns = np.meshgrid(_centres(height), _centres(width), indexing="ij")
    return np.stack([rows.ravel(), columns.ravel()], axis=1)


def output_cell(height: int, width: int, *, scale: float) -> np.ndarray:
    """The cell of an image of a size, (2,); never smaller than at the largest trained scale."""
    factor = max(scale / LARGEST_TRAINED_SCALE, 1)
    return np.array([2 / height, 2 / width]) * factor


def enlarge(spec: ContinuousSpec, images: np.ndarray, *, height: int, width: int) -> Arrays:
    """All inputs of a network that give images (n, 3, h, w) in [-1, 1] another size.

    The network's result (n, height width, 3) holds the pixels row by row; `to_images` makes images
    of it.

    Raises:
        InputError: the new size is smaller than the image's.
    """
    n, _, h, w = images.shape
    if height < h or width < w:
        raise InputError(
            "size of the result",
            expected=f"at least the image's, {h}x{w}",
            got=f"{height}x{width}",
            where="restoration.queries.enlarge",
            next_step="continuous super-resolution only enlarges",
        )
    scale = math.sqrt(height * width / (h * w))
    cell = output_cell(height, width, scale=scale)
    # All images are asked for the same places, so these are worked out for one of them.
    found = place(spec, grid(height, width)[None], cell[None], height=h, width=w)
    inputs: Arrays = {"image": images}
    for name, array in found.items():
        if np.issubdtype(array.dtype, np.floating):
            inputs[name] = np.repeat(array.astype(np.float32), n, axis=0)
        else:
            first = (np.arange(n, dtype=np.int32) * (h * w)).reshape(n, 1, 1)
            inputs[name] = array + first
    return inputs


def to_images(rgb: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """What a network gave, (n, height width, 3) in [-1, 1], as images (n, 3, height, width)."""
    return rgb.reshape(len(rgb), height, width, 3).transpose(0, 3, 1, 2)


def place(
    spec: ContinuousSpec, coord: np.ndarray, cell: np.ndarray, *, height: int, width: int
) -> Arrays:
    """What a network needs beside the image, for queries (n, q, 2) and cells (n, 2), in float64.

    height, width: of the images.
    """
    coord, cell = coord.astype(np.float64), cell.astype(np.float64)
    size = np.array([height, width])
    if isinstance(spec, CiaosrSpec):
        index, offset, weight = _attended(spec, coord, cell, size)
    else:
        index, offset, weight = _blended(coord, size, is_ensemble=spec.neighbours > 1)
    if spec.has_skip:
        corners, shares = bilinear(coord, size)
        index = np.concatenate([index, corners], axis=1)
        weight = np.concatenate([weight, shares], axis=1)
    return {"index": index, "offset": offset, "weight": weight, "cell": cell * size}


def _centres(count: int) -> np.ndarray:
    """The centres of an axis' pixels."""
    return -1 + 1 / count + 2 * np.arange(count) / count


def _blended(
    coord: np.ndarray, size: np.ndarray, *, is_ensemble: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixels of the local ensemble, or the nearest one, with weights."""
    if not is_ensemble:
        index, offset = _look(coord[:, None], coord, size)
        return index, offset, np.ones(index.shape)
    shifts = _signs(-1, 1)[None, :, None] / size
    index, offset = _look(coord[:, None] + shifts + _NUDGE, coord, size)
    area = np.abs(offset[..., 0] * offset[..., 1]) + _SMALLEST_AREA
    # Each one counts as much as the area between the query and the pixel opposite.
    weight = area[:, ::-1] / area.sum(1, keepdims=True)
    return index, offset, weight


def _attended(
    spec: CiaosrSpec, coord: np.ndarray, cell: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixels that a query of CiaoSR attends to, and the nearest one; no weights."""
    signs = {1: _signs(0), 2: _signs(-1, 1), 3: _signs(-1, 0, 1)}[spec.reach]
    radius = (1 - cell[:, None, None, :]) / (size - 1)
    moved = coord[:, None] + np.where(signs[:, None] == 0, 0, signs[:, None] * radius + _NUDGE)
    index, offset = _look(moved, coord, size)
    centre, _ = _look(coord[:, None], coord, size, is_clamped=False)
    return np.concatenate([index, centre], axis=1), offset, np.ones((len(coord), 0, coord.shape[1]))


def _signs(*steps: int) -> np.ndarray:
    """All pairs of steps along y and x, (k, 2)."""
    return np.array([(y, x) for y in steps for x in steps])


def _look(
    places: np.ndarray, coord: np.ndarray, size: np.ndarray, *, is_clamped: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels nearest to places (n, k, q, 2), and from their centres to the queries."""
    if is_clamped:
        places = places.clip(-1 + _NUDGE, 1 - _NUDGE)
    nearest = np.rint(((places + 1) * size - 1) / 2).clip(0, size - 1)
    centres = -1 + 1 / size + 2 * nearest / size
    offset = (coord[:, None] - centres) * size
    return _number(nearest, size), offset


def bilinear(coord: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four pixels of bilinear interpolation, the border repeated, and their weights."""
    places = (((coord + 1) * size - 1) / 2).clip(0, size - 1)
    low = np.floor(places)
    part = places - low
    corners = _signs(0, 1)[None, :, None]
    index = _number(np.minimum(low[:, None] + corners, size - 1), size)
    weight = np.where(corners == 1, part[:, None], 1 - part[:, None]).prod(-1)
    return index, weight


def _number(pixels: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Rows and columns (n, k, q, 2) as numbers that run through all images, (n, k, q) int32."""
    first = np.arange(len(pixels)).reshape(-1, 1, 1) * size.prod()
    return (first + pixels[..., 0] * size[1] + pixels[..., 1]).astype(np.int32)
