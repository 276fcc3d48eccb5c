"""Restores pictures of any size by any network, in any framework.

    with Restorer("mimo_unet", "MIMO-UNet.pkl", framework="jittor") as restorer:
        restored = restorer.restore(pixels)  # (n, 3, h, w) in [0, 1]

The framework runs in a process of its own, which stays until the restorer is closed.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from restoration import images
from restoration.blur.kernel_field import KernelField
from restoration.engine import calls
from restoration.engine.contract import Engine, Network
from restoration.errors import InputError, unknown_name
from restoration.images import tiling
from restoration.images.resize import fit_within
from restoration.inference import packaged
from restoration.models import registry
from restoration.models.model import Model
from restoration.models.spec import Spec
from restoration.process import arrays
from restoration.process.frameworks import FRAMEWORKS, REFERENCE
from restoration.process.launch import EndedError, Process, Worker


def restore(
    engine: Engine,
    network: Network,
    model: Model,
    image: np.ndarray,
    *,
    scale: float | None = None,
    given: Mapping[str, np.ndarray] | None = None,
    report: Callable[[str], None] = lambda _text: None,
) -> np.ndarray:
    """Restore pictures (n, 3, h, w) in [0, 1] of any size, -> (n, 3, h s, w s) in [0, 1].

    They are reduced if they are larger than the network's mode of execution allows, which `report`
    is told. scale: how much larger the result is, for networks that enlarge by any factor. given:
    what the network needs beside the picture.

    Raises:
        InputError: the network gives no picture, has not that scale, or needs more than a picture.
    """
    spec, largest_px = network.spec, network.execution.max_side_px
    reduced = fit_within(image, largest_px)
    if reduced.shape != image.shape:
        report(
            f"reduced from {image.shape[2]}x{image.shape[3]} to "
            f"{reduced.shape[2]}x{reduced.shape[3]}: the longest side may have "
            f"{largest_px} pixels"
        )
    model.check_gives_picture(spec)
    inputs = model.to_inputs(spec, reduced, scale=scale, given=given)
    height, width = model.result_size(spec, *reduced.shape[2:], scale=scale)
    outputs = calls.run(engine, network, inputs)
    return model.to_image(spec, outputs, height=height, width=width)


HALF = {"torch": {"cpu": "bfloat16", "cuda": "float16"}, "mindspore": {"*": "float16"}}
"""The half precision that each framework has, by device."""

COMPILING = ("torch",)
"""The frameworks that compile a network ahead: `<package>.compiling`."""
_NOT_COMPILED = {
    "jittor": "Jittor, which compiles each of its kernels as it is, and keeps them",
    "mindspore": "MindSpore, whose graphs are not kept from run to run",
}

_MAIN, _SECOND = "main", "second"
_SECOND_MODEL = "nimbusr_saturated"
_KILLED = "SIGKILL"
_SMALLEST_TILE_PX = 64


@dataclass(frozen=True)
class Settings:
    """How pictures are restored.

    scale: how much larger they become, for networks that enlarge by any factor. tile_px: None to
    choose by the memory there is, 0 for the whole picture at once. overlap_px: None for what the
    network's measured reach asks for. half: at half precision. is_compiled: as machine code that
    the framework makes of the network, kept from run to run. per_sample: pictures of a batch one by
    one. max_side_px: of the picture that the network gets. multiple: to which its sides are cut
    before. cell_floor: the scale above which a
    continuous network is told no smaller cells. is_clipped: what lies outside of [0, 1] is cut off,
    as it must be for a file, not for a protocol that does not clamp. is_graph: compiled as a whole,
    anew for each size, by MindSpore alone. model_settings: hyper-parameters that no shape of the
    weights tells. second_model: "nimbusr" or
    "nimbusr_saturated", whose weights look alike.
    """

    scale: float | None = None
    tile_px: int | None = None
    overlap_px: int | None = None
    half: bool = False
    is_compiled: bool = False
    per_sample: bool = False
    max_side_px: int | None = None
    multiple: int = 1
    cell_floor: float | None = 4.0
    is_clipped: bool = True
    is_graph: bool = False
    model_settings: Mapping[str, Any] = field(default_factory=dict)
    second_model: str | None = None


@dataclass(frozen=True)
class Restored:
    """What became of a picture.

    pixels: (n, 3, h, w) in [0, 1]. tile_px: 0 where it was restored at once. seam: how far tiles
    were apart at most. notes: what the user should read. outputs: all that the network gave, if
    that was asked for.
    """

    pixels: np.ndarray
    tile_px: int = 0
    seam: float = 0.0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    outputs: Mapping[str, np.ndarray] = field(default_factory=dict)


class Restorer:
    """A model with its weights in a framework, ready for pictures of any size.

    model: None to find out from the weights. weights: any file that `weights-convert` reads, or two
    (kernel prediction and NIMBUSR); none for those that come with the suite. Use it by one thread
    at a time, and close it, or use it in a `with`.
    """

    def __init__(
        self,
        model: str | None = None,
        weights: str | os.PathLike[str] | list[str | os.PathLike[str]] | None = None,
        framework: str = REFERENCE,
        *,
        device: str = "cpu",
        settings: Settings | None = None,
        show: Callable[[str], None] = lambda _text: None,
        warn: Callable[[str], None] = lambda _text: None,
    ):
        """Start the framework and load the weights.

        show: takes a line of progress. warn: takes a line that the user should read.

        Raises:
            InputError: an unknown framework or model, or weights that cannot be read.
            UnavailableError: the framework, the device or half precision is not there.
        """
        if framework not in FRAMEWORKS:
            raise unknown_name("framework", framework, FRAMEWORKS, where="--framework")
        self.settings = settings or Settings()
        self.framework = FRAMEWORKS[framework]
        self.files = files_of(model, weights)
        self._model_name = model
        self._execution = self._made_execution(device)
        self._worker = Worker(framework, self.framework.package, device=device)
        self._show, self._warn = show, warn
        self._said: set[str] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="restore-", dir=_roomy())
        self._count = 0
        self._process: Process | None = None
        self._largest_tile_px: int | None = None
        self.cache_hits = 0
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Restorer:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _problem: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the framework's process."""
        if self._process:
            self._process.close()
            self._process = None
        self._folder.cleanup()

    @property
    def is_running(self) -> bool:
        """Whether the framework's process is still there."""
        return self._process is not None and self._process.is_running

    @property
    def is_pipeline(self) -> bool:
        """Whether blur kernels are predicted first, by which a second network restores."""
        return self.model.name == "kernel_prediction" and len(self.files) > 1

    @property
    def gives_picture(self) -> bool:
        """Whether pictures come out, alone or by a second network."""
        return self.is_pipeline or not self.model.no_picture_of(self.spec)

    @property
    def gives_field(self) -> bool:
        """Whether blur kernels come out, with where each is used."""
        return {"kernels", "masks"} <= set(self.spec.outputs)

    @property
    def clip_frames(self) -> int:
        """How many frames the network takes at once, 1 for pictures."""
        return int(getattr(self.spec, "frames", 1))

    def restore(
        self, pixels: np.ndarray, *, scale: float | None = None, frames: np.ndarray | None = None
    ) -> np.ndarray:
        """Pictures (n, 3, h, w) or (3, h, w) in [0, 1] -> the same, restored.

        frames: (n, t, 3, h, w), the clip around a picture, for networks of video.

        Raises:
            InputError: another shape, or a scale that the network has not.
            RestorationError: the result is not finite, or there is not enough memory.
        """
        pixels = np.asarray(pixels, np.float32)
        batch = pixels if pixels.ndim == 4 else pixels[None]
        found = self.detailed(batch, scale=scale, frames=frames).pixels
        return found if pixels.ndim == 4 else found[0]

    def enhance(self, image: np.ndarray, scale: float | None = None) -> np.ndarray:
        """An image (h, w), (h, w, 3) of 8 or 16 bits or in [0, 1] -> (1, 3, H, W) in [0, 1].

        scale: 4 without, for networks that enlarge by any factor.
        """
        free = self.spec.magnification is None
        chosen = scale if scale is not None else 4.0 if free else None
        return self.restore(images.from_array(image).pixels, scale=chosen)

    def restore_image(self, image: images.Image, *, scale: float | None = None) -> images.Image:
        """A picture with all that its file said; alpha is restored as the colors are."""
        pixels = self.restore(image.pixels, scale=scale)
        alpha = image.alpha
        if alpha is not None:
            if np.ptp(alpha) == 0:
                alpha = np.full(pixels.shape[2:], alpha.flat[0], np.float32)
            else:
                planes = np.repeat(alpha[None, None], 3, axis=1)
                alpha = self.restore(planes, scale=scale)[0].mean(0).astype(np.float32)
        return replace(image, pixels=pixels, alpha=alpha)

    def detailed(
        self,
        pixels: np.ndarray,
        *,
        scale: float | None = None,
        frames: np.ndarray | None = None,
        keep: bool = False,
    ) -> Restored:
        """As `restore`, and how it went. keep: all outputs of the network go along."""
        given: dict[str, np.ndarray] = {}
        pixels = self._cut(pixels)
        if frames is not None:
            given["frames"] = self._cut(frames)
        slot = _MAIN
        if self.is_pipeline:
            kernels = self.outputs(pixels)
            field_ = KernelField(kernels["kernels"], kernels["masks"]).flipped()
            masks = np.ascontiguousarray(field_.masks[..., : pixels.shape[2], : pixels.shape[3]])
            given |= {"kernels": field_.kernels, "masks": masks}
            slot = _SECOND
        chosen = self.settings.scale if scale is None else scale
        arguments = {
            "slot": slot,
            "scale": chosen,
            "overlap_px": self.settings.overlap_px,
            "cell_floor": self.settings.cell_floor,
            "is_clipped": self.settings.is_clipped,
            "keep": keep,
        }
        found, arrays_ = self._asked("restore", {"image": pixels, **given}, arguments)
        self.cache_hits = found["cache"][0]
        for note in found["notes"]:
            self._warn_once(note)
        result = arrays_.pop("restored")
        return Restored(
            result,
            found["tile_px"],
            found["seam"],
            tuple(found["notes"]),
            found["seconds"],
            arrays_,
        )

    def _cut(self, pixels: np.ndarray) -> np.ndarray:
        """Pictures cut to the multiple that was asked for; raises where nothing is left."""
        found = tiling.cut_to_multiple(pixels, self.settings.multiple)
        if 0 in found.shape[-2:]:
            raise InputError(
                "picture",
                expected=f"sides of at least {self.settings.multiple} pixels, to cut to multiples",
                got="x".join(map(str, pixels.shape[-2:])),
                where="--size-must-mode",
                next_step="leave it out: pictures of every size are restored whole",
            )
        return found

    def warm_up(self) -> float:
        """Run a network of video once on noise, since a first call may compile; seconds."""
        noise = np.random.default_rng(0).standard_normal((1, self.clip_frames, 3, 64, 64))
        frames = noise.astype(np.float32)
        return self.detailed(frames[:, self.clip_frames // 2], frames=frames).seconds

    def outputs(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """All that the network gives for pictures (n, 3, h, w), whole, of any model."""
        _, found = self._asked("run", {"image": pixels}, {"slot": _MAIN})
        return found

    def taps(
        self, pixels: np.ndarray, *, scale: float | None = None, frames: np.ndarray | None = None
    ) -> tuple[list[list[Any]], dict[str, np.ndarray]]:
        """What leaves every module for pictures, restored at once; see `serving.taps`."""
        chosen = self.settings.scale if scale is None else scale
        given = {} if frames is None else {"frames": frames}
        return self._asked("taps", {"image": pixels, **given}, {"slot": _MAIN, "scale": chosen})

    def _asked(
        self, function: str, content: Mapping[str, np.ndarray], arguments: dict[str, Any]
    ) -> tuple[Any, dict[str, np.ndarray]]:
        """Have the framework's process do something with a file of arrays; what it answers."""
        while True:
            try:
                return self._asked_once(function, content, arguments)
            except EndedError as problem:
                self._restart_with_smaller_tiles(problem, content)

    def _asked_once(
        self, function: str, content: Mapping[str, np.ndarray], arguments: dict[str, Any]
    ) -> tuple[Any, dict[str, np.ndarray]]:
        assert self._process, "the restorer is closed"
        self._count += 1
        source = Path(self._folder.name) / f"{self._count}.safetensors"
        target = source.with_suffix(".out.safetensors")
        if function == "restore":
            arguments = {**arguments, "tile_px": self._tile_px()}
        try:
            arrays.write(source, content)
            paths = {"source": str(source), "target": str(target)}
            found = self._process.call(
                f"restoration.inference.serving:{function}", {**arguments, **paths}
            )
            with arrays.reading(target) as reader:
                return found, {name: reader[name] for name in reader.names}
        finally:
            for path in (source, target):
                path.unlink(missing_ok=True)

    def _tile_px(self) -> int | None:
        if self._largest_tile_px is None:
            return self.settings.tile_px
        return min(self.settings.tile_px or self._largest_tile_px, self._largest_tile_px)

    def _restart_with_smaller_tiles(
        self, problem: EndedError, content: Mapping[str, np.ndarray]
    ) -> None:
        """After the system has killed the process for memory; raises where nothing is to be won."""
        largest = max(content["image"].shape[2:])
        smaller = min(self._tile_px() or largest, largest) // 2
        if _KILLED not in str(problem) or smaller < _SMALLEST_TILE_PX:
            raise problem
        self._largest_tile_px = smaller
        self._warn(f"out of memory: trying tiles of {smaller} pixels")
        self._start()

    def _start(self) -> None:
        if self._process:
            self._process.close()
        self._process = Process(self._worker, show=self._show, warn=self._warn_once)
        load = f"{self.framework.package}.restore:load"
        second = self.settings.second_model or _SECOND_MODEL
        for slot, file in zip((_MAIN, _SECOND), self.files, strict=False):
            found = self._process.call(
                load,
                {
                    "slot": slot,
                    "weights": str(Path(file).absolute()),
                    "model": self._model_name if slot == _MAIN else second,
                    "settings": dict(self.settings.model_settings) if slot == _MAIN else {},
                    "execution": self._execution,
                    "is_compiled": self.settings.is_compiled,
                },
            )
            if found["warning"]:
                self._warn_once(found["warning"])
            if slot == _MAIN:
                self.model = registry.find(found["model"])
                self.spec: Spec = registry.spec_from_dict(found["spec"])
                self.engine: dict[str, str] = found["engine"]
                self.parameters: int = found["parameters"]
            elif registry.find(found["model"]).needs.keys() != {"kernels", "masks"}:
                raise InputError(
                    "second weights",
                    expected="those of nimbusr or nimbusr_saturated, after kernel_prediction",
                    got=found["model"],
                    where=str(file),
                    next_step="give the weights of one model, or those two in this order",
                )
        self._check_weights()

    def _check_weights(self) -> None:
        if len(self.files) > 1 and not self.is_pipeline:
            raise InputError(
                "weights",
                expected="one file, or kernel_prediction's and then NIMBUSR's",
                got=f"{len(self.files)}, the first of {self.model.name}",
                where=str(self.files[0]),
                next_step="restore by one model after the other",
            )

    def _made_execution(self, device: str) -> dict[str, Any]:
        settings = self.settings
        if settings.is_compiled:
            self._check_compiling()
        execution: dict[str, Any] = {
            "per_sample": settings.per_sample,
            "max_side_px": settings.max_side_px,
            "is_graph": settings.is_graph,
        }
        if settings.half:
            kinds = HALF.get(self.framework.name, {})
            if device not in kinds and "*" not in kinds:
                raise InputError(
                    "--half",
                    expected="a framework that has half precision",
                    got=f"{self.framework.title} on {device}",
                    where="--framework, --device",
                    next_step="leave out --half, or take --framework torch",
                )
            execution["precision"] = kinds.get(device) or kinds["*"]
        return execution

    def _check_compiling(self) -> None:
        """Raise where nothing can be compiled ahead."""
        name = self.framework.name
        if name in COMPILING and not self.settings.half:
            return
        raise InputError(
            "--compile",
            expected=f"one of {', '.join(COMPILING)}, at float32",
            got="--half" if name in COMPILING else _NOT_COMPILED[name],
            where="--framework, --half",
            next_step="leave out --compile",
        )

    def _warn_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._warn(text)


def files_of(
    model: str | None, weights: str | os.PathLike[str] | list[str | os.PathLike[str]] | None
) -> list[Path]:
    """The files of weights, each of which must be there."""
    if model is not None:
        registry.find(model)
    if weights is None or weights == []:
        return [packaged.weights_of(model or packaged.DEFAULT)]
    many = weights if isinstance(weights, list) else [weights]
    for file in many:
        if not Path(file).exists():
            raise InputError(
                "weights",
                expected="an existing file",
                got="nothing",
                where=str(file),
                next_step="check the path",
            )
    return [Path(file) for file in many]


def _roomy() -> str | None:
    """Where arrays pass from process to process: in memory, if the system offers that."""
    shared = Path("/dev/shm")
    with contextlib.suppress(OSError):
        room = os.statvfs(shared)
        if os.access(shared, os.W_OK) and room.f_bavail * room.f_frsize > 2**32:
            return str(shared)
    return None
