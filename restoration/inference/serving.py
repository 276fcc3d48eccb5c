"""What the process of a framework does for `Restorer`: networks that stay, pictures of any size.

Every function is asked for by name (`restoration/process`); pictures come and go as files of
arrays. How a picture is cut follows from what the network does with it: the reach of a pixel and
the memory per pixel are measured on the picture itself.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from restoration.arrays import Arrays
from restoration.engine import calls
from restoration.engine.contract import Engine, Network
from restoration.engine.execution import PLAIN, Execution
from restoration.engine.taps import Tap
from restoration.errors import InputError, RestorationError
from restoration.images import tiling
from restoration.images.resize import fit_within
from restoration.inference.feature_cache import FeatureCache, key_of
from restoration.models import continuous, registry
from restoration.models.model import Model
from restoration.models.spec import Spec
from restoration.process import arrays, cache, memory
from restoration.process.serve import Session

HALF_STEP = 0.5 / 255
"""Half a step of 8 bits: what a seam stays below."""

_PROBE_PX = 256  # the part of a picture on which reach and memory are measured
_WHOLE_PX = 640 * 640  # what is not worth being measured
_SPARE = 1.25  # by how much a reach may be larger elsewhere in the picture
_LOCAL_TILE_PX, _LARGEST_TILE_PX = 448, 4096
_LOCAL_SHARE_MB = 500
_GLOBAL_OVERLAP_PX = 64
_HALF_AT_LEAST_DB = 48.13  # one 8-bit step, root mean square
_CACHE_BYTES = 256 << 20
_NO_MEMORY = ("out of memory", "allocate memory", "unable to allocate", "bad_alloc", "alloc failed")


@dataclass
class Opened:
    """A network with its weights, and what was measured of it."""

    engine: Engine
    network: Network
    model: Model
    reach_px: int | None = None  # None where it was not measured, -1 where it sees everything
    bytes_per_px: float = 0.0
    notes: list[str] = field(default_factory=list)
    original: Network | None = None  # before another module took its place
    cache: FeatureCache = field(default_factory=lambda: FeatureCache(_CACHE_BYTES))
    prepare: Callable[[Network, Arrays], Network] | None = None  # makes the one that restores
    is_compiled: bool = False  # whether that is for shapes of inputs, or for all with their names
    prepared: dict[tuple[Any, ...], Network] = field(default_factory=dict)

    @property
    def spec(self) -> Spec:
        return self.network.spec


_OPEN: dict[str, Opened] = {}


def open_network(
    session: Session,
    slot: str,
    model: str,
    spec: Spec,
    weights: Arrays,
    *,
    execution: Mapping[str, Any],
    is_compiled: bool = False,
    prepare: Callable[[Network, Arrays], Network] | None = None,
) -> dict[str, Any]:
    """Build a network and keep it under a name; what it is, as JSON has it. Weights of a training
    run, whose network gave what a loss compares, become the one that restores.

    is_compiled: it will run as machine code that the framework makes of it for each size. prepare:
    makes a network of the same numbers, which restores pictures in its place.
    """
    engine, spec = session.make_engine(), spec.scored
    network = engine.build(spec, dataclasses.replace(PLAIN, **execution))
    engine.load(network, weights)
    one = _OPEN[slot] = Opened(engine, network, registry.find(model))
    one.prepare, one.is_compiled = prepare, is_compiled
    if is_compiled:
        one.prepare = functools.partial(
            session.module("compiling").compiled,
            engine,
            folder=cache.folder("compiled"),
            report=session.report,
        )
    parameters = sum(array.size for array in weights.values())
    return {
        "model": model,
        "spec": spec.to_dict(),
        "engine": engine.describe(),
        "parameters": parameters,
    }


def opened(slot: str) -> Opened:
    """The network that is kept under a name."""
    return _OPEN[slot]


def state(_session: Session, *, slot: str, target: str) -> None:
    """Write all parameters and buffers of a network."""
    one = _OPEN[slot]
    arrays.write(Path(target), one.engine.state(one.network))


def keep(slot: str, module: Any) -> None:
    """Put another module of the framework's in the place of a network's."""
    one = _OPEN[slot]
    one.original = one.original or one.network
    one.network = dataclasses.replace(one.network, module=module)
    one.prepared.clear()


def open_with(session: Session, *, slot: str, model: str, spec: str, source: str) -> None:
    """As `open_untrained`, with the weights of a file of the suite's own."""
    open_untrained(session, slot=slot, model=model, spec=spec)
    with arrays.reading(Path(source)) as reader:
        weights = {name: reader[name] for name in reader.names}
    _OPEN[slot].engine.load(_OPEN[slot].network, weights)


