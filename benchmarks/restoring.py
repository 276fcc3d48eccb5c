"""Restoring beside onnxruntime, and the memory of a large photograph.

    python benchmarks/restoring.py [MODEL ...]     # each framework's time over onnxruntime's
    python benchmarks/restoring.py --photograph    # peak memory of 12 megapixels, MIMO-UNet
    python benchmarks/restoring.py --scales        # LM-LTE at many scales, features kept or not
    python benchmarks/restoring.py --markdown      # write docs/restoring.md from the kept figures

Networks of published size with first weights, float32, on the inputs of jobs.yaml, on one thread
and on two: as `restore` runs them, in PyTorch also as `restore --compile` does. Beside it in the
same process, in turns, onnxruntime runs what `python -m torch_impl.export --to onnx` writes, so
that a busy machine slows both alike. The figure is the ratio of the least seconds, CPU seconds on
one thread, the median of some processes. A network that cannot be exported is listed with the
reason.

Exit codes: 0 all aims met, 1 one is missed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import speed_page
from jobs import JOBS
from models import HERE, ROOT
from rich.table import Table

from restoration import console
from restoration.errors import RestorationError
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import Process, Worker

COMPILED = "torch --compile"
WAYS = speed_page.RESTORING_WAYS
AIMS = {"torch": 1.08, COMPILED: 1.03}
THREADS = (1, 2)
PHOTOGRAPH_MB = {"torch": 1500, "jittor": 1500, "mindspore": 2000}
SCALES = [4.0, 5.0, 6.5, 8.0]
LEFT_OUT = ("lmd_vit-low", "lmd_vit-90%", "lmd_vit-50%", "lmd_vit-0%")  # lmd_vit once more

Figures = dict[str, Any]


def main() -> int:
    """Do what was asked; 1 if an aim is missed."""
    return console.run("benchmarks/restoring.py", _main)


def _main() -> int:
    parser = console.Parser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [name for name in JOBS if name not in LEFT_OUT]
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all of jobs.yaml")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--threads", type=int, nargs="+", choices=THREADS, default=THREADS)
    parser.add_argument("--rounds", type=int, default=3, help="processes per figure (default: 3)")
    parser.add_argument("--photograph", action="store_true")
    parser.add_argument("--scales", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", default=speed_page.RESTORING)
    options = parser.parse_args()
    unknown = [model for model in options.models if model not in names]
    if unknown:
        parser.error(f"no benchmark of {', '.join(unknown)}; there are {', '.join(names)}")
    if options.markdown:
        speed_page.write(ROOT, speed_page.FIGURES)
        return 0
    kept: Figures = json.loads(options.json.read_text()) if options.json.exists() else {}
    if options.photograph:
        ways = [way for way in options.ways if way in PHOTOGRAPH_MB]
        kept.setdefault("photograph", {}).update(measure_photograph(ways))
        _keep(options.json, kept)
        return report_photograph(kept["photograph"])
    if options.scales:
        kept["scales"] = _call("torch", 1, "restoring_ways:render_scales", {"scales": SCALES})
        _keep(options.json, kept)
        print(speed_page.scales_table(kept["scales"]), end="")
        return 0
    for model in options.models or names:
        found = collect(model, options.ways, options.threads, options.rounds)
        models = kept.setdefault("models", {})
        models[model] = merged(models.get(model, {}), found)
        _keep(options.json, kept)
    return report({model: kept["models"][model] for model in options.models or names})


def collect(model: str, ways: Sequence[str], threads: Sequence[int], rounds: int) -> Figures:
    """The ratio of each way by threads, the median of rounds, and when they were measured."""
    found: Figures = {"measured": datetime.date.today().isoformat()}
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / f"{model}.onnx")
        try:
            _call("torch", 1, "restoring_ways:export", {"job_name": model, "path": file})
        except RestorationError as problem:
            return found | {"problem": str(problem)}
        for count in threads:
            for way in ways:
                arguments = {
                    "job_name": model, "path": file, "threads": count,
                    "is_compiled": way == COMPILED,
                }  # fmt: skip
                ratios = []
                for number in range(rounds):
                    _say(f"{model}, {way}, {count} threads, round {number + 1} of {rounds}")
                    try:
                        one = _call(way.split()[0], count, "restoring_ways:run", arguments)
                    except RestorationError as problem:
                        found.setdefault("problems", {})[way] = str(problem)
                        break
                    ratios.append(one["own_s"] / one["onnxruntime_s"])
                if ratios:
                    ratio = round(statistics.median(ratios), 3)
                    found.setdefault(way, {})[str(count)] = ratio
    return found


def merged(before: Figures, found: Figures) -> Figures:
    """Figures of before where there are no new ones of the same way and threads."""
    ways = {way: before.get(way, {}) | found.get(way, {}) for way in WAYS}
    problems = {
        way: text for way, text in before.get("problems", {}).items() if way not in found
    } | found.get("problems", {})
    rest = {name: value for name, value in found.items() if name not in WAYS}
    rest |= {"problems": problems} if problems else {}
    return rest | {way: by_threads for way, by_threads in ways.items() if by_threads}


def report(figures: Figures) -> int:
    """Print the table; 1 if an aim is missed."""
    table = Table("model", "threads", *WAYS, "aim")
    missed = 0
    for model, found in figures.items():
        if "problem" in found:
            table.add_row(model, "", "", "", "", "", found["problem"])
            continue
        for threads in map(str, THREADS):
            ratios = {way: found[way][threads] for way in WAYS if threads in found.get(way, {})}
            late = [way for way, aim in AIMS.items() if ratios.get(way, 0) > aim]
            missed += len(late)
            if ratios:
                cells = [f"{ratios[way]:.2f}" if way in ratios else "" for way in WAYS]
                verdict = f"MISSED by {', '.join(late)}" if late else "met"
                table.add_row(model, threads, *cells, verdict)
        for way, problem in found.get("problems", {}).items():
            table.add_row(model, "", *("" for _ in WAYS), f"{way}: {problem}")
    console.results_console(140).print(table)
    return 1 if missed else 0


def measure_photograph(frameworks: Sequence[str]) -> dict[str, dict[str, float]]:
    """Peak memory of the process that restores a photograph of 4000x3000."""
    found = {}
    for framework in frameworks:
        _say(f"4000x3000, {framework}")
        found[framework] = _call(framework, None, "restoring_ways:restore_photograph", {})
    return found


def report_photograph(figures: dict[str, dict[str, float]]) -> int:
    """Print the table; 1 if a framework takes more than it may."""
    table = Table("4000x3000, MIMO-UNet", "peak MB", "at most", "tiles")
    missed = 0
    for framework, found in figures.items():
        missed += found["peak_mb"] > PHOTOGRAPH_MB[framework]
        table.add_row(
            framework, f"{found['peak_mb']:.0f}", str(PHOTOGRAPH_MB[framework]),
            f"{found['tile_px']:.0f} px",
        )  # fmt: skip
    console.results_console(120).print(table)
    return 1 if missed else 0


def _call(framework: str, threads: int | None, function: str, arguments: dict[str, Any]) -> Any:
    """What a function gives in a process of a framework, with so many threads if said."""
    package = FRAMEWORKS[framework].package
    environment = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    worker = Worker(framework, package, path=[str(HERE)], environment=environment)
    with Process(worker, warn=_say) as process:
        return process.call(function, arguments)


def _keep(file: Path, figures: Figures) -> None:
    file.write_text(json.dumps(figures, indent=1) + "\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
