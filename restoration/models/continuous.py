"""Continuous super-resolution: where a network looks for each query, worked out once for all.

A query is a place (y, x) in [-1, 1], the outer edges of the image's outer pixels, and a cell
(height, width), the size of an output pixel in the same measure. What follows from them (which
pixels are near, how far away they are, how much each one counts) is decided by rounding in a few
places, so it is worked out here, in float64, and the networks of all frameworks get the same:

index (n, k, q): the pixels at which each query looks, numbered row by row through all n images;
    for CiaoSR then the one that is nearest to it, and for all but LIIF and LM-LIIF the four of
    bilinear interpolation.
offset (n, k, q, 2): from the centers of the first ones to the query, (y, x), in half pixels.
weight (n, k, q): how much each of them counts in the local ensemble (not for CiaoSR), and in
    bilinear interpolation; both add up to 1.
cell (n, 2): size of an output pixel in half pixels of the image.

Sources: Chen et al., "Learning Continuous Image Representation with Local Implicit Image Function",
CVPR 2021, arXiv 2012.09161; for CiaoSR: Cao et al., CVPR 2023, arXiv 2212.04362.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.images import tiling
from restoration.models.edsr import EDSRSpec
from restoration.models.encoder import EncoderSpec
from restoration.models.laws import Rules
from restoration.models.model import Model, PublishedWeights
from restoration.models.rdn import RDNSpec
from restoration.models.spec import Spec
from restoration.models.swinir import SwinIRSpec

LARGEST_TRAINED_SCALE = 4
NUDGE = 1e-6  # moves a place that lies between two pixels to the later one
_SMALLEST_AREA = 1e-9


def make_coord(height: int, width: int) -> np.ndarray:
    """The centers of all pixels row by row, (height width, 2)."""
    rows, columns = np.meshgrid(_centers(height), _centers(width), indexing="ij")
    return np.stack([rows.ravel(), columns.ravel()], axis=1)


def output_cell(
    height: int, width: int, *, scale: float, floor: float | None = LARGEST_TRAINED_SCALE
) -> np.ndarray:
    """The cell of an image of a size, (2,); never smaller than at the scale `floor`, the largest
    that was trained, if that is not None."""
    factor = max(scale / floor, 1) if floor else 1
    return np.array([2 / height, 2 / width]) * factor


def enlarge(
    spec: ContinuousSpec,
    images: np.ndarray,
    *,
    height: int,
    width: int,
    part_px: tuple[int, int] | None = None,
    cell_floor: float | None = LARGEST_TRAINED_SCALE,
) -> Arrays:
    """All inputs of a network that give images (n, 3, h, w) in [-1, 1] another size.

    The network's result (n, height width, 3) holds the pixels row by row; `to_images` makes images
    of it. part_px: height and width of the upper left part that is enlarged, where it is not all.
    cell_floor: see `output_cell`.

    Raises:
        InputError: the new size is smaller than the image's.
    """
    h, w = images.shape[2:]
    rows, columns = part_px or (h, w)
    if height < rows or width < columns:
        raise InputError(
            "size of the result",
            expected=f"at least the image's, {rows}x{columns}",
            got=f"{height}x{width}",
            where="restoration.models.continuous.enlarge",
            next_step="continuous super-resolution only enlarges",
        )
    scale = math.sqrt(height * width / (rows * columns))
    coord = make_coord(height, width)
    cell = output_cell(height, width, scale=scale, floor=cell_floor)
    if (rows, columns) != (h, w):
        share = np.array([rows / h, columns / w])
        coord, cell = (coord + 1) * share - 1, cell * share
    return at_places(spec, images, coord, cell)


def enlarge_tile(
    spec: ContinuousSpec,
    tile: np.ndarray,
    place: tuple[slice, slice],
    result: tuple[slice, slice],
    *,
    size: tuple[int, int],
    result_size: tuple[int, int],
    cell_floor: float | None = LARGEST_TRAINED_SCALE,
) -> Arrays:
    """All inputs of a network that give a part of an enlarged image from a tile (n, 3, h, w).

    place: where the tile lies in an image of a size; it may be extended below and at the right.
    result: the part that is asked for of the image at its new size.
    """
    axes, cells = [], []
    scale = math.sqrt(math.prod(result_size) / math.prod(size))
    cell = output_cell(*result_size, scale=scale, floor=cell_floor)
    for axis in (0, 1):
        centers = (np.arange(result_size[axis])[result[axis]] + 0.5) * size[axis]
        within = centers / result_size[axis] - place[axis].start  # in pixels of the image
        axes.append(2 * within / tile.shape[2 + axis] - 1)
        cells.append(cell[axis] * size[axis] / tile.shape[2 + axis])
    rows, columns = np.meshgrid(*axes, indexing="ij")
    coord = np.stack([rows.ravel(), columns.ravel()], axis=1)
    return at_places(spec, tile, coord, np.array(cells))


def at_places(
    spec: ContinuousSpec, images: np.ndarray, coord: np.ndarray, cell: np.ndarray
) -> Arrays:
    """All inputs of a network for images (n, 3, h, w) at places (q, 2) with one cell (2,)."""
    n, _, h, w = images.shape
    # All images are asked for the same places, so these are worked out for one of them.
    found = lookup(spec, coord[None], cell[None], height=h, width=w)
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


def lookup(
    spec: ContinuousSpec, coord: np.ndarray, cell: np.ndarray, *, height: int, width: int
) -> Arrays:
    """What a network needs beside the image, for queries (n, q, 2) and cells (n, 2), in float64.

    height, width: of the images.
    """
    coord, cell = coord.astype(np.float64), cell.astype(np.float64)
    size = np.array([height, width])
    index, offset, weight = spec.look(coord, cell, size)
    if spec.has_skip:
        corners, shares = bilinear(coord, size)
        index = np.concatenate([index, corners], axis=1)
        weight = np.concatenate([weight, shares], axis=1)
    return {"index": index, "offset": offset, "weight": weight, "cell": cell * size}


def _centers(count: int) -> np.ndarray:
    """The centers of an axis' pixels."""
    return -1 + 1 / count + 2 * np.arange(count) / count


