"""`python -m restoration.data.prepare DATASET SRC DST`: published layouts as folders to train on.

Pictures are copied byte by byte (`--link` for links), each under its new name; nothing in SRC is
changed. What is missing or has no partner is listed and nothing is written.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from restoration import console
from restoration.errors import ExitCode, InputError, RestorationError
from restoration.images.files import READABLE

Plan = dict[Path, Path]
"""Each new file, relative to DST, with the file of SRC that it comes from."""

_SHOWN = 20


class LayoutError(RestorationError):
    """The source is not laid out as published; every fault is listed."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, faults: Sequence[str]):
        super().__init__(
            f"data set: expected the published layout, got {len(faults)} faults (below); "
            "nothing was written: download what is missing, or take another SRC"
        )
        self._faults = list(faults)

    def lines(self) -> list[str]:
        left = len(self._faults) - _SHOWN
        return [f"  {text}" for text in self._faults[:_SHOWN]] + [f"  and {left} more"] * (left > 0)


def gopro(source: Path, *, names: str = "numbered", blur: str = "blur") -> Plan:
    """GOPRO_Large: SPLIT/SEQUENCE/{blur,blur_gamma,sharp}/N.png to SPLIT/{blur,sharp}/NAME.png.

    names: "numbered", from 1 in order of path, as the MindSpore port has them, or "sequence",
    SEQUENCE_N, as the authors have. blur: which of the two blurred versions.
    """
    plan: Plan = {}
    faults: list[str] = []
    for split in ("train", "test"):
        number = 0
        for sequence in _folders(source / split):
            sharp = {path.name: path for path in _pictures(sequence / "sharp")}
            blurred = {path.name: path for path in _pictures(sequence / blur)}
            faults += _unpaired(sharp, blurred, sequence, ("sharp", blur))
            for name in sorted(sharp.keys() & blurred.keys()):
                number += 1
                suffix = Path(name).suffix
                new = f"{number}{suffix}" if names == "numbered" else f"{sequence.name}_{name}"
                plan[Path(split, "blur", new)] = blurred[name]
                plan[Path(split, "sharp", new)] = sharp[name]
        if number == 0:
            faults.append(f"{split}: no SEQUENCE/{blur}/*.png with SEQUENCE/sharp/*.png")
    return _checked(plan, faults)


def reds(source: Path) -> Plan:
    """REDS: {train,val}_sharp/VIDEO/FRAME.png to {train,val}/VIDEO/FRAME.png.

    The four videos of REDS4 (000, 011, 015, 020 of train_sharp) go to test, not to train.
    """
    plan: Plan = {}
    faults: list[str] = []
    for folder, split in (("train_sharp", "train"), ("val_sharp", "val")):
        root = next(
            (one for one in (source / folder, source / split / folder) if one.is_dir()), None
        )
        if root is None:
            if split == "train":
                faults.append(f"{source / folder}: missing")
            continue
        for video in _folders(root):
            frames = _pictures(video)
            if not frames:
                faults.append(f"{video}: no frames")
            is_test = split == "train" and video.name in _REDS4
            for frame in frames:
                plan[Path("test" if is_test else split, video.name, frame.name)] = frame
    return _checked(plan, faults)


def lsui(source: Path, *, test: int = 400) -> Plan:
    """LSUI: {input,GT}/NAME to {train,test}/{input,gt}/NAME.

    A source that has train and test already keeps them; else the last `test` pictures by number are
    for test: the published 400 are not listed anywhere.
    """
    plan: Plan = {}
    faults: list[str] = []
    splits = [split for split in ("train", "test") if (source / split).is_dir()]
    for place in splits or [""]:
        root = source / place
        given = {path.name: path for path in _pictures(_named(root, "input"))}
        truth = {path.name: path for path in _pictures(_named(root, "gt"))}
        faults += _unpaired(truth, given, root, ("gt", "input"))
        names = sorted(given.keys() & truth.keys(), key=_natural)
        if not names:
            faults.append(f"{root}: no pictures in input and GT")
        for at, name in enumerate(names):
            split = place or ("test" if at >= len(names) - test else "train")
            plan[Path(split, "input", name)] = given[name]
            plan[Path(split, "gt", name)] = truth[name]
    return _checked(plan, faults)


