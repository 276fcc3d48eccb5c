"""Where pictures come from: photographs that are embedded, folders, lists, lmdb, `.npy` samples.

A source gives the arrays of a picture by number: "target" (3, h, w), and where there are such files
"degraded" (3, h', w') and "mask" (1, h, w), with the samples as they are in the file;
`transforms.to_intensities` makes numbers of them when the part that is wanted has been cut out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from restoration import images
from restoration.arrays import Arrays
from restoration.data import npy
from restoration.data.photographs import HELD_OUT, TRAINED_ON, whole_photograph
from restoration.data.settings import SplitSettings
from restoration.data.task import Fault
from restoration.errors import InputError


class Pictures(Protocol):
    """Pictures by number; the files of each are named for messages."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Arrays:
        """The arrays of a picture as they are in the files; see the module."""

    def name(self, index: int) -> str:
        """What a picture is called in results."""

    def files(self, index: int) -> tuple[str, ...]:
        """The files that it is made of."""

    def missing(self) -> list[Fault]:
        """What is wrong before any picture is read, as files without a partner."""


@dataclass(frozen=True)
class Photographs:
    """The photographs that scikit-image brings along: true pictures, nothing else."""

    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Arrays:
        return {"target": whole_photograph(self.names[index])}

    def name(self, index: int) -> str:
        return self.names[index]

    def files(self, index: int) -> tuple[str, ...]:
        return (f"skimage.data.{self.names[index]}",)

    def missing(self) -> list[Fault]:
        return []


@dataclass(frozen=True)
class Files:
    """Image files: for each picture the file of each of its arrays."""

    split: str
    rows: Sequence[Mapping[str, Path]]
    unpaired: Sequence[Fault] = ()
    is_cached: bool = False
    _kept: dict[int, Arrays] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> Arrays:
        if index in self._kept:
            return self._kept[index]
        arrays = {
            name: read_mask(path) if name == "mask" else read_colors(path)
            for name, path in self.rows[index].items()
        }
        if self.is_cached:
            self._kept[index] = arrays
        return arrays

    def name(self, index: int) -> str:
        path = self.rows[index]["target"]
        same = sum(row["target"].stem == path.stem for row in self.rows)
        return path.stem if same == 1 else f"{path.parent.name}_{path.stem}"

    def files(self, index: int) -> tuple[str, ...]:
        return tuple(str(path) for path in self.rows[index].values())

    def missing(self) -> list[Fault]:
        return list(self.unpaired)


@dataclass(frozen=True)
class Clips:
    """Consecutive frames of videos: "target" (t, 3, h, w) of the files of each clip."""

    split: str
    clips: Sequence[tuple[int, Sequence[Path]]]
    short: Sequence[Fault] = ()

    def __len__(self) -> int:
        return len(self.clips)

    def read(self, index: int) -> Arrays:
        frames = [read_colors(path) for path in self.clips[index][1]]
        sizes = {frame.shape for frame in frames}
        if len(sizes) > 1:
            raise InputError(
                "video",
                expected="frames of one size",
                got=", ".join(f"{shape[1]}x{shape[2]}" for shape in sorted(sizes)),
                where=str(self.clips[index][1][0].parent),
                next_step="put frames of another size into a folder of their own",
            )
        return {"target": np.stack(frames)}

    def name(self, index: int) -> str:
        paths = self.clips[index][1]
        return f"{paths[0].parent.name}_{paths[len(paths) // 2].stem}"

    def files(self, index: int) -> tuple[str, ...]:
        return tuple(str(path) for path in self.clips[index][1])

    def missing(self) -> list[Fault]:
        return list(self.short)


@dataclass(frozen=True)
class NpySamples:
    """ReLoBlur's samples: dictionaries with the blurred and the true picture and a mask."""

    split: str
    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Arrays:
        sample = npy.read_sample(self.paths[index])
        absent = [name for name in (npy.BLURRED, npy.TRUE) if name not in sample]
        if absent:
            raise InputError(
                "sample",
                expected=f"entries {npy.BLURRED} and {npy.TRUE}",
                got=", ".join(sample) or "none",
                where=str(self.paths[index]),
                next_step="prepare writes such samples",
            )
        arrays = {
            "degraded": to_colors(sample[npy.BLURRED], str(self.paths[index])),
            "target": to_colors(sample[npy.TRUE], str(self.paths[index])),
        }
        if npy.MASK in sample:
            mask = np.squeeze(sample[npy.MASK]).astype(np.float32)
            # As its authors do: cut off to 8 bits.
            arrays["mask"] = (255 * mask).astype(np.uint8)[None]
        return arrays

    def name(self, index: int) -> str:
        return self.paths[index].stem

    def files(self, index: int) -> tuple[str, ...]:
        return (str(self.paths[index]),)

    def missing(self) -> list[Fault]:
        return []


