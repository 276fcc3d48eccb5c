"""Whether data keep up with training: seconds of a batch beside seconds of a step, in PyTorch.

    python benchmarks/loader.py [RECIPE ...] [--steps N]     # default: all demo recipes

batch: making one in one process. step: training on one that is there. waited: for batches that
the recipe's worker processes prepare, as a share of the steps that they are for. All in wall time,
the shortest of some, and of waiting the median: the machine should be idle.

Exit codes: 0 no step waits for more than a tenth of its time, 1 one does.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.table import Table

from restoration import console
from restoration.data.loader import make_batch
from restoration.data.tasks import open_task
from restoration.errors import ExitCode
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import Process, Worker
from restoration.process.serve import Session
from restoration.training import recipe as recipes
from restoration.training import session as parts

HERE = Path(__file__).resolve().parent
MOST = 0.1
"""The share of a step's time that it may wait."""

_WARM_UP = 3


def main() -> int:
    """Measure; 1 if a step waits too long."""
    return console.run("benchmarks/loader.py", _main)


def measure(session: Session, *, name: str, steps: int) -> dict[str, float]:
    """Seconds of a batch and of a step, and how long a step waits, of a recipe."""
    recipe = recipes.read(name)
    _, trainer = parts.make_trainer(session.make_engine(), recipe, None)
    task = open_task(recipe.the_model(), recipe.the_spec(), recipe.data, seed=recipe.seed)
    with parts.make_loader(recipe, workers=0) as loader:
        plan = loader.plan
    made = [_timed(functools.partial(make_batch, task, plan, step)) for step in range(steps)]
    batch = make_batch(task, plan, 0)
    taken = [_timed(lambda: trainer.step(batch.parts)) for _ in range(steps)]
    waited = []
    with parts.make_loader(recipe, workers=recipe.workers) as loader:
        batches = loader.batches(0)
        for _ in range(steps):
            waited.append(_timed(lambda: next(batches)))
            trainer.step(batch.parts)
    return {
        "batch_s": min(made[_WARM_UP:]),
        "step_s": min(taken[_WARM_UP:]),
        "waited_s": statistics.median(waited[_WARM_UP:]),
    }


def _timed(run: Callable[[], object]) -> float:
    before = time.perf_counter()
    run()
    return time.perf_counter() - before


def _main() -> int:
    parser = console.Parser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("--steps", type=int, default=15, help="of each kind (default: %(default)s)")
    options = parser.parse_args()
    table = Table("recipe", "batch, ms", "step, ms", "batch / step", "waited", "")
    for column in table.columns[1:]:
        column.justify = "right"
    is_late = False
    for name in options.recipes or [one for one in recipes.names() if one.endswith(":demo")]:
        torch = FRAMEWORKS["torch"]
        with Process(Worker(torch.name, torch.package, path=[str(HERE)])) as process:
            arguments = {"name": name, "steps": _WARM_UP + options.steps}
            found = process.call("loader:measure", arguments)
        print(name, {key: f"{seconds:.4f}" for key, seconds in found.items()}, file=sys.stderr)
        share, waited = (found[key] / found["step_s"] for key in ("batch_s", "waited_s"))
        is_late |= waited > MOST
        table.add_row(
            name,
            *(f"{found[key] * 1e3:.1f}" for key in ("batch_s", "step_s")),
            *(f"{one:.1%}" for one in (share, waited)),
            "late" if waited > MOST else "",
        )
    console.results_console(100).print(table)
    return ExitCode.DIFFERENT if is_late else ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
