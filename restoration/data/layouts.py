"""Published layouts of data sets, and where each of their files goes for training.

A layout reads the names in a folder as it was unpacked and gives, for each new path, the file that
belongs there; what is not as published is a fault. The recipes that ship name the new paths.
Sources: chosj95/MIMO-UNet and MindSpore's port (GoPro), the pages of REDS and DIV2K, LintaoPeng's
U-shape Transformer (LSUI), LeiaLi/ReLoBlur.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from restoration import images
from restoration.data import streams
from restoration.data.datasets import listed

_SPLITS = ("train", "test")


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
    train_sharp_bicubic/X4, is taken along.
    """
    found = Arrangement()
    for split in ("train", "val"):
        root = source / split if (source / split).is_dir() else source
        others = sorted(root.glob(f"{split}_*")) if root.is_dir() else []
        kinds = [path for path in others if path.is_dir() and path.name != f"{split}_sharp"]
        for kind in (root / f"{split}_sharp", *kinds):
            scales = [path for path in sorted(kind.glob("X[0-9]")) if path.is_dir()]
            for videos in scales or [kind]:
                name = videos.relative_to(root).as_posix()
                for video in found.folders(videos, "a folder of frames for each video, as 000"):
                    for path in found.folder(video, "frames, as 00000000.png"):
                        found.put(f"{name}/{video.name}/{path.name}", path)
    return found


def lsui(source: Path, options: Options) -> Arrangement:
    """LSUI: input and GT, in train and test if there are splits; to train|test/input|gt.

    The published folders have no splits, nor is there a list: as many pictures as are asked for are
    drawn for the test, the same ones always.
    """
    found = Arrangement()
    has_splits = (source / "train").is_dir() or (source / "test").is_dir()
    for folder in [source / split for split in _SPLITS] if has_splits else [source]:
        truths = next((folder / name for name in ("GT", "gt") if (folder / name).is_dir()), None)
        degraded = found.folder(folder / "input", "pictures taken under water")
        targets = found.folder(truths or folder / "GT", "their references, with the same names")
        found.pair(degraded, targets, "degraded", "reference")
        tested: set[str] = set()
        if not has_splits and degraded:
            if options.test_pictures >= len(degraded):
                text = f"{len(degraded)} pictures, of which {options.test_pictures} are to be test"
                found.faults.append((folder, f"{text}ed; see --test-pictures"))
            order = streams.order(0, 0, len(degraded))[: options.test_pictures]
            tested = {degraded[place].name for place in order}
        for path in degraded:
            split = ("test" if path.name in tested else "train") if not has_splits else folder.name
            found.put(f"{split}/input/{path.name}", path)
            if truths:
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

    To train|test/blur|sharp|mask/SCENE_NUMBER_NAME.png.
    """
    found = Arrangement()
    for split in _SPLITS:
        root = source / "dataset" / split
        if not root.is_dir():
            text = "no such folder; expected SCENE/NUMBER/NAME_sharp.png in it"
            found.faults.append((root, text))
            continue
        sharp = sorted(root.glob("*/*/*_sharp.png"))
        if not sharp:
            found.faults.append((root, "no SCENE/NUMBER/NAME_sharp.png in it"))
        for path in sharp:
            stem = path.stem.removesuffix("_sharp")
            inner = path.parent.relative_to(root)
            mask = next(
                (
                    one
                    for suffix in (".png", *images.files.READABLE)
                    if (one := source / "masks" / split / inner / f"{stem}{suffix}").is_file()
                ),
                source / "masks" / split / inner / f"{stem}.png",
            )
            name = "_".join((*inner.parts, stem))
            parts = {"sharp": path, "blur": path.with_name(f"{stem}_blur.png"), "mask": mask}
            for kind, part in parts.items():
                if not part.is_file():
                    found.faults.append((part, f"missing: the {kind} of {path}"))
                found.put(f"{split}/{kind}/{name}{part.suffix}", part)
        sharp_names = {path.name.replace("_sharp", "_blur") for path in sharp}
        found.faults += [
            (path, "a blurred picture without its sharp one")
            for path in sorted(root.glob("*/*/*_blur.png"))
            if path.name not in sharp_names
            or not path.with_name(path.name.replace("_blur", "_sharp")).is_file()
        ]
    return found


LAYOUTS: dict[str, Callable[[Path, Options], Arrangement]] = {
    "gopro": gopro,
    "reds": reds,
    "lsui": lsui,
    "div2k": div2k,
    "reloblur": reloblur,
}
