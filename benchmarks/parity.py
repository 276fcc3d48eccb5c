"""Seconds and memory of `parity compare` and `parity run`, and whether they meet their aims.

    python benchmarks/parity.py                       # everything
    python benchmarks/parity.py compare --side 128    # MIMO-UNet as published, and its tiny spec
    python benchmarks/parity.py run                   # all models, tiny, in all frameworks

A comparison is measured first with an empty cache, and again after the port was edited, when truth
and noise come from the cache. It is told in times of a plain forward and backward pass of the same
network, by CPU seconds, which other work on the machine changes little; wall seconds stand beside
them. An aim in wall seconds counts where the machine is idle; where more is at work than it has
cores, CPU seconds over the cores stand for it, and the line says so.

Exit codes: 0 all aims met, 1 one is missed, 2 something could not be run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from restoration import console
from restoration.errors import ExitCode, UnavailableError
from restoration.process.frameworks import FRAMEWORKS, REFERENCE
from restoration.process.launch import Process, Worker

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FIRST_AIM, AGAIN_AIM, MEMORY_AIM = 25.0, 4.0, 2.0
"""In times of the reference's, and of the port's, forward and backward pass; of its memory."""
TINY_AIM_S, RUN_AIM_S = 10.0, 240.0
_POLL_S = 0.2
_NETWORK = """
from restoration.models.registry import MODELS
from {package}.mimo_unet import MIMOUNet
def build(spec):
    return MIMOUNet(MODELS["mimo_unet"].spec(spec))
"""


@dataclass
class Cost:
    """What a command took. peak_mb: of the processes of each framework's package."""

    wall_s: float
    cpu_s: float
    peak_mb: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """A figure and its aim."""

    what: str
    figure: float
    aim: float
    unit: str
    beside: str = ""

    @property
    def is_met(self) -> bool:
        return self.figure <= self.aim


def main() -> int:
    return console.run("benchmarks/parity.py", _main)


def _main() -> int:
    parser = console.Parser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", metavar="compare|run", help="default: both")
    parser.add_argument("--side", type=int, default=256, metavar="PX", help="default: 256")
    parser.add_argument("--ports", nargs="+", choices=FRAMEWORKS, default=_ports())
    options = parser.parse_args()
    if unknown := set(options.what) - {"compare", "run"}:
        parser.error(f"nothing is called {', '.join(sorted(unknown))}: compare or run")
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="parity-benchmark-") as scratch:
        folder = Path(scratch)
        if "compare" in options.what or not options.what:
            for port in options.ports:
                lines += compared(port, options.side, folder)
        if "run" in options.what or not options.what:
            lines += ran(folder)
    _print(lines)
    return ExitCode.OK if all(line.is_met for line in lines) else ExitCode.DIFFERENT


def _ports() -> list[str]:
    return [name for name in FRAMEWORKS if name != REFERENCE]


def compared(port: str, side_px: int, folder: Path) -> Iterator[Line]:
    """A port of MIMO-UNet against PyTorch's: as published, and its tiny spec."""
    plain = {name: _plain(name, side_px) for name in (REFERENCE, port)}
    first, again = _twice(port, "published", side_px, folder)
    title = f"mimo_unet {side_px}x{side_px}, {port}"
    for what, cost, name, aim in (
        ("first", first, REFERENCE, FIRST_AIM),
        ("after an edit", again, port, AGAIN_AIM),
    ):
        yield Line(
            f"{title}: {what}",
            cost.cpu_s / plain[name]["cpu_s"],
            aim,
            f"x {name}'s forward and backward, CPU",
            f"{cost.cpu_s:.1f} s CPU, {cost.wall_s:.1f} s; "
            f"{cost.wall_s / plain[name]['wall_s']:.1f} by wall seconds",
        )
    for name, figures in plain.items():
        peak = max(cost.peak_mb.get(FRAMEWORKS[name].package, 0) for cost in (first, again))
        yield Line(
            f"{title}: memory of {name}",
            peak / figures["peak_mb"],
            MEMORY_AIM,
            "x plain",
            f"{peak} MB, plain {figures['peak_mb']:.0f} MB",
        )
    _, again = _twice(port, "tiny", None, folder)
    yield _in_seconds(f"mimo_unet tiny, {port}: after an edit", again, TINY_AIM_S)


