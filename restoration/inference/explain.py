"""What a network did with a picture, as pictures and a page: `restore --explain DIR`.

Before and after, where they differ, feature maps, what attention adds, and what a model has of its
own: LMD-ViT's gate and kept windows, kernels and masks, flow, phase.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from restoration import images
from restoration.blur.kernel_field import KernelField
from restoration.blur.pictures import draw_grid, draw_kernels, draw_masks
from restoration.data import npy
from restoration.errors import ExitCode, InputError, picture_packages
from restoration.images.resize import fit_within
from restoration.inference.pictures import Job, windows, write
from restoration.inference.restorer import Restorer

_LARGEST_SIDE_PX = 512  # of a picture that is explained: everything in it is kept
_PANELS = 16
_LAYERS = 6
_SHOWN_PX = 256
_SEVERAL = 8  # frames, and neighbors of one, in a network of video
_FLOW = "flow"  # the module of networks of video that finds it


@dataclass(frozen=True)
class Panel:
    """A picture of the page. pixels: (1, 3, h, w) in [0, 1]."""

    name: str
    title: str
    pixels: np.ndarray


def explain(restorer: Restorer, jobs: Sequence[Job], folder: Path) -> int:
    """Write pictures of each job's own into a folder, and the page `index.html`; the exit code. Of
    a clip the middle frame is explained."""
    sections = []
    for job in (job for job in jobs if job.kind != "film"):
        frames = _middle(restorer, job) if job.kind == "frames" else None
        image = frames[:, frames.shape[1] // 2] if frames is not None else _shown(job.source)
        place = folder / job.source.stem
        place.mkdir(parents=True, exist_ok=True)
        panels = list(panels_of(restorer, image, frames=frames))
        for panel in panels:
            write(place / f"{panel.name}.png", images.Image(panel.pixels))
        sections.append((job.source.name, job.source.stem, panels))
    if not sections:
        raise InputError(
            "--explain",
            expected="a picture or a folder of pictures",
            got="films alone",
            where="command line",
            next_step="give a frame of it",
        )
    page = folder / "index.html"
    page.write_text(_page(restorer, sections), encoding="utf-8")
    print(page)
    return ExitCode.OK


def draw_field(restorer: Restorer, job: Job) -> bool:
    """Kernels, masks and the grid of kernels beside a job's target; whether they were missing."""
    stem = job.target.with_suffix("")
    targets = {
        kind: stem.with_name(f"{stem.name}_{kind}.png")
        for kind in ("kernels", "masks", "kernels_grid")
    }
    if all(path.exists() for path in targets.values()):
        return False
    image = npy.read_blurred(job.source).pixels
    drawn = {panel.name: panel.pixels for panel in _field(restorer, image)}
    for kind, path in targets.items():
        if kind in drawn:
            write(path, images.Image(drawn[kind]))
    return True


def _shown(source: Path) -> np.ndarray:
    return fit_within(npy.read_blurred(source).pixels, _LARGEST_SIDE_PX)


