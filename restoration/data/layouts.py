"""Published layouts of data sets, and where each of their files goes for training.

A layout reads the names in a folder as it was unpacked and gives, for each new path, the file that
belongs there; what is not as published is a fault. The recipes that ship name the new paths.
Sources: chosj95/MIMO-UNet and MindSpore's port (GoPro), the pages of REDS and DIV2K, LintaoPeng's
U-shape Transformer (LSUI), LeiaLi/ReLoBlur.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from restoration.data.datasets import listed

_SPLITS = ("train", "test")
_REDS4 = ("000", "011", "015", "020")


@dataclass(frozen=True)
class Options:
    """names, blur: of GoPro; test_pictures: of LSUI without splits. See prepare.py."""

    names: str = "numbered"
    blur: str = "blur"
    test_pictures: int = 400


@dataclass
class Arrangement:
    """files: by new path, relative, the file that goes there. faults: (path, what is wrong)."""

    files: dict[str, Path] = field(default_factory=dict)
    faults: list[tuple[Path, str]] = field(default_factory=list)

    def folder(self, path: Path, content: str) -> list[Path]:
        """The pictures in a folder that has to be there."""
        if not path.is_dir():
            self.faults.append((path, f"no such folder; expected {content}"))
            return []
        found = listed(path)
        if not found:
            self.faults.append((path, f"no pictures; expected {content}"))
        return found

    def folders(self, path: Path, content: str) -> list[Path]:
        """The folders in a folder that has to be there."""
        found = sorted(one for one in path.iterdir() if one.is_dir()) if path.is_dir() else []
        if not found:
            state = "no folders in it" if path.is_dir() else "no such folder"
            self.faults.append((path, f"{state}; expected {content}"))
        return found

    def pair(self, first: Sequence[Path], second: Sequence[Path], name: str, other: str) -> None:
        """Note which of two folders' files have no namesake in the other."""
        names = [{path.name for path in paths} for paths in (first, second)]
        self.faults += [
            (path, f"a {kind} picture without its {partner} one")
            for paths, kind, partner, known in (
                (first, name, other, names[1]),
                (second, other, name, names[0]),
            )
            for path in paths
            if names[0] and names[1] and path.name not in known
        ]

    def put(self, target: str, source: Path) -> None:
        """Give a file its new path."""
        if target in self.files:
            self.faults.append((source, f"would have the name {target}, as {self.files[target]}"))
        self.files[target] = source


def gopro(source: Path, options: Options) -> Arrangement:
    """GOPRO_Large: train|test/SEQUENCE/blur|blur_gamma|sharp/000001.png.

    Numbered from 1 in the order of paths, as MindSpore's port does, or SEQUENCE_000001, as the
    authors do; in train|test/blur|sharp.
    """
    found = Arrangement()
    for split in _SPLITS:
        number = 0
        sequences = f"a folder of each sequence, with {options.blur} and sharp in it"
        for sequence in found.folders(source / split, sequences):
            blurred, sharp = (
                found.folder(sequence / kind, "the frames of a sequence")
                for kind in (options.blur, "sharp")
            )
            found.pair(blurred, sharp, "blurred", "sharp")
            for path in blurred:
                number += 1
                is_numbered = options.names == "numbered"
                name = f"{number}{path.suffix}" if is_numbered else f"{sequence.name}_{path.name}"
                found.put(f"{split}/blur/{name}", path)
                found.put(f"{split}/sharp/{name}", sequence / "sharp" / path.name)
    return found


def reds(source: Path, options: Options) -> Arrangement:
    """REDS: train_sharp/000/00000000.png and so on, as unpacked also in train/ and val/.

    train_sharp and val_sharp have to be there; what else there is of theirs, as train_blur or
    train_sharp_bicubic/X4, is taken along. The four videos of train that are REDS4, a test set of
    the field, go to reds4_sharp and the like.
    """
    found = Arrangement()
    for split in ("train", "val"):
        root = source / split if (source / split).is_dir() else source
        others = sorted(root.glob(f"{split}_*")) if root.is_dir() else []
        kinds = [path for path in others if path.is_dir() and path.name != f"{split}_sharp"]
        for kind in (root / f"{split}_sharp", *kinds):
            scales = [path for path in sorted(kind.glob("X[0-9]")) if path.is_dir()]
            for videos in scales or [kind]:
                name = videos.relative_to(root).as_posix().removeprefix(f"{split}_")
                for video in found.folders(videos, "a folder of frames for each video, as 000"):
                    is_test = split == "train" and video.name in _REDS4
                    place = f"{'reds4' if is_test else split}_{name}/{video.name}"
                    for path in found.folder(video, "frames, as 00000000.png"):
                        found.put(f"{place}/{path.name}", path)
    return found