def ran(folder: Path) -> Iterator[Line]:
    """`parity run` of all models, with an empty cache and again."""
    words = ["run", "--quiet", "--cache", str(folder / "run-cache"), "--runs", str(folder / "runs")]
    first = _parity(words, folder)
    yield _in_seconds("run of all models: again", _parity(words, folder), RUN_AIM_S, first)


def _in_seconds(what: str, cost: Cost, aim: float, first: Cost | None = None) -> Line:
    """A line in wall seconds; of a machine that does more than it has cores, in what they would
    be."""
    cores = os.cpu_count() or 1
    others, *_ = os.getloadavg()
    beside = f"{cost.cpu_s:.1f} s CPU, {cost.wall_s:.1f} s"
    if first:
        beside += f"; first {first.cpu_s:.1f} s CPU, {first.wall_s:.1f} s"
    if others > 2 * cores:
        return Line(what, cost.cpu_s / cores, aim, f"s CPU / {cores} (machine is loaded)", beside)
    return Line(what, cost.wall_s, aim, "s", beside)


def _plain(framework: str, side_px: int) -> dict[str, float]:
    """A forward and backward pass, in a process of its own."""
    print(f"{framework}: forward and backward", file=sys.stderr)
    worker = Worker(framework, FRAMEWORKS[framework].package, path=[str(HERE)])
    with Process(worker) as process:
        found: dict[str, float] = process.call(
            "measuring:measure_plain", {"spec_name": "published", "side_px": side_px}
        )
    return found


def _twice(port: str, spec: str, side_px: int | None, folder: Path) -> tuple[Cost, Cost]:
    """A comparison with an empty cache, and again after an edit of the port."""
    place = folder / f"{port}-{spec}"
    place.mkdir()
    for name, framework in (("reference", REFERENCE), ("port", port)):
        text = _NETWORK.format(package=FRAMEWORKS[framework].package)
        (place / f"{name}.py").write_text(text)
    words = ["compare", f"{REFERENCE}:reference.py:build", f"{port}:port.py:build", "--quiet"]
    for name in ("reference", "port"):
        words += [f"--{name}-args", f'{{"spec": "{spec}"}}']
    words += ["--cache", str(place / "cache")]
    if side_px is not None:
        words += ["--input", f"image=1x3x{side_px}x{side_px}"]
    first = _parity(words, place)
    with (place / "port.py").open("a") as file:
        file.write("# edited\n")
    return first, _parity(words, place)


def _parity(words: Sequence[str], folder: Path) -> Cost:
    """Run the command, and say what it took.

    Raises:
        UnavailableError: it did not agree.
    """
    print(f"parity {' '.join(words[:3])}", file=sys.stderr)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    before, started = _children_s(), time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "parity", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        peaks: dict[str, int] = {}
        watching = threading.Thread(target=_watch, args=(process, peaks), daemon=True)
        watching.start()
        assert process.stdout
        said = process.stdout.read()
    cost = Cost(time.monotonic() - started, _children_s() - before, peaks)
    if process.returncode:
        raise UnavailableError(f"parity {' '.join(words)}: code {process.returncode}: {said}")
    return cost


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _watch(process: subprocess.Popen[Any], peaks: dict[str, int]) -> None:
    """Look at the memory of a program's processes, by the package that each serves."""
    while process.poll() is None:
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError, ValueError):  # it has ended
                status = (folder / "status").read_text()
                if int(status.partition("PPid:")[2].split()[0]) != process.pid:
                    continue
                words = (folder / "cmdline").read_bytes().decode().split("\0")
                peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
                package = words[words.index("restoration.process.serve") + 1]
                peaks[package] = max(peaks.get(package, 0), peak)
        time.sleep(_POLL_S)


def _print(lines: Sequence[Line]) -> None:
    table = Table(header_style="bold")
    for heading in ("what", "figure", "at most", "unit", "", "aim"):
        table.add_column(heading)
    for line in lines:
        met = "met" if line.is_met else "missed"
        table.add_row(line.what, f"{line.figure:.2f}", f"{line.aim:g}", line.unit, line.beside, met)
    shown = console.results_console(180)
    shown.print(table)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    shown.print(f"{os.cpu_count()} cores; load of the machine (1, 5, 15 minutes): {load}")


if __name__ == "__main__":
    sys.exit(main())
