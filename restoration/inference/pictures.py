"""Batches of pictures: what is to be restored, where it goes, and what came of it."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from restoration import images
from restoration.data import npy
from restoration.errors import InputError, RestorationError, writing_to
from restoration.images.files import READABLE
from restoration.inference.restorer import Restorer

SAMPLES = (".npy",)
FILMS = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv")
_ALSO_PICTURES = (".gif", ".jfif", ".ppm", ".pgm")
_LEAST_FREE_BYTES = 16 << 20


@dataclass(frozen=True)
class Job:
    """One thing to restore: a picture or a sample, a film, or a folder of frames in order."""

    source: Path
    target: Path
    kind: str = "picture"
    frames: tuple[Path, ...] = ()


@dataclass
class Batch:
    """What came of a batch: what was written, what was there already, and what failed, and why."""

    written: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    unread: int = 0


@dataclass(frozen=True)
class Naming:
    """How results are called.

    output: a folder, or a file for one input; None for beside the input. suffix: behind the stem.
    extension: of pictures, "auto" for the input's.
    """

    output: Path | None
    suffix: str = ""
    extension: str = "auto"

    def target(self, source: Path, within: Path | None, *, alone: bool) -> Path:
        """Where the result of a file goes. within: the folder that was given, whose structure is
        kept."""
        suffix = self.suffix or ("_restored" if self.output is None else "")
        name = source.stem + suffix + self._extension(source)
        if self.output is None:
            if within is None:
                return source.with_name(name)
            folder = within.with_name(within.resolve().name + "_restored")
            return (
                folder
                / source.relative_to(within).parent
                / (source.stem + self.suffix + self._extension(source))
            )
        if alone and self._is_file(source):
            return self.output
        relative = source.relative_to(within).parent if within else Path()
        return self.output / relative / name

    def _is_file(self, source: Path) -> bool:
        assert self.output
        if self.output.is_dir() or str(self.output).endswith(os.sep):
            return False
        kinds = FILMS if source.suffix.lower() in FILMS else READABLE
        return self.output.suffix.lower() in kinds

    def _extension(self, source: Path) -> str:
        suffix = source.suffix.lower()
        if suffix in FILMS:
            return source.suffix
        if self.extension != "auto":
            return "." + self.extension.lstrip(".")
        return source.suffix if suffix in READABLE else ".png"


def find_jobs(inputs: Sequence[Path], naming: Naming, *, are_clips: bool) -> list[Job]:
    """All that is to be restored, in order.

    are_clips: a folder's pictures are the frames of a clip, as video networks take them.

    Raises:
        InputError: an input is missing, a folder has nothing to restore, or two results would have
            one name.
    """
    jobs: list[Job] = []
    for given in inputs:
        if given.is_dir():
            found = list(_in_folder(given, naming, are_clips=are_clips))
            if not found:
                raise InputError(
                    "input",
                    expected=f"a folder with pictures ({', '.join(READABLE)}), films or .npy",
                    got=f"{sum(1 for _ in given.iterdir())} other entries",
                    where=str(given),
                    next_step="name the folder that holds them; subfolders are searched too",
                )
            jobs += found
        elif given.is_file():
            target = naming.target(given, None, alone=len(inputs) == 1)
            kind = "film" if given.suffix.lower() in FILMS else "picture"
            jobs.append(Job(given, target, kind))
        else:
            raise InputError(
                "input",
                expected="an existing file or folder",
                got="nothing",
                where=str(given),
                next_step="check the path",
            )
    _check_targets(jobs)
    return jobs


def _in_folder(folder: Path, naming: Naming, *, are_clips: bool) -> Iterator[Job]:
    avoided = naming.output.resolve() if naming.output else None
    known = (*READABLE, *_ALSO_PICTURES, *SAMPLES, *FILMS)
    for place, below, names in os.walk(folder):
        below[:] = sorted(
            name for name in below
            if not name.startswith(".") and (Path(place) / name).resolve() != avoided
        )  # fmt: skip
        files = [
            Path(place) / name
            for name in sorted(names)
            if Path(name).suffix.lower() in known and not name.startswith(".")
        ]
        frames = [file for file in files if file.suffix.lower() in (*READABLE, *_ALSO_PICTURES)]
        if are_clips and frames:
            first = naming.target(frames[0], folder, alone=False)
            yield Job(Path(place), first.parent, "frames", tuple(frames))
            files = [file for file in files if file.suffix.lower() in FILMS]
        for file in files:
            kind = "film" if file.suffix.lower() in FILMS else "picture"
            yield Job(file, naming.target(file, folder, alone=False), kind)


def _check_targets(jobs: Iterable[Job]) -> None:
    seen: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in seen:
            raise InputError(
                "output",
                expected="another name for each result",
                got=f"{job.target} for {seen[target]} and {job.source}",
                where="-o, --ext",
                next_step="leave out --ext, or restore them one after the other",
            )
        if target == job.source.resolve() and job.kind != "frames":
            raise InputError(
                "output",
                expected="another file than the input",
                got=str(job.target),
                where="-o",
                next_step="name another folder, or give a --suffix",
            )
        seen[target] = job.source


def restore_all(
    restorer: Restorer,
    jobs: Sequence[Job],
    do: Callable[[Job], bool],
    *,
    overwrite: bool,
    done: Callable[[Job, str], None],
) -> Batch:
    """Do jobs one after another; one that fails stops no other.

    do: restores one; whether anything was written. done: called with each job and what came of it.
    """
    batch = Batch()
    for job in jobs:
        if job.kind != "frames" and job.target.exists() and not overwrite:
            batch.there.append(job.target)
            done(job, "there already")
            continue
        try:
            check_room(job.target)
            (batch.written if do(job) else batch.there).append(job.target)
            done(job, "")
        except (RestorationError, OSError, MemoryError) as problem:
            reason = str(problem) or type(problem).__name__
            batch.failed[job.source] = reason
            batch.unread += isinstance(problem, InputError)
            done(job, reason)
            if not restorer.is_running:
                raise
    return batch


def check_room(target: Path) -> None:
    """Make a result's folder, and check that something can be written there.

    Raises:
        InputError: it cannot be made.
        RestorationError: the disk is full.
    """
    with writing_to(
        target.parent,
        "output",
        expected="a folder that can be made and written",
        next_step="choose another -o",
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
    if free < _LEAST_FREE_BYTES:
        raise RestorationError(
            f"output: expected at least {_LEAST_FREE_BYTES >> 20} MB free, got {free >> 20} MB "
            f"({target.parent}); make room on the disk, or choose another -o"
        )


def restore_picture(
    restorer: Restorer,
    job: Job,
    *,
    quality: int | None = None,
    warn: Callable[[str], None] = lambda _text: None,
) -> bool:
    """Restore a picture or a sample into its target; True."""
    image = npy.read_blurred(job.source)
    restored = restorer.restore_image(image)
    write(job.target, restored, quality=quality, warn=warn)
    return True


def write(
    path: Path,
    image: images.Image,
    *,
    quality: int | None = None,
    warn: Callable[[str], None] = lambda _text: None,
) -> None:
    """Write a picture by a rename; what its format cannot hold is said by `warn`.

    Raises:
        RestorationError: it cannot be written, which is no fault of what was read.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            images.write_image(path, image, quality=quality)
        except InputError as problem:
            if isinstance(problem.__cause__, OSError):
                raise RestorationError(str(problem)) from problem
            raise
    for one in caught:
        warn(str(one.message))


