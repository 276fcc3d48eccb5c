"""How large a batch fits into memory: a few steps are measured, the rest follows from a line.

Each size is measured in a process of its own, so that one that does not fit ends nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from restoration.data.tasks import open_task
from restoration.errors import InputError, RestorationError
from restoration.process import memory
from restoration.process.frameworks import Framework
from restoration.process.launch import Process, Worker
from restoration.process.serve import Session
from restoration.training import recipe as recipes
from restoration.training import session as parts
from restoration.training.recipe import Recipe

_MEASURED = (1, 2, 4, 8)
_ENOUGH = 2.0  # times the memory of a batch of 1: larger ones would say nothing new
_FARTHEST = 64  # times the largest measured batch: what is beyond is not told from it
_CARDS_GB = (4, 6, 8, 12, 16, 24)
_STEPS = 2
_MB_PER_GB = 1000  # a bit less than there is, for the driver


def table(framework: Framework, device: str, recipe: Recipe) -> str:
    """Peak memory by batch, and the largest part of a batch for cards of some sizes.

    Raises:
        InputError: not even a batch of 1 fits, or the framework does not tell.
    """
    peaks_mb: dict[int, int] = {}
    reason = ""
    for batch in _MEASURED:
        try:
            with Process(Worker(framework.name, framework.package, device)) as process:
                arguments = {"plain": recipes.to_plain(recipe), "batch": batch}
                found = process.call("restoration.training.probe:measure", arguments)
        except RestorationError as problem:
            reason = str(problem)
            break
        peaks_mb[batch] = found["peak_mb"]
        if batch > 2 and peaks_mb[batch] > _ENOUGH * peaks_mb[1]:
            break
    if len(peaks_mb) < 2:
        raise InputError(
            "memory of training",
            expected="room for batches of 1 and 2",
            got=reason,
            where=f"{recipe.model}, crop {recipe.data.crop_px} px, on {device}",
            next_step="take smaller crops: data.crop_px=N",
        )
    each, base = np.polyfit(list(peaks_mb), list(peaks_mb.values()), 1)
    most = _FARTHEST * max(peaks_mb)
    rooms = {f"{size} GB": size * _MB_PER_GB for size in _CARDS_GB}
    if device == "cpu":
        rooms["here"] = memory.available_mb()
    lines = [
        f"{recipe.model}, {recipe.spec}, crop {recipe.data.crop_px} px, {recipe.precision}: steps "
        f"of {framework.title} on {device}, the largest memory of its process in MB",
        *_columns("batch", peaks_mb.keys(), "measured", peaks_mb.values()),
        f"a sample takes {each:.0f} MB, all else {base:.0f} MB; so there fits at most",
        *_columns(
            "memory", rooms, "batch", [_fitting(room, base, each, most) for room in rooms.values()]
        ),
        "batch=B accumulate=N computes a batch in N parts of B/N",
    ]
    if reason:
        lines.insert(-3, f"a batch of {2 * max(peaks_mb)} did not fit here: {reason}")
    return "\n".join(lines)


def measure(session: Session, plain: Mapping[str, Any], batch: int) -> dict[str, int]:
    """Peak memory in MB of steps with a batch, in the framework's process."""
    recipe = replace(recipes.from_plain(plain, "probe"), batch=batch, accumulate=1)
    engine = session.make_engine()
    _, trainer = parts.make_trainer(engine, recipe, None)
    task = open_task(recipe.the_model(), recipe.the_spec(), recipe.data, seed=recipe.seed)
    samples = [task.sample(index % len(task), 0) for index in range(batch)]
    joined = task.join(samples)
    memory.reset_peak()  # that of the start, which is no step's
    for _ in range(_STEPS):
        session.report(f"batch of {batch}")
        trainer.step([joined])
    return {"peak_mb": session.module("runtime").peak_mb(session.device)}


def _fitting(room_mb: float, base_mb: float, each_mb: float, most: int) -> str:
    """How many samples fit, in words."""
    count = most if each_mb <= 0 else int((room_mb - base_mb) // each_mb)
    if count < 1:
        return "none"
    return str(count) if count < most else f"{most}+"


def _columns(
    first: str, numbers: Iterable[object], second: str, others: Iterable[object]
) -> list[str]:
    """Two rows of a table, their columns aligned."""
    above, below = [first, *map(str, numbers)], [second, *map(str, others)]
    widths = [max(map(len, pair)) for pair in zip(above, below, strict=True)]
    return [
        "  " + "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in (above, below)
    ]