def open_untrained(session: Session, *, slot: str, model: str, spec: str) -> None:
    """Build a network of the suite with its framework's own first weights."""
    engine = session.make_engine()
    known = registry.find(model)
    _OPEN[slot] = Opened(engine, engine.build(known.spec(spec)), known)


def restore(
    session: Session,
    *,
    slot: str,
    source: str,
    target: str,
    scale: float | None = None,
    tile_px: int | None = None,
    overlap_px: int | None = None,
    cell_floor: float | None = continuous.LARGEST_TRAINED_SCALE,
    is_clipped: bool = True,
    keep: bool = False,
) -> dict[str, Any]:
    """Restore the picture of a file, (n, 3, h, w) as "image"; what else it holds is given beside.

    tile_px: 0 for the whole picture at once, None to choose. is_clipped: cut off what lies outside
    of [0, 1]. keep: all outputs go along.
    """
    one = _OPEN[slot]
    with arrays.reading(Path(source)) as reader:
        given = {name: reader[name] for name in reader.names if name != "image"}
        image = reader["image"]
    started = time.monotonic()
    done = _Restoring(one, image, given, scale=scale, cell_floor=cell_floor, report=session.report)
    done.is_clipped = is_clipped
    result = done.any_size(tile_px, overlap_px)
    found = {"restored": result, **(done.outputs if keep else {})}
    arrays.write(Path(target), found)
    return {
        "tile_px": done.tile_px,
        "seam": done.seam.largest,
        "seam_db": min(done.seam.psnr_db, 999.0),
        "notes": done.notes,
        "seconds": time.monotonic() - started,
        "cache": [one.cache.hits, one.cache.misses, one.cache.bytes],
    }


def run(session: Session, *, slot: str, source: str, target: str) -> None:
    """All outputs of a network for a picture, of a model that gives no picture too."""
    one = _OPEN[slot]
    with arrays.reading(Path(source)) as reader:
        given = {name: reader[name] for name in reader.names if name != "image"}
        image = reader["image"]
    inputs = one.model.to_inputs(one.spec, image, given=given)
    arrays.write(Path(target), calls.run(one.engine, one.network, inputs))


def taps(
    session: Session, *, slot: str, source: str, target: str, scale: float | None = None
) -> list[list[Any]]:
    """What leaves every module for a picture: rows of module, call, index and shape, in order; the
    file has "input/NAME" as the network gets it, "output/NAME", and "tap/ROW" for each row."""
    one = _OPEN[slot]
    with arrays.reading(Path(source)) as reader:
        given = {name: reader[name] for name in reader.names if name != "image"}
        image = reader["image"]
    inputs = one.model.to_inputs(one.spec, image, scale=scale, given=given)
    outputs, found = one.engine.run_tapped(one.network, inputs)
    kept = {f"input/{name}": array for name, array in inputs.items()}
    kept |= {f"output/{name}": array for name, array in outputs.items()}
    left = [tap for tap in found if tap.kind == "out"]
    kept |= {f"tap/{row}": tap.array for row, tap in enumerate(left)}
    arrays.write(Path(target), kept)
    return [[tap.module, tap.call, tap.index, list(tap.array.shape)] for tap in left]


