"""Numbers as tables and files, and the worst pictures."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from restoration import console, images
from restoration.evaluation import protocols, rules
from restoration.evaluation.pairs import Pair
from restoration.evaluation.scoring import Feed, Run, read, truth_of
from restoration.inference import progress

WORST = 10
_ERROR_GAIN = 8


def show_protocols() -> None:
    """The table of all rules."""
    table = Table("protocol", "rule", "where")
    for name, protocol in rules.PROTOCOLS.items():
        table.add_row(name, protocol.describe(), protocol.source)
    console.results_console(160).print(table)


def show(runs: Sequence[Run]) -> None:
    """The table, and what failed."""
    numbers = list(dict.fromkeys(name for run in runs for name in run.means()))
    table = Table("weights", "protocol", "scored", *numbers)
    for run in runs:
        means = run.means()
        shown = [protocols.shown(name, means[name]) if name in means else "" for name in numbers]
        total = len(run.scores) + len(run.failed)
        table.add_row(run.weights, run.protocol.name, f"{len(run.scores)} of {total}", *shown)
    console.results_console(160).print(table)
    for run in runs:
        for video, means in run.videos().items():
            said = ", ".join(f"AVG-{name}={protocols.shown(name, v)}" for name, v in means.items())
            print(f"# Video:{video} {said}")
        infinite = [name for name, one in run.scores.items() if math.isinf(one.psnr_db)]
        if infinite:
            progress.say(
                f"{run.protocol.name}: equal to the truth, so the mean is infinite: {infinite}"
            )
        notes = [f"{name}: {note}" for name, one in run.scores.items() for note in one.notes]
        for line in notes[:WORST]:
            progress.say(line)
        for name, reason in run.failed.items():
            progress.say(f"{run.protocol.name}: {name} failed, and is in no mean: {reason}")


def write_csv(path: Path, runs: Sequence[Run]) -> None:
    """A row for each picture of each run."""
    names = list(
        dict.fromkeys(n for run in runs for one in run.scores.values() for n in one.numbers())
    )
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["weights", "model", "framework", "protocol", "image", *names, "failed"])
        for run in runs:
            head = [run.weights, run.model, run.framework, run.protocol.name]
            for name, one in run.scores.items():
                numbers = one.numbers()
                writer.writerow([*head, name, *(numbers.get(key, "") for key in names), ""])
            for name, reason in run.failed.items():
                writer.writerow([*head, name, *("" for _ in names), reason])


def draw_worst(
    folder: Path,
    run: Run,
    pairs: Sequence[Pair],
    feed: Feed,
) -> None:
    """The worst ten: input, restored, truth, and the error, eight times as bright, in a row."""
    folder.mkdir(parents=True, exist_ok=True)
    by_name = {pair.name: pair for pair in pairs}
    ordered = sorted(run.scores, key=lambda name: run.scores[name].psnr_db)[:WORST]
    for place, name in enumerate(ordered, start=1):
        pair = by_name[name]
        restored = feed(pair)
        if restored is None or pair.truth.is_dir():
            continue
        truth = protocols.sized(run.protocol, truth_of(pair, run.protocol))
        height, width = (
            min(a, b) for a, b in zip(truth.shape[2:], restored.shape[2:], strict=True)
        )
        truth, restored = truth[..., :height, :width], restored[..., :height, :width]
        error = (np.abs(restored - truth) * _ERROR_GAIN).clip(0, 1)
        row = [restored.clip(0, 1), truth, error]
        if pair.image is not None:
            given = read(pair.image)
            row.insert(
                0,
                given
                if given.shape == truth.shape
                else protocols.resize_by_pillow(given, height, width),
            )
        panels = np.concatenate([one.astype(np.float32) for one in row], axis=3)
        title = f"{place:02}-{name.replace('/', '-')}-{run.scores[name].psnr_db:.2f}dB.png"
        images.write_image(folder / title, images.Image(panels))
