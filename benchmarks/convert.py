"""Seconds and memory of `weights-convert` beside the frameworks' own way, on a checkpoint of 1 GB.

    python benchmarks/convert.py [--folder DIR] [--rounds N] [--json]

Each figure is taken in a process of its own, after its imports, and the ways take turns, so that a
busy machine slows all alike. `extra MB` is the largest resident size beyond that before the work.
The other way of a format reads with its framework and writes with safetensors' `save_file`, without
the proof that `weights-convert` gives: checksums checked, output read back and compared, manifest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from restoration import console
from restoration.process import memory

TENSORS, SHAPE = 110, (512, 512, 3, 3)
TENSOR_MB = 512 * 512 * 9 * 4 / 2**20


@dataclass(frozen=True)
class Goal:
    """A format, the share of the other way's time that we may take, and the memory beyond it."""

    source: str
    other: str
    at_most: float
    extra_mb: float


GOALS = (
    Goal("x.pth", "torch.load + save_file", 0.5, TENSOR_MB + 64),
    Goal("x.ckpt", "load_checkpoint + save_file", 0.2, TENSOR_MB + 64),
)


@dataclass(frozen=True)
class Result:
    """Medians over the rounds. ratio, cpu_ratio: of our seconds, and CPU seconds, to theirs."""

    source: str
    other: str
    ours_s: float
    theirs_s: float
    ratio: float
    cpu_ratio: float
    at_most: float
    ours_extra_mb: float
    theirs_extra_mb: float
    at_most_extra_mb: float

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.at_most and self.ours_extra_mb <= self.at_most_extra_mb


def main() -> int:
    """Measure, print, and return 1 if a goal is missed."""
    return console.run("benchmarks/convert.py", _main)


def _main() -> int:
    parser = console.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the files go (default: temporary)")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--job", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        name, file = options.job
        _JOBS[name](Path(file))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results = [_measure(goal, Path(folder), options.rounds) for goal in GOALS]
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    else:
        _show(results)
    return 0 if all(result.is_met for result in results) else 1


def _measure(goal: Goal, folder: Path, rounds: int) -> Result:
    source = folder / goal.source
    kind = source.suffix.removeprefix(".")
    _run(f"make {kind}", source)
    ours, theirs = [], []
    for number in range(rounds):
        print(f"{goal.source}: round {number + 1} of {rounds}", file=sys.stderr)
        theirs.append(_run(f"theirs {kind}", source))
        ours.append(_run("ours", source))
    source.chmod(0o600)
    source.unlink()
    ours_s, ours_mb, ours_cpu = (statistics.median(column) for column in zip(*ours, strict=True))
    theirs_s, theirs_mb, theirs_cpu = (
        statistics.median(column) for column in zip(*theirs, strict=True)
    )
    return Result(
        source=goal.source,
        other=goal.other,
        ours_s=ours_s,
        theirs_s=theirs_s,
        ratio=ours_s / theirs_s,
        cpu_ratio=ours_cpu / theirs_cpu,
        at_most=goal.at_most,
        ours_extra_mb=ours_mb,
        theirs_extra_mb=theirs_mb,
        at_most_extra_mb=goal.extra_mb,
    )


def _run(job: str, source: Path) -> tuple[float, float, float]:
    """Seconds, extra MB and CPU seconds of a job in a process of its own."""
    os.sync()  # what earlier jobs have written is not to be waited for now
    finished = subprocess.run(
        [sys.executable, __file__, "--job", job, str(source)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        cwd=source.parent,
    )
    seconds, extra_mb, cpu_s = json.loads(finished.stdout.splitlines()[-1])
    return seconds, extra_mb, cpu_s


def _clocked(work: Callable[[Path, Path], None], source: Path) -> None:
    target = source.with_name("out.safetensors")
    memory.reset_peak()
    before, started, cpu = memory.peak_mb(), time.perf_counter(), time.process_time()
    work(source, target)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps([seconds, memory.peak_mb() - before, cpu_s]))
    target.unlink(missing_ok=True)


def _ours(source: Path) -> None:
    from weights_convert import convert

    _clocked(lambda source, target: convert(source, target) and None, source)


def _theirs_pth(source: Path) -> None:
    import torch
    from safetensors.torch import save_file

    _clocked(lambda source, target: save_file(torch.load(source)["model"], target), source)


def _theirs_ckpt(source: Path) -> None:
    import mindspore
    from safetensors.numpy import save_file

    def work(source: Path, target: Path) -> None:
        state = mindspore.load_checkpoint(str(source))
        save_file({name: value.asnumpy() for name, value in state.items()}, target)

    _clocked(work, source)


def _make_pth(source: Path) -> None:
    import torch

    weights = {f"layer{number}.weight": torch.randn(SHAPE) for number in range(TENSORS)}
    torch.save({"model": weights}, source)
    print("[0, 0, 0]")


def _make_ckpt(source: Path) -> None:
    import mindspore
    import numpy as np

    random = np.random.default_rng(0)
    weights = [
        {
            "name": f"layer{number}.weight",
            "data": mindspore.Tensor(random.standard_normal(SHAPE, np.float32)),
        }
        for number in range(TENSORS)
    ]
    mindspore.save_checkpoint(weights, str(source))
    print("[0, 0, 0]")


_JOBS: dict[str, Callable[[Path], None]] = {
    "ours": _ours,
    "theirs pth": _theirs_pth,
    "theirs ckpt": _theirs_ckpt,
    "make pth": _make_pth,
    "make ckpt": _make_ckpt,
}


def _show(results: list[Result]) -> None:
    table = Table(title="to safetensors, 1.04 GB in 110 tensors")
    for column in (
        "from",
        "the other way",
        "s",
        "extra MB",
        "ours s",
        "extra MB",
        "ratio",
        "CPU",
        "goal",
    ):
        table.add_column(
            column, justify="right" if column not in ("from", "the other way") else "left"
        )
    for one in results:
        table.add_row(
            one.source,
            one.other,
            f"{one.theirs_s:.2f}",
            f"{one.theirs_extra_mb:.0f}",
            f"{one.ours_s:.2f}",
            f"{one.ours_extra_mb:.0f} (at most {one.at_most_extra_mb:.0f})",
            f"{one.ratio:.2f}",
            f"{one.cpu_ratio:.2f}",
            f"{one.at_most:.2f} {'met' if one.is_met else 'MISSED'}",
        )
    console.Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