def local_ensemble(
    coord: np.ndarray, size: np.ndarray, *, is_ensemble: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixels of the local ensemble, or the nearest one, with weights."""
    if not is_ensemble:
        index, offset = nearest_pixels(coord[:, None], coord, size)
        return index, offset, np.ones(index.shape)
    shifts = signs(-1, 1)[None, :, None] / size
    index, offset = nearest_pixels(coord[:, None] + shifts + NUDGE, coord, size)
    area = np.abs(offset[..., 0] * offset[..., 1]) + _SMALLEST_AREA
    # Each one counts as much as the area between the query and the pixel opposite.
    weight = area[:, ::-1] / area.sum(1, keepdims=True)
    return index, offset, weight


def signs(*steps: int) -> np.ndarray:
    """All pairs of steps along y and x, (k, 2)."""
    return np.array([(y, x) for y in steps for x in steps])


def nearest_pixels(
    places: np.ndarray, coord: np.ndarray, size: np.ndarray, *, is_clamped: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels nearest to places (n, k, q, 2), and from their centers to the queries."""
    if is_clamped:
        places = places.clip(-1 + NUDGE, 1 - NUDGE)
    nearest = np.rint(((places + 1) * size - 1) / 2).clip(0, size - 1)
    centers = -1 + 1 / size + 2 * nearest / size
    offset = (coord[:, None] - centers) * size
    return _number(nearest, size), offset


def bilinear(coord: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four pixels of bilinear interpolation, the border replicated, and their weights."""
    places = (((coord + 1) * size - 1) / 2).clip(0, size - 1)
    low = np.floor(places)
    part = places - low
    corners = signs(0, 1)[None, :, None]
    index = _number(np.minimum(low[:, None] + corners, size - 1), size)
    weight = np.where(corners == 1, part[:, None], 1 - part[:, None]).prod(-1)
    return index, weight


def _number(pixels: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Rows and columns (n, k, q, 2) as numbers that run through all images, (n, k, q) int32."""
    first = np.arange(len(pixels)).reshape(-1, 1, 1) * size.prod()
    return (first + pixels[..., 0] * size[1] + pixels[..., 1]).astype(np.int32)


@dataclass(frozen=True, kw_only=True)
class ContinuousSpec(Spec):
    """Base of networks that give the color at any place of an image.

    Class variable `has_skip`: the result is added to bilinear interpolation of the image.

    encoder: the network that gives their features. chunk: queries decoded at a time, which bounds
    memory; what a query gives depends on no other. What the inputs beside the image mean is said in
    `lookup`, which makes them.
    """

    inputs: ClassVar[tuple[str, ...]] = ("image", "index", "offset", "weight", "cell")
    outputs: ClassVar[tuple[str, ...]] = ("rgb",)
    required_inputs: ClassVar[int] = 5
    has_skip: ClassVar[bool] = False

    encoder: EncoderSpec = field(default_factory=EDSRSpec)
    chunk: int = 16384

    @property
    def initialization(self) -> Mapping[str, Rules]:
        return self.encoder.initialization

    @property
    def magnification(self) -> None:
        return None

    @property
    def smallest_side_px(self) -> int:
        return self.encoder.smallest_side_px

    @property
    def neighbors(self) -> int:
        """At how many pixels of the image each query looks."""
        raise NotImplementedError

    def look(
        self, coord: np.ndarray, cell: np.ndarray, size: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The pixels at which queries look, how far away they are, and how much each one counts.

        coord (n, q, 2), cell (n, 2), size (height, width) -> (n, k, q), (n, k, q, 2), (n, k, q).
        """
        return local_ensemble(coord, size, is_ensemble=self.neighbors > 1)

    @property
    def lookups(self) -> int:
        """How many pixels it is told for each query, those of the skip included."""
        return self.neighbors + 4 * self.has_skip

    @property
    def weights(self) -> int:
        """How many of these it is told weights of, the last ones."""
        return self.lookups

    def _require_encoder(self) -> None:
        gives_features = (
            isinstance(self.encoder, EncoderSpec)
            and self.encoder.gives_features
            and not getattr(self.encoder, "keep_padding", False)
        )
        self._require("encoder", gives_features, "an encoder's spec, scale 1, keep_padding False")
        self._require_count("chunk")

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        image, index = inputs["image"], inputs["index"]
        self.encoder.check_inputs({"image": image})
        n, _, height, width = image.shape
        q = index.shape[-1] if index.ndim == 3 else "q"
        shapes: dict[str, tuple[Any, ...]] = {
            "index": (n, self.lookups, q),
            "offset": (n, self.neighbors, q, 2),
            "weight": (n, self.weights, q),
            "cell": (n, 2),
        }
        for name, shape in shapes.items():
            self._require_shape(name, inputs[name], shape)
        count = n * height * width
        is_index = np.issubdtype(index.dtype, np.integer) and index.size > 0
        if not is_index or index.min() < 0 or index.max() >= count:
            raise InputError(
                "input 'index'",
                expected=f"whole numbers below {count}, the images' pixels, for some queries",
                got=f"{index.dtype} up to {index.max()}" if index.size else "no queries",
                where=self.network,
                next_step="restoration.models.continuous.lookup makes them",
            )


class ContinuousModel(Model):
    """A picture goes in as [-1, 1], with all places of the result; a list of colors comes out."""

    def _inputs(self, spec: Spec, image: np.ndarray, scale: float | None, given: Arrays) -> Arrays:
        assert isinstance(spec, ContinuousSpec)
        size = image.shape[2], image.shape[3]
        height, width = self.result_size(spec, *size, scale=scale)
        extended = tiling.pad_to_multiple(image, 1, spec.smallest_side_px)
        return enlarge(spec, 2 * extended - 1, height=height, width=width, part_px=size)

    def _image(
        self, spec: Spec, outputs: Mapping[str, np.ndarray], height: int, width: int
    ) -> np.ndarray:
        return (to_images(outputs[self.picture], height=height, width=width) + 1) / 2


_ENCODERS: Mapping[str, EncoderSpec] = {
    "edsr-b": EDSRSpec(),
    "rdn": RDNSpec(),
    "swinir": SwinIRSpec(),
}
TINY_ENCODER = EDSRSpec(width=8, blocks=1)


def continuous_model(
    name: str,
    *,
    title: str,
    source: str,
    tiny: ContinuousSpec,
    published: Callable[[str, EncoderSpec], ContinuousSpec],
    sizes: Mapping[str, tuple[int, int]],
) -> ContinuousModel:
    """A continuous network over EDSR-baseline ("published"), RDN and SwinIR.

    published: its spec over an encoder. sizes: numbers of parameters and of entries of the
    checkpoint over each encoder that there is one of.
    """
    spec_names = {"edsr-b": "published", "rdn": "published-rdn", "swinir": "published-swinir"}
    label = name.replace("lm_", "lm").replace("_", "-")
    return ContinuousModel(
        name=name,
        title=title,
        source=source,
        specs={"tiny": tiny}
        | {spec_names[encoder]: published(encoder, _ENCODERS[encoder]) for encoder in sizes},
        sample_inputs="enlarged_photographs",
        published=tuple(
            PublishedWeights(
                f"{encoder}_{label}/epoch-last.pth",
                spec_names[encoder],
                f"{encoder}_{label}",
                *sizes[encoder],
            )
            for encoder in sizes
        ),
        picture="rgb",
    )
