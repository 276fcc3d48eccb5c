"""`python -m restoration.training.curves RUN... [--output FILE]`: curves of runs over each other.

A RUN is the folder of a run or its log.jsonl; the file's suffix says the kind, .svg or .png.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restoration import console
from restoration.errors import ExitCode, InputError, UnavailableError
from restoration.training.loggers import LOG, read_log

_KINDS = (".svg", ".png")


def main(words: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    return console.run("curves", lambda: _run(words))


def _run(words: Sequence[str] | None) -> int:
    parser = console.Parser(
        prog="python -m restoration.training.curves",
        description="Draw loss, PSNR and rate of training runs over each other.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs")
    parser.add_argument("--output", "-o", type=Path, default=Path("curves.svg"), metavar="FILE")
    options = parser.parse_args(words)
    if options.output.suffix not in _KINDS:
        raise InputError(
            "picture of curves",
            expected=" or ".join(_KINDS),
            got=repr(options.output.suffix),
            where="--output",
            next_step="as curves.svg",
        )
    draw({_title(run, options.runs): _rows(run) for run in options.runs}, options.output)
    print(options.output)
    return ExitCode.OK


def draw(runs: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw the rows of logs by title: loss and rate by step, PSNR of validations."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as problem:
        raise UnavailableError(
            "curves: expected the package matplotlib, got none; "
            "pip install 'restoration-suite[curves]' brings it"
        ) from problem
    figure = Figure(figsize=(8, 9), layout="constrained")
    loss, psnr, rate = figure.subplots(3, 1, sharex=True)
    for title, rows in runs.items():
        steps = [row for row in rows if "loss" in row]
        scores = [row for row in rows if "psnr_db" in row]
        protocol = f" ({scores[-1]['protocol']})" if scores else ""
        places = [row["step"] for row in steps]
        loss.plot(places, [row["loss"] for row in steps], label=title, linewidth=1)
        rate.plot(places, [row["rate"] for row in steps], label=title, linewidth=1)
        psnr.plot(
            [row["step"] for row in scores],
            [row["psnr_db"] for row in scores],
            label=title + protocol,
            marker=".",
        )
    for axes, name in ((loss, "loss"), (psnr, "PSNR in dB"), (rate, "learning rate")):
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    if all(row["loss"] > 0 for rows in runs.values() for row in rows if "loss" in row):
        loss.set_yscale("log")
    rate.set_xlabel("step")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _rows(run: Path) -> list[dict[str, Any]]:
    path = run / LOG if run.is_dir() else run
    if not path.is_file():
        raise InputError(
            "run",
            expected=f"a folder with {LOG}",
            got="none" if not run.exists() else "another",
            where=str(run),
            next_step="name the --output of a training run",
        )
    rows = read_log(path)
    if not rows:
        raise InputError(
            "run",
            expected="steps in its log",
            got="none",
            where=str(path),
            next_step="train it for as many steps as log_every says",
        )
    return rows


def _title(run: Path, runs: Sequence[Path]) -> str:
    """The last part of a path that tells runs apart."""
    is_unique = sum(run.name == other.name for other in runs) == 1
    return run.name if is_unique else str(run)


if __name__ == "__main__":
    sys.exit(main())
