"""Controllable multi-scale rendering: pixels that are modulated weakly are rendered at less scale.

Source: He and Jin, "Latent Modulated Function for Computational Optimal Continuous Image
Representation", CVPR 2024, arXiv 2404.16451, section 3.4. For each target scale a table tells up to
which strength of modulation a pixel is rendered at which scale; what is rendered at less scale is
enlarged by bilinear interpolation. The networks (LM-LIIF, LM-LTE, LM-CiaoSR) run in any framework,
through its engine; what is said here stands once for all of them, in NumPy.

Differs from the authors' code where that fails: batches, sizes that no one scale gives, levels at
which nothing is rendered. Two of its ways have a switch: `is_clamped`, levels ask for no place
beyond the centers of the outer pixels, where rounding decides the local ensemble; `keeps_unfit`, a
scale at which even the weakest pixels suffer keeps its bound, though that lets all pixels through.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from restoration.engine.contract import Engine, Network
from restoration.errors import InputError
from restoration.models import continuous
from restoration.models.lmf import ModulatedSpec

Table = Mapping[float, float]
Tables = Mapping[float, Table]
"""{target scale: {scale of rendering: largest strength of modulation}}, both ascending."""

SCALES = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_NEAR = 0.001  # how far a pixel's strength may be from the one that is tried


@dataclass(frozen=True)
class Level:
    """Pixels of a strength between low and high are rendered at a scale."""

    scale: float
    low: float
    high: float


def read_tables(path: Path) -> dict[float, dict[float, float]]:
    """The tables of a YAML file as the authors publish them.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _sorted({key: dict(table) for key, table in content.items()})
    except (OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as problem:
        raise InputError(
            "tables of scales",
            expected="YAML as {4: {1: 0.33, 2: 0.44, 4: 1}}",
            got=f"{type(problem).__name__}: {str(problem).splitlines()[0]}",
            where=str(path),
            next_step="build one with restoration.inference.cmsr.build_table",
        ) from problem


def write_tables(path: Path, tables: Tables) -> None:
    """Write tables as the authors do, or extend by them those that a file holds."""
    known = read_tables(path) if path.exists() else {}
    path.write_text(yaml.safe_dump(_sorted({**known, **tables}), sort_keys=False), encoding="utf-8")


def _sorted(tables: Tables) -> dict[float, dict[float, float]]:
    return {key: dict(sorted(tables[key].items())) for key in sorted(tables)}


def levels(tables: Tables, scale: float) -> list[Level]:
    """The levels at which an image is rendered for a target scale, from the smallest."""
    target = next((key for key in tables if key >= scale), max(tables))
    scales, bounds = [], [0.0]
    for smaller, bound in tables[target].items():
        if smaller >= scale:
            break
        scales.append(float(smaller))
        bounds.append(float(bound))
    if bounds[-1] < 1:
        scales.append(scale)
        bounds.append(1.0)
    found = [Level(*level) for level in zip(scales, bounds[:-1], bounds[1:], strict=True)]
    return [level for level in found if level.scale >= 1]


class Renderer:
    """What a network makes of one image (1, 3, h, w) in [-1, 1], at any places.

    What depends on the image alone is worked out once, for one cell (2,).
    """

    def __init__(
        self,
        engine: Engine,
        network: Network,
        spec: ModulatedSpec,
        image: np.ndarray,
        cell: np.ndarray,
    ):
        if spec.modulation == "none":
            raise InputError(
                "LMF model",
                expected="one whose render network is modulated",
                got="modulation 'none'",
                where="restoration.inference.cmsr",
                next_step="render it without tables",
            )
        self.image = image
        self.height, self.width = image.shape[2:]
        self._engine, self._network, self._spec = engine, network, spec
        self._latents = engine.call(
            network, "latents", image, (cell * (self.height, self.width))[None]
        )
        strength = engine.call(network, "strength", self._latents)
        self._strength = engine.to_numpy(strength).reshape(self.height, self.width)

    def strength(self, coord: np.ndarray) -> np.ndarray:
        """How strongly the pixels nearest to places (q, 2) are modulated, (q,)."""
        size = np.array(self._strength.shape)
        rows, columns = np.rint(((coord + 1) * size - 1) / 2).clip(0, size - 1).astype(int).T
        return self._strength[rows, columns]

    def colors(self, coord: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """What the network gives at places (q, 2) for a cell (2,), (q, 3)."""
        found = continuous.lookup(
            self._spec, coord[None], cell[None], height=self.height, width=self.width
        )
        rgb = self._engine.call(self._network, "render", self._latents, *found.values())
        return self._engine.to_numpy(rgb)[0]


def render(
    engine: Engine,
    network: Network,
    spec: ModulatedSpec,
    images: np.ndarray,
    *,
    coord: np.ndarray,
    cell: np.ndarray,
    tables: Tables,
    is_clamped: bool = False,
) -> np.ndarray:
    """Colors of images (n, 3, h, w) in [-1, 1] at places (q, 2) for a cell (2,), (n, q, 3).

    Up to four times the size every pixel is rendered at the full scale.
    """
    parts = [
        _render_one(
            Renderer(engine, network, spec, images[i : i + 1], cell),
            coord,
            cell,
            tables,
            is_clamped,
        )
        for i in range(len(images))
    ]
    return np.stack(parts)


def _render_one(
    renderer: Renderer, coord: np.ndarray, cell: np.ndarray, tables: Tables, is_clamped: bool
) -> np.ndarray:
    """One image, (q, 3)."""
    height, width = renderer.height, renderer.width
    scale = math.sqrt(len(coord) / (height * width))
    if scale <= continuous.LARGEST_TRAINED_SCALE:
        return renderer.colors(coord, cell)
    chosen = levels(tables, scale)
    canvas = renderer.image[0].transpose(1, 2, 0).astype(np.float64)
    is_complete = False
    for level in chosen:
        rows, columns = int(height * level.scale), int(width * level.scale)
        places = continuous.make_coord(rows, columns)
        level_cell = continuous.output_cell(rows, columns, scale=level.scale)
        is_complete = level.scale == scale
        if is_clamped:
            places = _clamp(places, height, width)
        elif is_complete:
            places, level_cell = coord, cell
        strength = renderer.strength(places)
        is_chosen = np.ones(len(places), bool)
        if level != chosen[0]:
            is_chosen &= strength >= level.low
        if level != chosen[-1]:
            is_chosen &= strength <= level.high
        if not is_chosen.any():
            is_complete = False
            continue
        pixels = _sample(canvas, places)
        pixels[is_chosen] = renderer.colors(places[is_chosen], level_cell)
        if is_complete:
            return pixels
        canvas = pixels.reshape(rows, columns, 3)
    return _sample(canvas, coord)


def build_tables(
    engine: Engine,
    network: Network,
    spec: ModulatedSpec,
    images: Iterable[np.ndarray],
    *,
    scale: float,
    largest_error: float,
    table: Table | None = None,
    keeps_unfit: bool = False,
) -> Iterator[dict[float, float]]:
    """The table of a target scale after each of some small images (1, 3, h, w) in [-1, 1].

    largest_error: mean squared error, in [-1, 1], that rendering at less scale may cause. table:
    to start from, else all SCALES up to the target with 1.
    """
    current = dict(table or {small: 1.0 for small in SCALES if small <= scale})
    for image in images:
        height, width = (round(size * scale) for size in image.shape[2:])
        cell = continuous.output_cell(height, width, scale=scale)
        renderer = Renderer(engine, network, spec, image, cell)
        reference = renderer.colors(continuous.make_coord(height, width), cell).reshape(
            height, width, 3
        )
        untried = [k / spec.strength_steps for k in range(101)]
        reached = 0.0
        for small in [small for small in current if small < scale]:
            best = _strongest(renderer, reference, small, untried, largest_error)
            if best is not None:
                reached = best
            elif keeps_unfit:
                continue
            _lower(current, small, reached)
        if untried:
            current[scale] = untried[-1]
            _lower(current, scale, untried[-1])
        yield dict(current)


def _strongest(
    renderer: Renderer,
    reference: np.ndarray,
    scale: float,
    untried: list[float],
    largest_error: float,
) -> float | None:
    """The strongest pixels that a scale suits, None if there are none; takes them off the list."""
    coord = continuous.make_coord(*reference.shape[:2])
    strength = renderer.strength(coord)
    rows, columns = int(renderer.height * scale), int(renderer.width * scale)
    cell = continuous.output_cell(rows, columns, scale=scale)
    rendered = renderer.colors(continuous.make_coord(rows, columns), cell).reshape(rows, columns, 3)
    error = (_sample(rendered, coord) - reference.reshape(-1, 3)) ** 2
    best = None
    for candidate in list(untried):
        is_near = np.abs(strength - candidate) <= _NEAR
        if is_near.any():
            if error[is_near].mean() > largest_error:
                break
            untried.remove(candidate)
            best = candidate
    return best


def _lower(table: dict[float, float], scale: float, bound: float) -> None:
    """Lower a scale's bound, and the bounds of smaller scales that lie above it."""
    for known, old in table.items():
        if known <= scale:
            table[known] = min(old, bound)


def _clamp(places: np.ndarray, height: int, width: int) -> np.ndarray:
    """Places no further out than the centers of an image's outer pixels."""
    edge = 1 - 1 / np.array([height, width])
    return places.clip(-edge, edge)


def _sample(canvas: np.ndarray, coord: np.ndarray) -> np.ndarray:
    """Bilinear interpolation of a canvas (h, w, 3) at places (q, 2), the border replicated."""
    index, weight = continuous.bilinear(coord[None], np.array(canvas.shape[:2]))
    return np.einsum("kqc,kq->qc", canvas.reshape(-1, 3)[index[0]], weight[0])
