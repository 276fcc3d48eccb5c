"""Seconds and memory of every model in every framework, and of two trees side by side.

    python benchmarks/models.py [MODEL ...]                 # measure, print, and keep the figures
    python benchmarks/models.py --markdown                  # write them into the pages
    python benchmarks/models.py --against TREE [MODEL ...]  # another checkout, old and new in turns
    python benchmarks/models.py --steps                     # training steps against bare loops

One thread, float32, published size; CPU seconds, best of several. The unit, measured in the same
run, is the CPU time of sixteen 3x3 convolutions 64 -> 64 on (1, 64, 256, 256) in plain PyTorch, so
that figures of different machines can be compared; `limit` is a model's multiply-adds over the
unit's. Each figure comes from a process of its own, and they take turns, so that a busy machine
slows all alike. What is measured stands in jobs.yaml, figures in figures.json and steps.json.

Exit codes: 0 all aims met (--against: within the noise), 1 one is missed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import speed_page
from jobs import JOBS
from rich.table import Table

from restoration import console
from restoration.errors import UnavailableError
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import Process, Worker

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
UNIT = "unit"
NOISE = {"forward_s": 1.03, "both_s": 1.03, "peak_mb": 1.05}
"""By how much a figure may be larger than that of another tree."""

STEP_PX = 64
Figures = dict[str, float]


def main() -> int:
    """Do what was asked; 1 if an aim is missed, or a model is slower or larger than it was."""
    return console.run("benchmarks/models.py", _main)


def _main() -> int:
    parser = console.Parser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all")
    parser.add_argument(
        "--frameworks",
        nargs="+",
        choices=FRAMEWORKS,
        default=tuple(FRAMEWORKS),
        help="of --against",
    )
    parser.add_argument("--rounds", type=int, help="processes per figure (default: 3, against 5)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", default=speed_page.FIGURES,
        help="where figures are kept; those of other models stay (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--markdown", action="store_true",
        help=f"measure nothing: write {', '.join(speed_page.PAGES)} from kept figures",
    )  # fmt: skip
    parser.add_argument(
        "--against", type=Path, metavar="TREE", help="another checkout, with jobs of the same names"
    )
    parser.add_argument(
        "--steps", action="store_true",
        help="training steps of MIMO-UNet against the bare loop of each framework, nothing else",
    )  # fmt: skip
    parser.add_argument(
        "--measure", nargs=2, metavar=("FRAMEWORK", "MODEL"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # of the processes to come, too, with all their threads
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if options.measure:
        print(json.dumps(measured(*options.measure)))
        return 0
    if options.steps:
        return measure_steps(options.frameworks)
    if options.markdown:
        speed_page.write(ROOT, options.json)
        return 0
    unknown = [model for model in options.models if model not in JOBS]
    if unknown:
        parser.error(f"no benchmark of {', '.join(unknown)}; there are {', '.join(JOBS)}")
    models = options.models or list(JOBS)
    if options.against:
        return compare(options.against.resolve(), models, options.frameworks, options.rounds or 5)
    kept = json.loads(options.json.read_text()) if options.json.exists() else {}
    for model in models:
        kept[model] = collect(model, options.rounds or 3)
        ordered = {name: kept[name] for name in JOBS if name in kept}
        options.json.write_text(json.dumps(ordered, indent=1) + "\n")
    return report({model: kept[model] for model in models})


def measure_steps(frameworks: Sequence[str]) -> int:
    """Measure, keep and print training steps; 1 if one takes too long beside the bare loop."""
    file = speed_page.STEPS
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    table = Table("MIMO-UNet", "framework", *speed_page.STEP_HEADINGS)
    missed = 0
    for spec in ("tiny", "published"):
        title = f"{spec}, {STEP_PX}x{STEP_PX}"
        found = kept.setdefault(title, {})
        found["measured"] = datetime.date.today().isoformat()
        for framework in frameworks:
            _say(f"steps of {title}, {framework}")
            worker = Worker(
                framework,
                FRAMEWORKS[framework].package,
                path=[str(HERE)],
                environment={"OMP_NUM_THREADS": "1"},
            )
            with Process(worker, warn=_say) as process:
                arguments = {"spec_name": spec, "side_px": STEP_PX}
                found[framework] = process.call("stepping:measure_steps", arguments)
            file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        for framework in frameworks:
            missed += not speed_page.is_step_met(framework, found)
            table.add_row(title, framework, *speed_page.step_cells(framework, found))
    _print(table)
    return 1 if missed else 0


def collect(model: str, rounds: int) -> dict[str, object]:
    """The best figures of a model in units, by framework, and when they were measured."""
    best: dict[str, Figures] = {}
    for number in range(rounds):
        for framework in (UNIT, *FRAMEWORKS):
            _say(f"{model}, {framework}, round {number + 1} of {rounds}")
            found = measured(framework, model)
            known = best.setdefault(framework, found)
            best[framework] = {key: min(known[key], found[key]) for key in found}
    unit_s = best.pop(UNIT)["forward_s"]
    figures: dict[str, object] = {
        "measured": datetime.date.today().isoformat(),
        "unit_s": round(unit_s, 4),
    }
    for framework, figure in best.items():
        figures[framework] = {
            key.removesuffix("_s"): round(value / unit_s, 4) if key.endswith("_s") else value
            for key, value in figure.items()
        }
    return figures


def report(figures: speed_page.Figures) -> int:
    """Print the table; 1 if an aim is missed."""
    table = Table(header_style="bold")
    for heading in ("model", "framework", *speed_page.HEADINGS, "aim"):
        table.add_column(heading, justify="left" if heading in ("model", "framework") else "right")
    missed = 0
    for model, by_framework in figures.items():
        for framework in FRAMEWORKS:
            is_met = speed_page.is_met(model, framework, by_framework)
            missed += not is_met
            cells = speed_page.cells(model, framework, by_framework)
            table.add_row(model, framework, *cells, "met" if is_met else "MISSED")
    _print(table)
    return 1 if missed else 0


def compare(other: Path, models: Sequence[str], frameworks: Sequence[str], rounds: int) -> int:
    """Measure another tree and this one in turns, print medians and ratios; 1 above the noise."""
    table = Table("model", "framework", "figure", "old", "new", "ratio", "", header_style="bold")
    worse = 0
    for model in models:
        for framework in frameworks:
            old, new = _in_turns(other, model, framework, rounds)
            for key in new[0]:
                before, after = (
                    statistics.median(found[key] for found in all_) for all_ in (old, new)
                )
                is_worse = after > before * NOISE[key]
                worse += is_worse
                allowed = f"{100 * (NOISE[key] - 1):.0f} %"
                table.add_row(
                    model, framework, key, f"{before:.3f}", f"{after:.3f}", f"{after / before:.3f}",
                    f"above {allowed}" if is_worse else f"within {allowed}",
                )  # fmt: skip
    _print(table)
    return 1 if worse else 0


def _in_turns(
    other: Path, model: str, framework: str, rounds: int
) -> tuple[list[Figures], list[Figures]]:
    """Figures of the other tree and of this one; who is first in a round is second in the next."""
    old: list[Figures] = []
    new: list[Figures] = []
    for number in range(rounds):
        turns = [(other, old), (ROOT, new)]
        for tree, figures in turns if number % 2 == 0 else turns[::-1]:
            _say(f"{model}, {framework}, {tree}, round {number + 1} of {rounds}")
            figures.append(_measured_in(tree, framework, model))
    return old, new


def measured(framework: str, model: str) -> Figures:
    """A model's figures in a framework, or the unit's, from a process of its own."""
    is_unit = framework == UNIT
    worker = Worker(
        framework,
        "" if is_unit else FRAMEWORKS[framework].package,
        path=[str(HERE)],
        environment={"OMP_NUM_THREADS": "1"},
    )
    with Process(worker, warn=_say) as process:
        if is_unit:  # in a process that no runtime has set up
            figures: Figures = process.call("measuring:measure_unit")
        else:
            figures = process.call("measuring:measure", {"job_name": model})
    return figures


def _measured_in(tree: Path, framework: str, model: str) -> Figures:
    """A model's figures by the code of a tree, which this program measures in every version."""
    finished = subprocess.run(
        [sys.executable, str(tree / "benchmarks" / "models.py"), "--measure", framework, model],
        stdout=subprocess.PIPE, text=True, check=False, cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
    )  # fmt: skip
    if finished.returncode:
        raise UnavailableError(
            f"{model} could not be measured in {framework} with the code of {tree}"
        )
    figures: Figures = json.loads(finished.stdout.splitlines()[-1])
    return figures


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _print(table: Table) -> None:
    console.results_console(140).print(table)


if __name__ == "__main__":
    sys.exit(main())
