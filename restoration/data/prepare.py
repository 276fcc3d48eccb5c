"""`python -m restoration.data.prepare DATASET SRC DST`: a published data set as recipes name it.

DST appears by one rename when it is complete. Until then the files are in DST.partial, each of them
whole: the same command goes on with what is there.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from restoration import console
from restoration.data.layouts import LAYOUTS, Arrangement, Options
from restoration.errors import ExitCode, InputError

_SHOWN_FAULTS = 20
_PLAN = ".plan"
_PROGRAM = "python -m restoration.data.prepare"


class LayoutError(InputError):
    """All that is not as published, a line each."""

    def __init__(self, name: str, source: Path, arrangement: Arrangement):
        count = len(arrangement.faults)
        super().__init__(
            f"data set {name}",
            expected=_expected(name),
            got="one fault" if count == 1 else f"{count} faults",
            where=str(source),
            next_step="give the folder that its archives were unpacked in, see docs/training.md",
        )
        self._lines = [f"  {path}: {text}" for path, text in arrangement.faults[:_SHOWN_FAULTS]]
        if count > _SHOWN_FAULTS:
            self._lines.append(f"  and {count - _SHOWN_FAULTS} more")

    def lines(self) -> list[str]:
        return self._lines


def main(words: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    return console.run(
        "prepare", lambda: _run(words), interrupted="interrupted; run it again to go on"
    )


def prepare(
    name: str, source: Path, target: Path, options: Options, *, is_linked: bool = False
) -> int:
    """Arrange a data set; how many files it has now.

    is_linked: files are symbolic links instead of copies.

    Raises:
        InputError: the layout is not the published one, or there is something else at the target.
    """
    arrangement = LAYOUTS[name](source, options)
    if arrangement.faults or not arrangement.files:
        raise LayoutError(name, source, arrangement)
    plan = _digest(arrangement.files)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        if (target / _PLAN).is_file() and (target / _PLAN).read_text("utf-8") == plan:
            return len(arrangement.files)
        raise _occupied(target, "something else")
    partial = target.with_name(f"{target.name}.partial")
    if partial.exists():
        if not (partial / _PLAN).is_file() or (partial / _PLAN).read_text("utf-8") != plan:
            raise _occupied(partial, "what another command began")
    else:
        partial.mkdir(parents=True)
        (partial / _PLAN).write_text(plan, "utf-8")
    for done, (path, file) in enumerate(sorted(arrangement.files.items()), start=1):
        _place(file, partial / path, is_linked=is_linked)
        if done % 1000 == 0:
            print(f"{done} of {len(arrangement.files)} files", file=sys.stderr)
    partial.replace(target)
    return len(arrangement.files)


def _run(words: Sequence[str] | None) -> int:
    parser = console.Parser(
        prog=_PROGRAM, description="Arrange a published data set as the recipes name it."
    )
    parser.add_argument("dataset", choices=sorted(LAYOUTS))
    parser.add_argument("source", nargs="?", type=Path, metavar="SRC", help="as it was unpacked")
    parser.add_argument("target", nargs="?", type=Path, metavar="DST", help="a new folder")
    # As MIMO-UNet's own preparation has it.
    parser.add_argument("--root_src", type=Path, metavar="SRC", help="the same as SRC")
    parser.add_argument("--root_dst", type=Path, metavar="DST", help="the same as DST")
    parser.add_argument(
        "--names", choices=("numbered", "sequence"), help="gopro: 1.png, or SEQUENCE_000001.png"
    )
    parser.add_argument(
        "--blur", choices=("blur", "blur_gamma"), help="gopro: of which blur; blur unless given"
    )
    parser.add_argument(
        "--test-pictures", type=_count, metavar="N", help="lsui without splits: 400 unless given"
    )
    parser.add_argument("--link", action="store_true", help="symbolic links instead of copies")
    given = parser.parse_args(words)
    source, target = (_folder(parser, given, name) for name in ("src", "dst"))
    _check_options(parser, given)
    plain = Options()
    options = Options(
        names=given.names or plain.names,
        blur=given.blur or plain.blur,
        test_pictures=given.test_pictures or plain.test_pictures,
    )
    count = prepare(given.dataset, source, target, options, is_linked=given.link)
    blur = f", blurred pictures from {options.blur}" if given.dataset == "gopro" else ""
    print(f"{target}: {count} files{blur}")
    return ExitCode.OK


def _folder(parser: console.Parser, given: argparse.Namespace, name: str) -> Path:
    plain: Path | None = {"src": given.source, "dst": given.target}[name]
    named: Path | None = getattr(given, f"root_{name}")
    if (plain is None) == (named is None):
        parser.error(f"expected {name.upper()} once, as DATASET SRC DST or --root_{name}")
    found = plain or named
    assert found is not None
    return found


def _check_options(parser: console.Parser, given: argparse.Namespace) -> None:
    for name, dataset in (("names", "gopro"), ("blur", "gopro"), ("test_pictures", "lsui")):
        if getattr(given, name) is not None and given.dataset != dataset:
            parser.error(f"--{name.replace('_', '-')} is for {dataset} only, leave it out")


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return count


def _place(file: Path, target: Path, *, is_linked: bool) -> None:
    """Put a file in its place by one rename, unless it is there."""
    if target.is_file() and target.stat().st_size == file.stat().st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    beside.unlink(missing_ok=True)
    try:
        if is_linked:
            beside.symlink_to(file.resolve())
        else:
            shutil.copyfile(file, beside)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _digest(files: Mapping[str, Path]) -> str:
    rows = sorted(f"{target}\t{file.resolve()}" for target, file in files.items())
    return hashlib.blake2b(
        "\n".join(rows).encode(errors="surrogateescape"), digest_size=16
    ).hexdigest()


def _expected(name: str) -> str:
    """The first paragraph of a layout's docstring, which shows it."""
    text = (LAYOUTS[name].__doc__ or "").split("\n\n")[0]
    return " ".join(text.split()).rstrip(".")


def _occupied(folder: Path, got: str) -> InputError:
    return InputError(
        "prepared data set",
        expected="a new folder",
        got=got,
        where=str(folder),
        next_step="remove it, or give another DST",
    )


if __name__ == "__main__":
    sys.exit(main())