def div2k(source: Path, *, scale: int = 4, track: str = "bicubic") -> Plan:
    """DIV2K: DIV2K_{train,valid}_HR/0001.png and ..._LR_bicubic/X4/0001x4.png.

    They become {train,valid}/HR/0001.png and {train,valid}/LR_bicubic_x4/0001.png.
    """
    plan: Plan = {}
    faults: list[str] = []
    for split in ("train", "valid"):
        high = source / f"DIV2K_{split}_HR"
        low = source / f"DIV2K_{split}_LR_{track}" / f"X{scale}"
        truth = {path.stem: path for path in _pictures(high)}
        given = {
            path.stem.removesuffix(f"x{scale}"): path
            for path in _pictures(low)
            if path.stem.endswith(f"x{scale}")
        }
        faults += _unpaired(truth, given, source, (high.name, f"{low.parent.name}/{low.name}"))
        if not truth:
            faults.append(f"{high}: no pictures")
        for name in sorted(truth.keys() & given.keys()):
            plan[Path(split, "HR", truth[name].name)] = truth[name]
            plan[Path(split, f"LR_{track}_x{scale}", name + given[name].suffix)] = given[name]
    return _checked(plan, faults)


def reloblur(source: Path) -> Plan:
    """ReLoBlur: {train,test}/sXX/NN/*_{sharp,blur}.png with masks/{train,test}/sXX/NN/*.png.

    They become SPLIT/{sharp,blur,mask}/sXX_NN_NAME.png.
    """
    plan: Plan = {}
    faults: list[str] = []
    root = source / "dataset" if (source / "dataset").is_dir() else source
    masks = next((one for one in (source / "masks", root / "masks") if one.is_dir()), None)
    if masks is None:
        faults.append(f"{source / 'masks'}: missing")
    for split in ("train", "test"):
        blurred = sorted((root / split).glob("*/*/*_blur.png"))
        if not blurred:
            faults.append(f"{root / split}: no sXX/NN/*_blur.png")
        lonely = sorted((root / split).glob("*/*/*_sharp.png"))
        faults += [
            f"{path}: no blurred picture"
            for path in lonely
            if not path.with_name(path.name.replace("_sharp.png", "_blur.png")).is_file()
        ]
        for path in blurred:
            sharp = path.with_name(path.name.replace("_blur.png", "_sharp.png"))
            mask = _mask_of(masks, root, path) if masks else None
            if not sharp.is_file():
                faults.append(f"{path}: no {sharp.name}")
                continue
            if masks and mask is None:
                faults.append(f"{path}: no mask in {masks}")
                continue
            stem = path.name.removesuffix("_blur.png")
            new = f"{path.parent.parent.name}_{path.parent.name}_{stem}.png"
            plan[Path(split, "blur", new)] = path
            plan[Path(split, "sharp", new)] = sharp
            if mask:
                plan[Path(split, "mask", new)] = mask
    return _checked(plan, faults)


_REDS4 = ("000", "011", "015", "020")
_LAYOUTS: dict[str, Callable[..., Plan]] = {
    "gopro": gopro,
    "reds": reds,
    "lsui": lsui,
    "div2k": div2k,
    "reloblur": reloblur,
}


def write(plan: Plan, source: Path, target: Path, *, is_linked: bool = False) -> None:
    """Copy, or link, the files of a plan; one that is there and the same size is left.

    Raises:
        InputError: the target cannot be written, or lies within the source.
    """
    if source.resolve() == target.resolve():
        raise InputError(
            "DST",
            expected="another folder than SRC",
            got=str(target),
            where="command line",
            next_step="name a new folder",
        )
    try:
        for new, old in plan.items():
            place = target / new
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists() and place.stat().st_size == old.stat().st_size:
                continue
            unfinished = place.with_name(f".{place.name}.part")
            unfinished.unlink(missing_ok=True)
            if is_linked:
                unfinished.symlink_to(old.resolve())
            else:
                shutil.copyfile(old, unfinished)
            os.replace(unfinished, place)
    except OSError as problem:
        raise InputError(
            "DST",
            expected="a folder with space that can be written",
            got=problem.strerror or str(problem),
            where=str(problem.filename or target),
            next_step="make space or choose another folder; what is there is not copied again",
        ) from problem


