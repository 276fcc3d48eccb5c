"""What the demo recipes learn: `python benchmarks/learning.py [MODEL ...]`, in the background.

Each is trained in each framework by one seed, and in PyTorch by three, whose spread tells what a
difference between frameworks may be. The table has PSNR of held-out photographs by the recipe's
protocol: of what the network is given (enlarged by Pillow's bicubic filter where it enlarges), at
the first step, and at the last. What was measured is kept in learning.json, and only runs that are
missing there, or whose recipe has changed, are made. --markdown puts the table into
docs/training.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from restoration.evaluation.protocols import score
from restoration.images.resize import pillow_resize
from restoration.models.registry import MODELS
from restoration.process.frameworks import FRAMEWORKS, REFERENCE
from restoration.training import recipe as recipes
from restoration.training import session
from restoration.training.loggers import LOG, read_log
from restoration.training.recipe import Recipe

HERE = Path(__file__).parent
KEPT = HERE / "learning.json"
PAGE = HERE.parent / "docs" / "training.md"
_PLACE = re.compile(r"(<!-- learned: [^\n]* -->\n).*?(<!-- end of learned -->)", re.DOTALL)
_SEEDS = (1, 2, 3)
_HONEST_DB = 0.1  # a difference between frameworks that needs no explanation


@dataclass(frozen=True)
class Learned:
    """One run. given_db, start_db, end_db: mean PSNR of held-out photographs; see the module.

    recipe: what tells a recipe from one that was changed since.
    """

    model: str
    framework: str
    seed: int
    recipe: str
    steps: int
    given_db: float
    start_db: float
    end_db: float
    cpu_minutes: float

    @property
    def gain_db(self) -> float:
        return self.end_db - self.given_db


def learn(model: str, framework: str, seed: int, folder: Path) -> Learned:
    """Train a demo on one thread, in a process of its own.

    folder: of the run.
    """
    made = recipes.read(*_named(model, seed))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    name, overrides = _named(model, seed)
    subprocess.run(
        [
            *(sys.executable, "-m", f"{framework}_impl.train", name, *overrides),
            *("--quiet", "--output", str(folder)),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    scored = [row for row in read_log(folder / LOG) if "psnr_db" in row]
    return Learned(
        model=model,
        framework=framework,
        seed=seed,
        recipe=_digest(made),
        steps=scored[-1]["step"],
        given_db=given_db(made),
        start_db=scored[0]["psnr_db"],
        end_db=scored[-1]["psnr_db"],
        cpu_minutes=seconds / 60,
    )


def given_db(recipe: Recipe) -> float:
    """Mean PSNR of what a network is given of the held-out photographs."""
    found = []
    for item in session.open_data(recipe).held_out():
        assert item.degraded is not None
        given, (height, width) = item.degraded[0], item.truth.shape[2:]
        if given.shape[1:] != (height, width):
            given = pillow_resize(given, height, width)
        rule = recipe.validation.protocol
        found.append(score(rule, item.truth[0], given, scale=item.scale).psnr_db)
    return float(np.mean(found))


def table(found: Sequence[Learned]) -> str:
    """The runs as Markdown, and which framework is off by more than seeds explain."""
    titles = [row.title for row in FRAMEWORKS.values()]
    lines = [
        f"| recipe | steps | given, dB | start | {' | '.join(titles)} | gain, dB "
        "| spread of seeds | CPU minutes |",
        "|---|---:|---:|---:|" + "---:|" * (len(titles) + 3),
    ]
    for model in MODELS:
        runs = [one for one in found if one.model == model]
        first = {one.framework: one for one in runs if one.seed == _SEEDS[0]}
        reference = first.get(REFERENCE)
        if reference is None:
            continue
        seeds = [one.end_db for one in runs if one.framework == REFERENCE]
        spread = max(seeds) - min(seeds)
        cells = []
        for name in FRAMEWORKS:
            one = first.get(name)
            is_off = one and abs(one.end_db - reference.end_db) > max(_HONEST_DB, spread)
            cells.append((f"{one.end_db:.2f}" if one else "") + (" (off)" if is_off else ""))
        minutes = [f"{first[name].cpu_minutes:.1f}" for name in FRAMEWORKS if name in first]
        lines.append(
            f"| `{model}:demo` | {reference.steps} | {reference.given_db:.2f} "
            f"| {reference.start_db:.2f} | {' | '.join(cells)} | {reference.gain_db:+.2f} "
            f"| {f'{spread:.2f}' if len(seeds) > 1 else ''} | {' / '.join(minutes)} |"
        )
    return "\n".join(lines) + "\n"


def current(path: Path) -> list[Learned]:
    """The runs in a file whose recipes are as they were."""
    found = [Learned(**one) for one in json.loads(path.read_text())] if path.exists() else []
    return [
        one for one in found if one.recipe == _digest(recipes.read(*_named(one.model, one.seed)))
    ]


def _named(model: str, seed: int) -> tuple[str, list[str]]:
    return f"{model}:demo", [f"seed={seed}"]


def _digest(recipe: Recipe) -> str:
    """What tells recipes apart, but for what they say of themselves."""
    content = {name: value for name, value in recipes.to_plain(recipe).items() if name != "about"}
    plain = json.dumps(content, sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()[:12]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    parser.add_argument("--seeds", type=int, default=len(_SEEDS), help="of PyTorch, the first ones")
    parser.add_argument("--json", type=Path, default=KEPT, help="where runs are kept")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the runs, with pictures")
    parser.add_argument("--markdown", action="store_true", help="put the table into the page")
    options = parser.parse_args()
    frameworks = options.frameworks.split(",")
    wanted = [(name, _SEEDS[0]) for name in FRAMEWORKS if name in frameworks]
    if REFERENCE in frameworks:
        wanted += [(REFERENCE, seed) for seed in _SEEDS[1 : options.seeds]]
    found = current(options.json)
    for framework, seed in wanted:
        for model in options.models:
            if any((model, framework, seed) == (x.model, x.framework, x.seed) for x in found):
                continue
            with tempfile.TemporaryDirectory() as scratch:
                folder = options.keep or Path(scratch)
                try:
                    one = learn(model, framework, seed, folder / f"{model}-{framework}-{seed}")
                except subprocess.CalledProcessError as problem:
                    print(f"{model} in {framework}: {problem}", file=sys.stderr, flush=True)
                    continue
            found.append(one)
            print(one, f"gain {one.gain_db:+.2f} dB", file=sys.stderr, flush=True)
            options.json.write_text(json.dumps([asdict(x) for x in found], indent=1) + "\n")
    print(table(found))
    if options.markdown:
        text = PAGE.read_text("utf-8")
        PAGE.write_text(_PLACE.sub(lambda m: m[1] + table(found) + m[2], text), "utf-8")
    missing = [
        f"{model} in {framework} (seed {seed})"
        for framework, seed in wanted
        for model in options.models
        if not any((model, framework, seed) == (x.model, x.framework, x.seed) for x in found)
    ]
    if missing:
        print(f"missing: {', '.join(missing)}", file=sys.stderr)
    return 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
