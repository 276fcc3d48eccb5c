"""What the demo recipes learn: `python benchmarks/learning.py [MODEL ...]`, in the background.

Each is trained in each framework by one seed, and in PyTorch by three, whose spread tells what a
difference between frameworks may be. The table has PSNR of held-out photographs before and after,
by the recipe's protocol, and CPU minutes. --markdown puts it into docs/training.md.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from restoration.models.registry import MODELS
from restoration.process.frameworks import FRAMEWORKS, REFERENCE
from restoration.training.loggers import LOG, read_log

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
_PLACE = re.compile(r"(<!-- learned -->\n).*?(<!-- end of learned -->)", re.DOTALL)
_SEEDS = (1, 2, 3)
_HONEST_DB = 0.1  # a difference between frameworks that needs no explanation


@dataclass(frozen=True)
class Learned:
    """One run. before_db, after_db: mean PSNR of held-out photographs."""

    model: str
    framework: str
    seed: int
    before_db: float
    after_db: float
    steps: int
    cpu_minutes: float

    @property
    def gain_db(self) -> float:
        return self.after_db - self.before_db


def learn(model: str, framework: str, seed: int, overrides: list[str]) -> Learned:
    """Train a demo in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [
                sys.executable,
                *("-m", f"{framework}_impl.train", f"{model}:demo", f"seed={seed}", *overrides),
                *("--output", str(output)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        scored = [row for row in read_log(output / LOG) if "psnr_db" in row]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    first, *_, last = scored
    return Learned(
        model, framework, seed, first["psnr_db"], last["psnr_db"], last["step"], seconds / 60
    )


def table(found: list[Learned]) -> str:
    """The runs as Markdown, and which framework is off by more than seeds explain."""
    titles = [row.title for row in FRAMEWORKS.values()]
    lines = [
        "| recipe | steps | before, dB | " + " | ".join(titles) + " | spread of seeds | minutes |",
        "|---|---:|---:|" + "---:|" * (len(titles) + 2),
    ]
    for model in dict.fromkeys(one.model for one in found):
        runs = [one for one in found if one.model == model]
        seeds = [one.after_db for one in runs if one.framework == REFERENCE]
        spread = max(seeds) - min(seeds)
        first = {one.framework: one for one in runs if one.seed == _SEEDS[0]}
        cells = []
        for name in FRAMEWORKS:
            one = first.get(name)
            if one is None:
                cells.append("")
                continue
            off = abs(one.after_db - first[REFERENCE].after_db) > max(_HONEST_DB, spread)
            cells.append(f"{one.after_db:.2f}" + (" (off)" if off else ""))
        reference = first[REFERENCE]
        minutes = " / ".join(
            f"{first[name].cpu_minutes:.1f}" for name in FRAMEWORKS if name in first
        )
        lines.append(
            f"| {model}:demo | {reference.steps} | {reference.before_db:.2f} | "
            + " | ".join(cells)
            + f" | {spread:.2f} | {minutes} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    parser.add_argument("--set", action="append", default=[], metavar="key=VALUE")
    parser.add_argument("--json", type=Path, default=Path("learned.json"))
    parser.add_argument("--markdown", action="store_true", help="put the table into the page")
    options = parser.parse_args()
    found: list[Learned] = []
    for model in options.models:
        for framework in options.frameworks.split(","):
            for seed in _SEEDS if framework == REFERENCE else _SEEDS[:1]:
                found.append(learn(model, framework, seed, options.set))
                print(found[-1], f"gain {found[-1].gain_db:.2f} dB", file=sys.stderr, flush=True)
                options.json.write_text(json.dumps([asdict(one) for one in found], indent=1))
    print(table(found))
    if options.markdown:
        text = PAGE.read_text("utf-8")
        PAGE.write_text(_PLACE.sub(lambda m: m[1] + table(found) + m[2], text), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
