"""What the command's options may be; whatever is wrong about them is bad input."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Collection
from pathlib import Path

from parity.measure.kept import Kept
from restoration.errors import suggest

_MOST_SEEDS = 10_000


def names(known: Collection[str], kind: str) -> Callable[[str], tuple[str, ...]]:
    """An argument type: names separated by commas, all of them known."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {kind} {name!r}; {suggest(name, known)}")
        return names

    return parse


def count(*, least: int) -> Callable[[str], int]:
    """An argument type: a whole number from `least`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d+", text, re.ASCII) or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least}, got {text!r}")
        return int(text)

    return parse


def seeds(text: str) -> tuple[int, ...]:
    """Seeds and ranges of seeds, each once: "1-3,7,2" -> (1, 2, 3, 7)."""
    found: dict[int, None] = {}
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part, re.ASCII)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if first > last:
            raise argparse.ArgumentTypeError(
                f"expected seeds and ranges from the lower to the higher, such as 1-20,26, got "
                f"{part!r}"
            )
        if last - first + len(found) >= _MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"expected at most {_MOST_SEEDS} seeds, got {text!r}")
        found |= dict.fromkeys(range(first, last + 1))
    return tuple(found)


def seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return seconds


def size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text.lower(), re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(
            f"expected HEIGHTxWIDTH in pixels, such as 96x128, got {text!r}"
        )
    return int(found[1]), int(found[2])


def assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def add_kept(command: argparse.ArgumentParser) -> None:
    """The options that say where what a reference gave is kept; `kept` reads them."""
    choice = command.add_mutually_exclusive_group()
    choice.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where what the reference gave is kept from run to run "
        "(default: parity in the suite's cache folder)",
    )
    choice.add_argument(
        "--no-cache", action="store_true", help="measure the reference anew, and keep nothing"
    )


def kept(options: argparse.Namespace) -> Kept | None:
    """Where to keep what the reference gives, if anywhere."""
    return None if options.no_cache else Kept(options.cache)