def lsui(source: Path, options: Options) -> Arrangement:
    """LSUI: input and GT, in train and test if there are splits; to train|test/input|gt.

    The published folders have no splits, nor is there a list: the last pictures by number are for
    the test, since neighbors are often views of the same scene.
    """
    found = Arrangement()
    has_splits = (source / "train").is_dir() or (source / "test").is_dir()
    for folder in [source / split for split in _SPLITS] if has_splits else [source]:
        inputs, truths = _named(folder, "input"), _named(folder, "GT")
        degraded = found.folder(inputs, "pictures taken under water")
        targets = found.folder(truths, "their references, with the same names")
        found.pair(degraded, targets, "degraded", "reference")
        trained = len(degraded) - options.test_pictures
        if not has_splits and degraded and trained < 1:
            text = f"{len(degraded)} pictures, of which {options.test_pictures} are to be tested"
            found.faults.append((folder, f"{text}; see --test-pictures"))
        for place, path in enumerate(sorted(degraded, key=_by_number)):
            split = folder.name if has_splits else "train" if place < trained else "test"
            found.put(f"{split}/input/{path.name}", path)
            found.put(f"{split}/gt/{path.name}", truths / path.name)
    return found


def div2k(source: Path, options: Options) -> Arrangement:
    """DIV2K: DIV2K_train_HR/0001.png, DIV2K_train_LR_bicubic/X4/0001x4.png, valid likewise.

    What there is of reduced pictures is taken along; each needs its original.
    """
    found = Arrangement()
    for split in ("train", "valid"):
        originals = found.folder(source / f"DIV2K_{split}_HR", "pictures, as 0001.png")
        names = {path.stem for path in originals}
        for path in originals:
            found.put(f"DIV2K_{split}_HR/{path.name}", path)
        for kind in sorted(source.glob(f"DIV2K_{split}_LR_*")):
            for folder in found.folders(kind, "X2, X3 or X4 with reduced pictures"):
                suffix = folder.name.lower()
                reduced = found.folder(folder, f"pictures, as 0001{suffix}.png")
                for path in reduced:
                    if path.stem.removesuffix(suffix) not in names:
                        text = f"a reduced picture without its original in DIV2K_{split}_HR"
                        found.faults.append((path, text))
                    found.put(f"{kind.name}/{folder.name}/{path.name}", path)
                missing = names - {path.stem.removesuffix(suffix) for path in reduced}
                found.faults += [
                    (folder / f"{name}{suffix}.png", "missing: its original is there")
                    for name in sorted(missing)
                    if reduced
                ]
    return found


def reloblur(source: Path, options: Options) -> Arrangement:
    """ReLoBlur: dataset/train|test/SCENE/NUMBER/NAME_blur.png, NAME_sharp.png, masks/... NAME.png.

    To train|test/blur|sharp|mask/SCENE_NUMBER_NAME.png. Masks may also be named NAME_mask.png.
    """
    found = Arrangement()
    dataset = source / "dataset" if (source / "dataset").is_dir() else source
    for split in _SPLITS:
        root = dataset / split
        sharp, blurred = (sorted(root.glob(f"*/*/*_{kind}.png")) for kind in ("sharp", "blur"))
        if not sharp and not blurred:
            state = "no such pictures" if root.is_dir() else "no such folder"
            found.faults.append((root, f"{state}; expected SCENE/NUMBER/NAME_sharp.png in it"))
        stems = {path.with_name(path.name.rpartition("_")[0]) for path in (*sharp, *blurred)}
        for stem in sorted(stems):
            inner = stem.relative_to(root)
            mask = source / "masks" / split / inner
            parts = {
                "sharp": [stem.with_name(f"{stem.name}_sharp.png")],
                "blur": [stem.with_name(f"{stem.name}_blur.png")],
                "mask": [mask.with_name(f"{mask.name}{end}.png") for end in ("", "_mask")],
            }
            for kind, known in parts.items():
                part = next((path for path in known if path.is_file()), None)
                if part is None:
                    found.faults.append((known[0], f"missing: the {kind} of {stem}"))
                else:
                    found.put(f"{split}/{kind}/{'_'.join(inner.parts)}.png", part)
    return found


def _named(folder: Path, name: str) -> Path:
    """The folder of a name, whatever the case of its letters."""
    inner = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((one for one in inner if one.name.lower() == name.lower()), folder / name)


def _by_number(path: Path) -> list[tuple[int, str]]:
    """What puts 10.jpg behind 9.jpg."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


LAYOUTS: dict[str, Callable[[Path, Options], Arrangement]] = {
    "gopro": gopro,
    "reds": reds,
    "lsui": lsui,
    "div2k": div2k,
    "reloblur": reloblur,
}
