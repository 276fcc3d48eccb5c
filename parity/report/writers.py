"""`--report KIND=FILE`: a saved result written as a page, JUnit, JSON or Markdown."""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from parity.report import junit, markdown, page
from parity.report.saved import Saved
from restoration.errors import UnavailableError, writing_to

Report = tuple[str, Path]
"""A kind of report, and where it is to be written."""


def _write_json(saved: Saved, path: Path) -> None:
    path.write_text(json.dumps(saved.to_json(), allow_nan=False, indent=1) + "\n", "utf-8")


def _write_markdown(saved: Saved, path: Path) -> None:
    path.write_text(markdown.summary(saved), "utf-8")


WRITERS: Mapping[str, Callable[[Saved, Path], None]] = {
    "html": page.write,
    "junit": junit.write,
    "json": _write_json,
    "markdown": _write_markdown,
}


def add_option(command: argparse.ArgumentParser) -> None:
    """Give a command `--report`."""
    command.add_argument(
        "--report",
        type=parse,
        action="append",
        default=[],
        metavar="KIND=FILE",
        help=f"write the result as {', '.join(WRITERS)}; may be given several times",
    )


def parse(text: str) -> Report:
    """A kind and a file.

    Raises:
        argparse.ArgumentTypeError: the text is none.
    """
    kind, separator, file = text.partition("=")
    if kind not in WRITERS or not separator or not file:
        raise argparse.ArgumentTypeError(
            f"expected KIND=FILE with a kind of {', '.join(WRITERS)}, got {text!r}"
        )
    return kind, Path(file)


def check(reports: Sequence[Report]) -> None:
    """Say before the work what would fail after it.

    Raises:
        UnavailableError: a page is asked for, and what makes it is not installed.
    """
    if any(kind == "html" for kind, _ in reports) and not importlib.util.find_spec("jinja2"):
        raise UnavailableError(
            "--report html: expected the package jinja2, got none; "
            "pip install 'restoration-suite[report]' brings it"
        )


def write(saved: Saved, reports: Sequence[Report]) -> None:
    """Write all reports.

    Raises:
        InputError: a file cannot be written.
    """
    check(reports)
    for kind, path in reports:
        with writing_to(
            path,
            f"--report {kind}",
            expected="a file that can be written",
            next_step=f"write it elsewhere: parity report {saved.name} --report {kind}=FILE",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            WRITERS[kind](saved, path)