@dataclass(frozen=True)
class Lmdb:
    """Data sets of BasicSR in lmdb: encoded pictures under their names, listed in meta_info.txt.

    The file is mapped, never read as a whole, and opened anew in each process.
    """

    split: str
    roots: Mapping[str, Path]
    keys: Sequence[Mapping[str, str]]
    unpaired: Sequence[Fault] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, index: int) -> Arrays:
        arrays = {}
        for name, key in self.keys[index].items():
            with _environment(str(self.roots[name])).begin(buffers=False) as transaction:
                content = transaction.get(key.encode())
            where = f"{self.roots[name]}:{key}"
            samples = _decoded(content, where)
            arrays[name] = _single(samples, where) if name == "mask" else to_colors(samples, where)
        return arrays

    def name(self, index: int) -> str:
        return self.keys[index]["target"].replace("/", "_")

    def files(self, index: int) -> tuple[str, ...]:
        return tuple(f"{self.roots[name]}:{key}" for name, key in self.keys[index].items())

    def missing(self) -> list[Fault]:
        return list(self.unpaired)


def open_split(kind: str, name: str, settings: SplitSettings, *, is_cached: bool) -> Pictures:
    """The pictures of a split, "train" or "valid".

    Raises:
        InputError: a folder, list or database is missing, or holds nothing.
    """
    if kind == "synthetic":
        names = TRAINED_ON if name == "train" else HELD_OUT
        return Photographs(names[: settings.limit])
    if not settings.target and not settings.list:
        if name == "valid":
            return Files(name, ())
        raise _absent(name, "target", "a folder of pictures", "nothing")
    openers: dict[str, Callable[[str, SplitSettings], Pictures]] = {
        "lmdb": _open_lmdb,
        "npy": _open_npy,
        "list": functools.partial(_open_list, is_cached=is_cached),
    }
    opener = openers.get(kind, functools.partial(_open_folders, is_cached=is_cached))
    pictures = opener(name, settings)
    if not len(pictures) and not pictures.missing():
        raise _absent(name, "target", "pictures", f"none in {settings.target or settings.list}")
    return pictures


def open_videos(
    split: str, settings: SplitSettings, *, frames: int, frames_per_video: int | None
) -> Clips:
    """Every clip of consecutive frames of the videos of a split, one folder each.

    Raises:
        InputError: no folder, or no videos in it.
    """
    root = require_folder(split, "target", settings.target)
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    if settings.list:
        folders = [root / name for name in _names(split, settings.list)]
    clips: list[tuple[int, Sequence[Path]]] = []
    faults = []
    for number, folder in enumerate(folders[: settings.limit]):
        paths = listed(folder)[:frames_per_video] if folder.is_dir() else []
        if len(paths) < frames:
            faults.append(Fault(split, str(folder), f"{len(paths)} frames, fewer than {frames}"))
        clips += [
            (number, paths[first : first + frames]) for first in range(len(paths) - frames + 1)
        ]
    if not clips and not faults:
        raise _absent(split, "target", "a folder of frames for each video", f"none in {root}")
    return Clips(split, clips, faults)


def video_of(pictures: Pictures, index: int) -> int:
    """The number of the video that a clip is of; of what is no clip, its own."""
    return pictures.clips[index][0] if isinstance(pictures, Clips) else index


def read_colors(path: Path) -> np.ndarray:
    """The samples of an image file as RGB, (3, h, w), without alpha."""
    if path.suffix.lower() == ".npy":
        return to_colors(npy.read_sample(path)[npy.BLURRED], str(path))
    return to_colors(images.read_samples(path), str(path))


def read_mask(path: Path) -> np.ndarray:
    """The samples of a mask, (1, h, w); of one in color the first channel."""
    return _single(images.read_samples(path), str(path))


def to_colors(samples: np.ndarray, where: str) -> np.ndarray:
    """Samples (h, w) or (h, w, 1 to 4) as RGB, (3, h, w); alpha is left out."""
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.ndim != 3 or samples.shape[2] not in (1, 2, 3, 4):
        raise InputError(
            "picture",
            expected="(h, w) or (h, w, 1..4) samples",
            got=str(samples.shape),
            where=where,
            next_step="give gray or color pictures",
        )
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8) * 255
    colors = samples[..., :3] if samples.shape[2] > 2 else np.repeat(samples[..., :1], 3, axis=2)
    return colors.transpose(2, 0, 1)


def _single(samples: np.ndarray, where: str) -> np.ndarray:
    return to_colors(samples, where)[:1]