class _Restoring:
    """One picture on its way through a network."""

    def __init__(
        self,
        opened: Opened,
        image: np.ndarray,
        given: Arrays,
        *,
        scale: float | None,
        cell_floor: float | None,
        report: Callable[[str], None],
    ):
        model, spec = opened.model, opened.spec
        model.check_gives_picture(spec)
        model.check_picture(image)
        self.notes: list[str] = []
        self.image = self._fitting(image, opened.network.execution, given)
        self.size = self.image.shape[2], self.image.shape[3]
        self.result_size = model.result_size(spec, *self.size, scale=scale)
        self.opened, self.given, self.scale, self.report = opened, given, scale, report
        self.cell_floor = cell_floor
        self.outputs: Arrays = {}
        self.seam = tiling.Seam()
        self.tile_px = 0
        self.is_clipped = True

    def any_size(self, tile_px: int | None, overlap_px: int | None) -> np.ndarray:
        """The restored picture; tiles are halved where memory does not suffice."""
        if self.opened.network.execution.precision != "float32":
            self._check_half()
        chosen = self._choose() if tile_px is None else tile_px
        if chosen:
            multiple = self.opened.spec.size_multiple
            chosen = max(tiling.rounded_up(chosen, multiple), 4 * multiple)
        while True:
            try:
                return self._restored(chosen, overlap_px)
            except Exception as problem:
                if not is_out_of_memory(problem):
                    raise
                smaller = self._halved(chosen, problem)
                self.notes.append(f"out of memory at {chosen or max(self.size)} px: tiles halved")
                chosen = smaller

    def _restored(self, tile_px: int, overlap_px: int | None) -> np.ndarray:
        self.tile_px = tile_px
        if not tile_px or max(self.size) <= tile_px:
            self.tile_px = 0
            whole = (slice(0, self.size[0]), slice(0, self.size[1]))
            return self._part(whole, (slice(0, self.result_size[0]), slice(0, self.result_size[1])))
        tiles = self._tiles(tile_px, overlap_px)
        result, self.seam = tiling.restore_tiled(
            self._part,
            self.size,
            tiles,
            result_size=self.result_size,
            progress=lambda done, total: self.report(f"tile {done} of {total}"),
        )
        self._judge_seam(tiles)
        return result

    def _part(self, place: tiling.Part, result: tiling.Part) -> np.ndarray:
        """What the network gives for a part of the picture."""
        opened, (rows, columns) = self.opened, place
        tile = np.ascontiguousarray(self.image[..., rows, columns])
        given = {name: self._cut(array, rows, columns) for name, array in self.given.items()}
        height, width = result[0].stop - result[0].start, result[1].stop - result[1].start
        inputs = self._inputs(tile, given, place, result)
        outputs = self._run(inputs)
        self.outputs = outputs
        if not all(np.isfinite(one).all() for one in outputs.values() if one.dtype.kind == "f"):
            raise self._not_finite(outputs, inputs)
        part = opened.model.to_image(
            opened.spec, outputs, height=height, width=width, is_clipped=self.is_clipped
        )
        return part.astype(np.float32, copy=False)

    def _run(self, inputs: Arrays) -> Arrays:
        """The network's outputs; of a continuous one, features are taken from the cache."""
        opened, kept = self.opened, self.opened.cache
        engine, network = opened.engine, opened.network
        is_continuous = isinstance(opened.spec, continuous.ContinuousSpec)
        if opened.prepare and (opened.is_compiled or not is_continuous):
            return calls.run(engine, self._prepared(inputs), inputs)
        if not is_continuous or len(inputs["image"]) > 1 or network.execution != PLAIN:
            return calls.run(engine, network, inputs)
        opened.spec.check_inputs(inputs)
        key = key_of(inputs["image"], inputs["cell"])
        latents = kept.get(key)
        if latents is None:
            latents = engine.call(network, "latents", inputs["image"], inputs["cell"])
            kept.put(key, latents)
        rest = [inputs[name] for name in ("index", "offset", "weight", "cell")]
        return {"rgb": engine.to_numpy(engine.call(network, "render", latents, *rest))}

    def _prepared(self, inputs: Arrays) -> Network:
        """The network that restores such inputs."""
        opened = self.opened
        assert opened.prepare
        if opened.network.execution.per_sample:
            inputs = {name: array[:1] for name, array in inputs.items()}
        shapes = [(name, opened.is_compiled and array.shape) for name, array in inputs.items()]
        key = opened.network.execution, *shapes
        if key not in opened.prepared:
            opened.prepared[key] = opened.prepare(opened.network, inputs)
        return opened.prepared[key]

    def _inputs(
        self, tile: np.ndarray, given: Arrays, place: tiling.Part, result: tiling.Part
    ) -> Arrays:
        model, spec = self.opened.model, self.opened.spec
        if not isinstance(spec, continuous.ContinuousSpec):
            return model.to_inputs(spec, tile, scale=self.scale, given=given)
        extended = 2 * tiling.pad_to_multiple(tile, 1, spec.smallest_side_px) - 1
        return continuous.enlarge_tile(
            spec,
            extended,
            place,
            result,
            size=self.size,
            result_size=self.result_size,
            cell_floor=self.cell_floor,
        )

    def _cut(self, array: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """The part of what is given beside a picture, if it has a place at every pixel."""
        if array.shape[-2:] == self.size and array.ndim > 3:
            return np.ascontiguousarray(array[..., rows, columns])
        return array

    def _fitting(self, image: np.ndarray, execution: Execution, given: Arrays) -> np.ndarray:
        reduced = fit_within(image, execution.max_side_px)
        if reduced.shape == image.shape:
            return image
        if any(array.shape[-2:] == image.shape[-2:] for array in given.values()):
            raise InputError(
                "--max-size",
                expected=f"at least {max(image.shape[2:])}, where kernels or frames are given",
                got=str(execution.max_side_px),
                where="restoration.inference.serving",
                next_step="reduce the pictures first",
            )
        self.notes.append(
            f"reduced from {image.shape[3]}x{image.shape[2]} to "
            f"{reduced.shape[3]}x{reduced.shape[2]}: the longest side may have "
            f"{execution.max_side_px} pixels"
        )
        return reduced

    def _choose(self) -> int:
        """The side of tiles for the memory there is, 0 for the whole picture."""
        if self.size[0] * self.size[1] <= _WHOLE_PX:
            return 0
        self._measure()
        opened = self.opened
        is_local = opened.reach_px is not None and opened.reach_px >= 0
        budget_mb = memory.available_mb() / 2
        if is_local:
            budget_mb = min(budget_mb, _LOCAL_SHARE_MB)
        pixels = budget_mb * 2**20 / max(opened.bytes_per_px, 1)
        if self.size[0] * self.size[1] <= pixels and not is_local:
            return 0
        side = int(math.sqrt(pixels))
        if is_local:
            side = min(side, max(_LOCAL_TILE_PX, 6 * (opened.reach_px or 0)))
        side = min(max(side, 4 * opened.spec.size_multiple, 64), _LARGEST_TILE_PX)
        return 0 if side >= max(self.size) else side

    def _measure(self) -> None:
        """How far a pixel reaches, and how much memory one takes, on the middle of the picture.

        The part's lower right quarter is restored by itself: how far its result differs from the
        part's by more than half a step of 8 bits, from where it was cut, is the reach.
        """
        opened = self.opened
        if opened.reach_px is not None:
            return
        multiple = opened.spec.size_multiple
        for probe_px in (_PROBE_PX, 2 * _PROBE_PX):
            sides = [min(side, tiling.rounded_up(probe_px, 2 * multiple)) for side in self.size]
            sides = [max(side // (2 * multiple) * 2 * multiple, 1) for side in sides]
            at = [(size - side) // 2 for size, side in zip(self.size, sides, strict=True)]
            whole = [slice(start, start + side) for start, side in zip(at, sides, strict=True)]
            quarter = [slice(s.start + (s.stop - s.start) // 2, s.stop) for s in whole]
            before_mb = _resident_mb()
            memory.reset_peak()
            all_of_it = self._probe(whole)
            taken = (memory.peak_mb() - before_mb) * 2**20
            opened.bytes_per_px = max(taken / math.prod(sides), 64.0)
            part = self._probe(quarter)
            apart = np.abs(part - all_of_it[..., -part.shape[2] :, -part.shape[3] :]).max((0, 1))
            reach = _reach(apart > HALF_STEP / 2)
            factor = part.shape[2] / (quarter[0].stop - quarter[0].start)
            if reach < min(apart.shape) * 0.75:
                opened.reach_px = math.ceil(_SPARE * reach / factor)
                return
        opened.reach_px = -1

    def _probe(self, place: list[slice]) -> np.ndarray:
        """What the network gives for a part of the picture alone."""
        result = [
            tiling.part_of_result(part, length, longer)
            for part, length, longer in zip(place, self.size, self.result_size, strict=True)
        ]
        return self._part((place[0], place[1]), (result[0], result[1]))

    def _tiles(self, tile_px: int, overlap_px: int | None) -> tiling.Tiles:
        multiple = self.opened.spec.size_multiple
        largest = max((tile_px - 1) // 2 // multiple * multiple, 0)
        if overlap_px is not None:
            overlap = min(tiling.rounded_up(overlap_px, multiple), largest)
            return tiling.Tiles(tile_px, overlap, max(overlap // 4 - 1, 0), multiple)
        self._measure()
        reach = self.opened.reach_px
        if reach is None or reach < 0:
            overlap = min(tiling.rounded_up(_GLOBAL_OVERLAP_PX, multiple), largest)
            return tiling.Tiles(tile_px, overlap, max(overlap // 4 - 1, 0), multiple)
        overlap = min(tiling.rounded_up(2 * reach + 8, multiple), largest)
        margin = min(reach, max((overlap - 1) // 2, 0))
        return tiling.Tiles(tile_px, overlap, margin, multiple)

    def _judge_seam(self, tiles: tiling.Tiles) -> None:
        """Say it where tiles are not what the whole picture would be."""
        caveat = self.opened.spec.tiling_caveat
        is_global = self.opened.reach_px == -1
        if self.seam.largest <= HALF_STEP and not caveat:
            return
        why = caveat or (
            "a pixel's result depends on more of the picture than tiles overlap"
            if is_global
            else f"tiles overlap by {tiles.overlap_px} pixels alone"
        )
        self.notes.append(
            f"tiles of {tiles.tile_px} differ from the whole picture: {why}; seam "
            f"{self.seam.psnr_db:.1f} dB, largest {self.seam.largest * 255:.2f} steps of 8 bits; "
            "--tile 0 restores it untiled"
        )

    def _check_half(self) -> None:
        """Raise where half precision changes the middle of the picture visibly."""
        opened = self.opened
        known = next((note for note in opened.notes if note.startswith("half")), "")
        if known:
            return
        plain = dataclasses.replace(opened.network.execution, precision="float32")
        exact = opened.engine.build(opened.spec, plain)
        opened.engine.load(exact, opened.engine.state(opened.network))
        sides = [min(side, _PROBE_PX) for side in self.size]
        place = [
            slice((size - side) // 2, (size - side) // 2 + side)
            for size, side in zip(self.size, sides, strict=True)
        ]
        found = self._probe(place)
        whole, opened.network = opened.network, exact
        try:
            right = self._probe(place)
        finally:
            opened.network = whole
        error = float(np.mean((found.astype(np.float64) - right) ** 2))
        apart_db = -10 * math.log10(error) if error else math.inf
        if apart_db < _HALF_AT_LEAST_DB:
            raise InputError(
                "--half",
                expected=f"at least {_HALF_AT_LEAST_DB:.1f} dB against float32, a step of 8 bits",
                got=f"{apart_db:.1f} dB in {whole.execution.precision}",
                where=opened.model.name,
                next_step="leave out --half",
            )
        opened.notes.append(f"half precision: {apart_db:.1f} dB against float32")
        self.notes.append(opened.notes[-1])

    def _halved(self, tile_px: int, problem: Exception) -> int:
        multiple = self.opened.spec.size_multiple
        smaller = tiling.rounded_up((tile_px or max(self.size)) // 2, multiple)
        if smaller < max(4 * multiple, 32):
            raise RestorationError(
                f"{self.opened.model.name}: out of memory even with tiles of {tile_px} pixels "
                f"({problem}); close other programs, or take a smaller network"
            ) from problem
        return smaller

    def _not_finite(self, outputs: Arrays, inputs: Arrays) -> RestorationError:
        """The error for a result with NaN or infinity: it names the module where they appear."""
        _, found = self.opened.engine.run_tapped(self.opened.network, inputs)
        wrong = sum(int(np.count_nonzero(~np.isfinite(one))) for one in outputs.values())
        first = next((tap for tap in found if tap.kind == "out" and not _is_finite(tap)), None)
        where = f"first in module {first.module or '(network)'!r}" if first else "in no module"
        return RestorationError(
            f"{self.opened.model.name}: expected a finite picture, got {wrong} numbers that are "
            f"NaN or infinite, {where}; look for NaN in the weights (weights-convert inspect), and "
            "leave out --half"
        )


def is_out_of_memory(problem: Exception) -> bool:
    """Whether a framework's exception says that memory did not suffice."""
    text = f"{type(problem).__name__} {problem}".lower()
    return isinstance(problem, MemoryError) or any(words in text for words in _NO_MEMORY)


def _is_finite(tap: Tap) -> bool:
    return tap.array.dtype.kind != "f" or bool(np.isfinite(tap.array).all())


def _reach(is_apart: np.ndarray) -> int:
    """How far from the upper and left edge something is apart, 0 for nowhere."""
    rows, columns = np.nonzero(is_apart)
    return int(np.minimum(rows, columns).max()) + 1 if len(rows) else 0


def _resident_mb() -> int:
    """What this process has in memory now, in MB."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024
    except (OSError, IndexError, ValueError):
        return 0