def windows(count: int, frames: int, *, with_border: bool) -> list[list[int]]:
    """Which frames each restored frame is made of, as Self-Blind-VSR's authors take them.

    with_border: every frame has a window; the first and the last frames are repeated in their own
    order, f0 f1 f0 f1 f2 ... Without, the frames at both ends are not restored.
    """
    half = frames // 2
    order = list(range(count))
    if with_border:
        first = [min(place, count - 1) for place in range(half)]
        last = [max(count - half + place, 0) for place in range(half)]
        order = first + order + last
    return [order[start : start + frames] for start in range(len(order) - frames + 1)]


def restore_frames(
    restorer: Restorer,
    job: Job,
    naming: Naming,
    *,
    with_border: bool,
    overwrite: bool,
    done: Callable[[Path, float], None],
) -> bool:
    """Restore a folder of frames as a clip; whether anything was missing.

    Raises:
        InputError: a frame cannot be read, frames differ in size, or there are too few.
    """
    half = restorer.clip_frames // 2
    chosen = windows(len(job.frames), restorer.clip_frames, with_border=with_border)
    if not chosen:
        raise InputError(
            "clip",
            expected=f"at least {restorer.clip_frames} frames",
            got=str(len(job.frames)),
            where=str(job.source),
            next_step="leave out --no-border: then the frames at both ends are replicated",
        )
    held: dict[int, images.Image] = {}
    did_write = False
    for window in chosen:
        center = window[half]
        target = job.target / naming.target(job.frames[center], None, alone=False).name
        if target.exists() and not overwrite:
            continue
        for place in set(window) - held.keys():
            held[place] = images.read_image(job.frames[place])
        for place in [place for place in held if place < min(window)]:
            del held[place]
        shapes = {held[place].pixels.shape for place in window}
        if len(shapes) > 1:
            raise InputError(
                "clip",
                expected="frames of one size",
                got=", ".join(sorted(f"{shape[3]}x{shape[2]}" for shape in shapes)),
                where=str(job.source),
                next_step="put the frames of each film into a folder of their own",
            )
        frames = np.stack([held[place].pixels[0] for place in window])[None]
        found = restorer.detailed(held[center].pixels, frames=frames)
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target, replace(held[center], pixels=found.pixels))
        done(job.frames[center], found.seconds)
        did_write = True
    return did_write