def listed(folder: Path, suffixes: Sequence[str] = images.files.READABLE) -> list[Path]:
    """The files of a folder with such suffixes, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def require_folder(split: str, key: str, value: str) -> Path:
    """A folder that a split names.

    Raises:
        InputError: there is none.
    """
    folder = Path(value)
    if not folder.is_dir():
        raise _absent(split, key, "an existing folder", value or "nothing")
    return folder


def _open_folders(split: str, settings: SplitSettings, *, is_cached: bool) -> Pictures:
    target = require_folder(split, "target", settings.target)
    paths = listed(target)
    if settings.list:
        paths = [target / name for name in _names(split, settings.list)]
    folders = {
        key: require_folder(split, key, getattr(settings, key))
        for key in ("degraded", "mask")
        if getattr(settings, key)
    }
    paths = paths[: settings.limit]
    rows, faults = [], []
    used: set[Path] = set()
    for path in paths:
        row = {"target": path}
        for key, folder in folders.items():
            stem = settings.template.format(path.stem) if key == "degraded" else path.stem
            partner = _partner(folder, stem, path.suffix)
            if partner is None:
                faults.append(Fault(split, str(path), f"no {key} picture {folder / stem}.*"))
            else:
                row[key] = partner
                used.add(partner)
        if len(row) == 1 + len(folders):
            rows.append(row)
    if not settings.limit and not settings.list:
        for key, folder in folders.items():
            faults += [
                Fault(split, str(path), f"a {key} picture without its target in {target}")
                for path in listed(folder)
                if path not in used
            ]
    return Files(split, rows, faults, is_cached)


def _partner(folder: Path, stem: str, suffix: str) -> Path | None:
    """The file of a name, with the suffix of its partner if there are several."""
    first = folder / f"{stem}{suffix}"
    others = (folder / f"{stem}{other}" for other in images.files.READABLE)
    return next((path for path in (first, *others) if path.is_file()), None)


def _open_list(split: str, settings: SplitSettings, *, is_cached: bool) -> Pictures:
    """Lines "degraded target [mask]", or "target"; paths with spaces are separated by tabs."""
    file = Path(settings.list)
    rows, faults = [], []
    for number, line in enumerate(_lines(split, settings.list), start=1):
        parts = line.split("\t") if "\t" in line else line.split()
        if len(parts) > 3:
            faults.append(Fault(split, f"{file}:{number}", f"{len(parts)} paths, not 1 to 3"))
            continue
        keys = ("target",) if len(parts) == 1 else ("degraded", "target", "mask")
        rows.append(dict(zip(keys, (file.parent / part.strip() for part in parts), strict=False)))
    return Files(split, rows[: settings.limit], faults, is_cached)


def _open_npy(split: str, settings: SplitSettings) -> Pictures:
    folder = require_folder(split, "target", settings.target)
    return NpySamples(split, listed(folder, (".npy",))[: settings.limit])


def _open_lmdb(split: str, settings: SplitSettings) -> Pictures:
    roots = {
        key: require_folder(split, key, getattr(settings, key))
        for key in ("target", "degraded", "mask")
        if getattr(settings, key)
    }
    known = {key: _lmdb_keys(split, root) for key, root in roots.items()}
    rows, faults = [], []
    for name in known["target"][: settings.limit]:
        row = {key: settings.template.format(name) if key == "degraded" else name for key in roots}
        absent = [key for key, one in row.items() if one not in set(known[key])]
        faults += [
            Fault(split, f"{roots['target']}:{name}", f"no {key} picture {row[key]}")
            for key in absent
        ]
        if not absent:
            rows.append(row)
    return Lmdb(split, roots, rows, faults)


def _lmdb_keys(split: str, root: Path) -> list[str]:
    """The names of the pictures in a database, from the list beside it."""
    file = root / "meta_info.txt"
    if not file.is_file():
        raise _absent(
            split, "target", "meta_info.txt beside data.mdb, as BasicSR writes", str(root)
        )
    lines = file.read_text("utf-8").splitlines()
    return [Path(line.split()[0]).with_suffix("").as_posix() for line in lines if line.strip()]


@functools.lru_cache(maxsize=8)
def _environment(root: str) -> Any:
    try:
        import lmdb
    except ModuleNotFoundError as problem:
        from restoration.errors import UnavailableError

        raise UnavailableError(
            "lmdb data: expected the package lmdb, got none; "
            "pip install 'restoration-suite[lmdb]' brings it"
        ) from problem
    try:
        return lmdb.open(root, readonly=True, lock=False, readahead=False, meminit=False)
    except lmdb.Error as problem:
        raise InputError(
            "lmdb data",
            expected="a database",
            got=str(problem),
            where=root,
            next_step="give the folder that holds data.mdb",
        ) from problem


def _decoded(content: bytes | None, where: str) -> np.ndarray:
    """A picture from its encoded bytes, RGB or gray."""
    import cv2

    decoded = None
    if content:
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise InputError(
            "picture",
            expected="an encoded picture",
            got="nothing" if not content else f"{len(content)} bytes that are none",
            where=where,
            next_step="make the database anew",
        )
    samples: np.ndarray = decoded
    if samples.ndim == 3:
        samples = np.concatenate([samples[..., 2::-1], samples[..., 3:]], axis=2)
    return samples


def _names(split: str, path: str) -> list[str]:
    """Names in a list; what follows a name in its line, as BasicSR writes the size, is left out."""
    return [line.split("\t")[0].split(" (")[0].strip() for line in _lines(split, path)]


def _lines(split: str, path: str) -> list[str]:
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise _absent(split, "list", "a text file", str(problem)) from problem
    return [line.strip() for line in lines if line.strip()]


def _absent(split: str, key: str, expected: str, got: str) -> InputError:
    return InputError(
        f"data.{split}.{key}",
        expected=expected,
        got=got,
        where="recipe",
        next_step=f"set it as data.{split}.{key}=PATH, or take data.kind=synthetic",
    )