def _middle(restorer: Restorer, job: Job) -> np.ndarray:
    """The window around the middle of a clip, (1, t, 3, h, w)."""
    window = windows(len(job.frames), restorer.clip_frames, with_border=True)[len(job.frames) // 2]
    return np.stack([_shown(job.frames[place])[0] for place in window])[None]


def panels_of(
    restorer: Restorer, image: np.ndarray, *, frames: np.ndarray | None = None
) -> Iterator[Panel]:
    """All that can be shown of how a picture (1, 3, h, w) is restored. frames: (1, t, 3, h, w), the
    clip around it, for networks of video."""
    if restorer.gives_field:
        yield from _field(restorer, image)
    if restorer.gives_picture:
        found = restorer.detailed(image, scale=_scale(restorer), frames=frames)
        yield from _before_and_after(image, found.pixels)
    if restorer.is_pipeline:
        return
    rows, arrays = restorer.taps(image, scale=_scale(restorer), frames=frames)
    outputs = {
        name.removeprefix("output/"): array
        for name, array in arrays.items()
        if name.startswith("output/")
    }
    seen = arrays.get("input/image", image)  # wider than the picture where the network needs it
    maps = _maps(rows, arrays, seen.shape[2:], 1 if frames is None else _SEVERAL)
    yield from _features(maps)
    yield from _attention(maps, seen)
    yield from _windows(restorer, outputs, seen)
    yield from _flow(list(outputs["flow"]) if "flow" in outputs else _to_neighbors(maps))
    if "kernel" in outputs:
        kernel = outputs["kernel"][0, 0] if outputs["kernel"].ndim == 4 else outputs["kernel"][0]
        yield Panel(
            "kernel", "the blur kernel of the clip", _colored(_enlarged(kernel, 208), "hot")
        )
    if restorer.model.name in ("phaseformer", "spectroformer"):
        yield from _phase(image, found.pixels)


def _scale(restorer: Restorer) -> float | None:
    free = restorer.spec.magnification is None
    return (restorer.settings.scale or 2.0) if free else None


def _before_and_after(image: np.ndarray, restored: np.ndarray) -> Iterator[Panel]:
    before = _resized(image, *restored.shape[2:])
    gap = np.ones((1, 3, before.shape[2], 6), np.float32)
    yield Panel("before_after", "before and after", np.concatenate([before, gap, restored], axis=3))
    apart = np.abs(restored - before).max(1)[0]
    most = max(float(np.quantile(apart, 0.995)), 1 / 255)
    title = f"where they differ: dark for not at all, bright for {most * 255:.0f} steps of 8 bits"
    yield Panel("difference", title, _colored(apart, "viridis", limits=(0, most)))


def _field(restorer: Restorer, image: np.ndarray) -> Iterator[Panel]:
    found = restorer.outputs(image)
    masks = np.ascontiguousarray(found["masks"][..., : image.shape[2], : image.shape[3]])
    field = KernelField(found["kernels"], masks)
    yield Panel(
        "kernels", "the basis kernels, each from its least to its most", draw_kernels(field)
    )
    yield Panel("masks", "where each is used: white for 1", draw_masks(field))
    side = field.size_px
    if min(image.shape[2:]) > side + side // 2:
        yield Panel("kernels_grid", "the kernels where they act", draw_grid(image, field))


@dataclass(frozen=True)
class _Map:
    """What left a module and has a place at every pixel, (c, h, w)."""

    module: str
    array: np.ndarray

    @property
    def is_wide(self) -> bool:
        """Whether it is features, not a picture or a flow."""
        return len(self.array) >= 4


def _maps(
    rows: Sequence[Sequence[Any]], arrays: dict[str, np.ndarray], size: Sequence[int], most: int
) -> list[_Map]:
    """Of all that left modules, what is a map of the whole picture, but for what was added: as
    large or some times smaller or larger; of networks that resize it, what has its ratio of sides.

    size: of the picture as the network gets it. most: pictures in it; what has more is of windows.
    """
    found: list[_Map] = []
    for place, (module, _call, _index, shape) in enumerate(rows):
        array = arrays[f"tap/{place}"]
        if len(shape) != 4 or array.dtype.kind != "f" or (shape[0] > most and module != _FLOW):
            continue
        # (n, c, h, w), or (n, h, w, c): the one that is more like the picture.
        layouts = [one for one in (array, array.transpose(0, 3, 1, 2)) if min(one.shape[2:]) >= 8]
        apart = [_apart(one.shape[2:], size) for one in layouts]
        if layouts and min(apart) < math.log(1.33):
            maps = layouts[apart.index(min(apart))]
            several = maps if module == _FLOW else maps[:1]  # to each neighbor
            found += [_Map(module, one) for one in several]
    whole = [one for one in found if _is_whole(one.array.shape[1:], size)]
    return whole if any(one.is_wide for one in whole) else found


def _apart(size: Sequence[int], other: Sequence[int]) -> float:
    return abs(math.log(size[1] / size[0] * other[0] / other[1]))


def _is_whole(size: Sequence[int], picture: Sequence[int]) -> bool:
    """Whether both sides are the picture's over or times one whole number, rounded."""
    shrunk = round(max(picture) / max(size)) or 1
    grown = round(max(size) / max(picture)) or 1
    return all(
        abs(side * shrunk - whole * grown) < max(shrunk, grown)
        for side, whole in zip(size, picture, strict=True)
    )


def _features(maps: Sequence[_Map]) -> Iterator[Panel]:
    """Some layers evenly through the network: the first channels of each, and their mean."""
    wide = [one for one in maps if one.is_wide]
    if not wide:
        return
    chosen = np.unique(np.linspace(0, len(wide) - 1, _LAYERS).round().astype(int))
    for number, place in enumerate(chosen, start=1):
        one = wide[place]
        channels = [*one.array[: _PANELS - 1], one.array.mean(0)]
        columns = math.ceil(math.sqrt(len(channels)))
        tiles = [_tile(_colored(channel, "viridis")) for channel in channels]
        blank = np.ones_like(tiles[0])
        tiles += [blank] * (-len(tiles) % columns)
        rows = [
            np.concatenate(tiles[start : start + columns], axis=3)
            for start in range(0, len(tiles), columns)
        ]
        title = (
            f"features of {one.module or 'the network'}, {len(one.array)} channels of "
            f"{one.array.shape[2]}x{one.array.shape[1]}: the first, and last the mean of all"
        )
        yield Panel(f"features_{number}", title, np.concatenate(rows, axis=2))


def _attention(maps: Sequence[_Map], image: np.ndarray) -> Iterator[Panel]:
    """How much modules of attention give at each place, over the picture."""
    chosen = [one for one in maps if "att" in one.module.rpartition(".")[2].lower()]
    places = np.unique(np.linspace(0, len(chosen) - 1, 3).round().astype(int)) if chosen else []
    for number, place in enumerate(places, start=1):
        one = chosen[place]
        strength = np.sqrt((one.array.astype(np.float64) ** 2).mean(0))
        title = f"how much attention gives at each place: {one.module}"
        yield Panel(f"attention_{number}", title, _over(image, strength, "hot"))


def _windows(
    restorer: Restorer, outputs: dict[str, np.ndarray], image: np.ndarray
) -> Iterator[Panel]:
    """LMD-ViT's gate, and the windows that its predictors keep, over the picture."""
    if restorer.model.name != "lmd_vit":
        return
    if "gate" in outputs:
        gate = outputs["gate"][0].mean(0)
        yield Panel("gate", "the gate: bright where blur is seen", _over(image, gate, "viridis"))
    for name in sorted(name for name in outputs if name.startswith("decision")):
        kept = outputs[name][0, 0]
        side = image.shape[2] // kept.shape[0]
        shown = image * (0.25 + 0.75 * kept.repeat(side, 0).repeat(side, 1))
        title = f"windows that predictor {name[8:]} keeps: {kept.mean():.0%}"
        yield Panel(f"kept_{name[8:]}", title, shown)


def _to_neighbors(maps: Sequence[_Map]) -> list[np.ndarray]:
    return [one.array for one in maps if len(one.array) == 2 and one.module == _FLOW]


def _flow(fields: Sequence[np.ndarray]) -> Iterator[Panel]:
    """Flow (2, h, w) as color: the direction as hue, the length as how colored it is."""
    for number, field in enumerate(fields[:4], start=1):
        length = np.hypot(*field)
        angle = np.arctan2(field[1], field[0])
        largest = max(float(length.max()), 1e-6)
        colors = _hsv(angle / (2 * np.pi) % 1, length / largest)
        yield Panel(f"flow_{number}", f"flow {number}, up to {largest:.2f} pixels", colors)


def _phase(image: np.ndarray, restored: np.ndarray) -> Iterator[Panel]:
    """Spectra before and after: amplitude, and what phases alone make."""
    rows = []
    for picture in (image, _resized(restored, *image.shape[2:])):
        gray = picture[0].mean(0).astype(np.float64)
        spectrum = np.fft.fft2(gray)
        amplitude = np.log1p(np.abs(np.fft.fftshift(spectrum)))
        alone = np.fft.ifft2(spectrum / np.maximum(np.abs(spectrum), 1e-12)).real
        spread = 3 * alone.std()
        edges = ((alone + spread) / (2 * spread)).clip(0, 1)
        phases = np.fft.fftshift(np.angle(spectrum))
        rows.append(
            np.concatenate(
                [
                    _colored(amplitude, "viridis"),
                    _colored(phases, "twilight", limits=(-np.pi, np.pi)),
                    np.repeat(edges[None, None], 3, axis=1),
                ],
                axis=3,
            )
        )
    title = "amplitude (logarithm), phase, and the picture of the phase alone: before, after"
    yield Panel("phase", title, np.concatenate(rows, axis=2))


_MAPS = {"viridis": "COLORMAP_VIRIDIS", "hot": "COLORMAP_HOT", "twilight": "COLORMAP_TWILIGHT"}


def _colored(
    values: np.ndarray, name: str, *, limits: tuple[float, float] | None = None
) -> np.ndarray:
    """Values (h, w) as colors (1, 3, h, w), from the least to the largest or between limits."""
    with picture_packages():
        import cv2
    low, high = limits or (float(values.min()), float(values.max()))
    levels = ((values - low) / max(high - low, 1e-12)).clip(0, 1)
    bgr = cv2.applyColorMap(np.rint(levels * 255).astype(np.uint8), getattr(cv2, _MAPS[name]))
    return bgr[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255


def _hsv(hue: np.ndarray, saturation: np.ndarray) -> np.ndarray:
    with picture_packages():
        from skimage.color import hsv2rgb
    rgb = hsv2rgb(np.stack([hue, saturation.clip(0, 1), np.ones_like(hue)], axis=-1))
    return rgb.transpose(2, 0, 1)[None].astype(np.float32)


def _over(image: np.ndarray, values: np.ndarray, name: str) -> np.ndarray:
    """Colors of values over a gray picture of any size."""
    colors = _resized(_colored(values, name), *image.shape[2:])
    gray = np.repeat(image.mean(1, keepdims=True), 3, axis=1)
    return 0.4 * gray + 0.6 * colors


def _tile(pixels: np.ndarray) -> np.ndarray:
    """A panel of a few, with a white line around it."""
    factor = _SHOWN_PX / 2 / max(pixels.shape[2:])
    size = [max(round(side * factor), 1) for side in pixels.shape[2:]]
    return np.pad(_resized(pixels, *size), ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=1)


def _enlarged(values: np.ndarray, side_px: int) -> np.ndarray:
    factor = max(side_px // values.shape[-1], 1)
    return values.repeat(factor, -2).repeat(factor, -1)


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    if pixels.shape[2:] == (height, width):
        return pixels
    with picture_packages():
        from skimage.transform import resize
    shrinks = height < pixels.shape[2]
    size = (*pixels.shape[:2], height, width)
    return resize(pixels, size, order=1, anti_aliasing=shrinks).astype(np.float32)


def _page(restorer: Restorer, sections: Sequence[tuple[str, str, Sequence[Panel]]]) -> str:
    """The page: no scripts, nothing from elsewhere, both color schemes."""
    parts = [
        "<!doctype html><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'><meta name=color-scheme "
        "content='light dark'>",
        f"<title>{html.escape(restorer.model.title)}</title>",
        "<style>body{font:16px system-ui;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "figure{margin:0 0 2rem}img{max-width:100%;image-rendering:pixelated}"
        "figcaption{margin:.3rem 0}</style>",
        f"<h1>{html.escape(restorer.model.title)} in {html.escape(restorer.framework.title)}</h1>",
        f"<p>{html.escape(restorer.model.source)}. Weights: "
        f"{html.escape(', '.join(path.name for path in restorer.files))}, "
        f"{restorer.parameters} parameters.</p>",
    ]
    for name, folder, panels in sections:
        parts.append(f"<h2>{html.escape(name)}</h2>")
        parts += [
            f"<figure><figcaption>{html.escape(panel.title)}</figcaption>"
            f"<img src='{html.escape(folder, quote=True)}/{panel.name}.png' "
            f"alt='{html.escape(panel.title, quote=True)}'></figure>"
            for panel in panels
        ]
    return "\n".join(parts) + "\n"