def main(words: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    return console.run("prepare", lambda: _run(words))


def _run(words: Sequence[str] | None) -> int:
    parser = console.Parser(prog="python -m restoration.data.prepare", description=__doc__)
    parser.add_argument("dataset", choices=sorted(_LAYOUTS), help="whose published layout SRC has")
    parser.add_argument("source", nargs="?", type=Path, metavar="SRC")
    parser.add_argument("target", nargs="?", type=Path, metavar="DST")
    parser.add_argument("--root_src", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--root_dst", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--names", choices=("numbered", "sequence"), help="gopro: names of files")
    parser.add_argument("--blur", choices=("blur", "blur_gamma"), help="gopro: which version")
    parser.add_argument("--test", type=int, help="lsui: how many pictures are for test")
    parser.add_argument("--scale", type=int, choices=(2, 3, 4, 8), help="div2k: default 4")
    parser.add_argument("--track", choices=("bicubic", "unknown"), help="div2k: which reduction")
    parser.add_argument("--link", action="store_true", help="link files instead of copying them")
    options = parser.parse_args(words)
    source, target = options.source or options.root_src, options.target or options.root_dst
    if source is None or target is None or not source.is_dir():
        raise InputError(
            "prepare",
            expected="SRC, an existing folder, and DST",
            got=f"{source} and {target}",
            where="command line",
            next_step="as: prepare gopro GOPRO_Large GOPRO",
        )
    taken = {
        "gopro": ("names", "blur"),
        "lsui": ("test",),
        "div2k": ("scale", "track"),
    }.get(options.dataset, ())
    given = {
        name: getattr(options, name)
        for name in ("names", "blur", "test", "scale", "track")
        if getattr(options, name) is not None
    }
    for name in given:
        if name not in taken:
            raise InputError(
                f"--{name}",
                expected=", ".join(f"--{one}" for one in taken) or "no such option",
                got=f"--{name}",
                where=f"prepare {options.dataset}",
                next_step="leave it out",
            )
    plan = _LAYOUTS[options.dataset](source, **given)
    write(plan, source, target, is_linked=options.link)
    folders: dict[Path, int] = {}
    for new in plan:
        folders[new.parent] = folders.get(new.parent, 0) + 1
    if options.dataset == "gopro":
        print(f"blurred pictures: {options.blur or 'blur'}")
    for folder, count in sorted(folders.items()):
        print(f"{target / folder}: {count} pictures")
    return ExitCode.OK


def _checked(plan: Plan, faults: Sequence[str]) -> Plan:
    if faults:
        raise LayoutError(faults)
    return plan


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in READABLE)


def _named(root: Path, name: str) -> Path:
    """A folder by its name in any case."""
    return next((one for one in _folders(root) if one.name.lower() == name), root / name)


def _natural(name: str) -> list[tuple[int, str]]:
    """What puts 10.jpg behind 9.jpg."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _unpaired(
    first: dict[str, Path], second: dict[str, Path], where: Path, names: tuple[str, str]
) -> list[str]:
    return [f"{first[name]}: not in {names[1]}" for name in sorted(first.keys() - second)] + [
        f"{second[name]}: not in {names[0]} of {where.name}"
        for name in sorted(second.keys() - first)
    ]


def _mask_of(masks: Path, root: Path, blurred: Path) -> Path | None:
    """The mask of a blurred picture, whose name may end with _mask, _blur or nothing."""
    folder = masks / blurred.parent.relative_to(root)
    stem = blurred.name.removesuffix("_blur.png")
    names = (f"{stem}_mask.png", f"{stem}.png", f"{stem}_blur.png", f"{stem}_blur_mask.png")
    return next((folder / name for name in names if (folder / name).is_file()), None)


if __name__ == "__main__":
    sys.exit(main())
