"""Which restored picture, or which input, belongs to which truth."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from restoration.errors import InputError
from restoration.images.files import READABLE

LAYOUTS = (
    ("test/blur", "test/sharp"),
    ("test/input", "test/target"),
    ("test/input", "test/gt"),
    ("input", "GT"),
    ("input", "gt"),
    ("input", "target"),
    ("input", "truth"),
    ("blur", "sharp"),
    ("lq", "gt"),
    ("LR", "HR"),
    ("LR_blurdown_x4", "HR"),
)
"""Folders of inputs and truths in the data sets that people have, within their root."""

_SUFFIXES = (
    "",
    "_blur",
    "_input",
    "_lq",
    "_LR",
    "_restored",
    "_pred",
    "_out",
    "x2",
    "x3",
    "x4",
    "x8",
)


@dataclass(frozen=True)
class Pair:
    """A picture to be scored.

    name: of the pair, its place below the truths. image: the input of a network, or what was
    restored already; None where it is made from the truth. truth: a file, or a folder of frames of
    which the best counts; a .npy sample is both.
    """

    name: str
    image: Path | None
    truth: Path

    @property
    def video(self) -> str:
        """The folder that it lies in, which is a video where frames are scored."""
        return str(Path(self.name).parent)


def find_pairs(images: Path | None, truths: Path, *, template: str = "{}") -> list[Pair]:
    """The pairs of two folders, or of a folder of .npy samples, in order.

    images: None where inputs are made from truths. template: the stem of an image for that of its
    truth, as "{}x4"; without it what data sets append is tried.

    Raises:
        InputError: a folder is missing or empty, or pictures on one side have no partner.
    """
    for folder in (images, truths):
        if folder is not None and not folder.is_dir():
            raise InputError(
                "pictures to score",
                expected="an existing folder",
                got="a file" if folder.exists() else "nothing",
                where=str(folder),
                next_step="check the paths of --input (or --restored) and --truth",
            )
    samples = sorted(truths.rglob("*.npy"))
    if images is None and samples:
        return [Pair(_name(path, truths), path, path) for path in samples]
    of_truths = {_name(path, truths): path for path in _pictures(truths)}
    frames = _frame_folders(truths, images)
    of_truths = frames or of_truths
    if not of_truths:
        raise InputError(
            "truths",
            expected=f"a folder with pictures ({', '.join(READABLE)})",
            got="none in it",
            where=str(truths),
            next_step="name the folder that holds the sharp or large pictures",
        )
    if images is None:
        return [Pair(name, None, path) for name, path in sorted(of_truths.items())]
    of_images = {_name(path, images): path for path in _pictures(images)}
    found = {name: _partner(name, of_images, template) for name in of_truths}
    without = [name for name, partner in found.items() if partner is None]
    unused = set(of_images) - set(found.values())
    if without or unused:
        missing = _listed(f"without a partner in {images}", sorted(without))
        more = _listed(f"without one in {truths}", sorted(unused))
        raise InputError(
            "pairs",
            expected="a partner for each picture, of the same name and place",
            got="; ".join(filter(None, (missing, more))),
            where=f"{images} and {truths}",
            next_step="give --template for names that differ, as --template {}x4",
        )
    return [
        Pair(name, of_images[str(found[name])], path) for name, path in sorted(of_truths.items())
    ]


def of_data_set(root: Path) -> tuple[Path | None, Path]:
    """The folders of inputs and truths below a data set's root.

    Raises:
        InputError: it has none of the known layouts.
    """
    for images, truths in LAYOUTS:
        if (root / images).is_dir() and (root / truths).is_dir():
            return root / images, root / truths
    if any(root.rglob("*.npy")):
        return None, root
    raise InputError(
        "data set",
        expected="one of " + ", ".join(f"{images} + {truths}" for images, truths in LAYOUTS),
        got=", ".join(sorted(path.name for path in root.iterdir())[:8])
        if root.is_dir()
        else "none",
        where=str(root),
        next_step="name the two folders by --input and --truth",
    )


def _pictures(folder: Path) -> Iterator[Path]:
    for place, below, names in os.walk(folder):
        below.sort()
        for name in sorted(names):
            if Path(name).suffix.lower() in READABLE and not name.startswith("."):
                yield Path(place) / name


def _frame_folders(truths: Path, images: Path | None) -> dict[str, Path]:
    """Folders of truths that bear the name of one image: of its frames the best counts."""
    if images is None:
        return {}
    names = {_name(path, images) for path in _pictures(images)}
    folders = {_name(path, truths): path for path in truths.rglob("*") if path.is_dir()}
    return folders if folders and set(folders) == names else {}


def _name(path: Path, folder: Path) -> str:
    relative = path.relative_to(folder)
    return str(relative if path.is_dir() else relative.with_suffix(""))


def _partner(name: str, images: dict[str, Path], template: str) -> str | None:
    stem = Path(name).name
    tried = [template.format(stem)] if template != "{}" else [stem + suffix for suffix in _SUFFIXES]
    for one in tried:
        partner = str(Path(name).with_name(one))
        if partner in images:
            return partner
    return None


def _listed(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{len(names)} {what}: {', '.join(names[:5])}{more}"
