"""How large a batch fits into memory: a few steps are measured, the rest follows from a line.

Each size is measured in a process of its own, so that one that does not fit ends nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from restoration.data.tasks import open_task
from restoration.errors import RestorationError
from restoration.process import memory
from restoration.process.frameworks import framework_of
from restoration.process.launch import Process, Worker
from restoration.process.serve import Session
from restoration.training import recipe as recipes
from restoration.training import session as parts
from restoration.training.recipe import Recipe

_MEASURED = (1, 2, 4)
_CARDS_GB = (4, 6, 8, 12, 16, 24)
_STEPS = 2
_MB_PER_GB = 1000


def table(package: str, device: str, recipe: Recipe) -> str:
    """Peak memory by batch, and the largest part of a batch for cards of some sizes."""
    framework = framework_of(package)
    assert framework is not None
    measured: dict[int, int] = {}
    reason = ""
    for batch in _MEASURED:
        try:
            with Process(Worker(framework.name, package, device)) as process:
                arguments = {"plain": recipes.to_plain(recipe), "batch": batch}
                peak = process.call("restoration.training.probe:measure", arguments)
            measured[batch] = int(peak["peak_mb"])
        except RestorationError as problem:
            reason = str(problem)
            break
    if not measured:
        return f"not even a batch of 1 fits here: {reason}"
    lines = [f"{recipe.model}, crop {recipe.data.crop_px} px, {recipe.precision}, {device}:"]
    lines += [f"  batch {batch}: {peak} MB at most" for batch, peak in measured.items()]
    if reason:
        lines.append(f"  larger ones do not fit here: {reason}")
    base, each = _line(measured)
    lines.append("largest part of a batch that fits, by that line:")
    for size in _CARDS_GB:
        count = int((size * _MB_PER_GB - base) // each) if each > 0 else max(measured)
        lines.append(f"  {size} GB: {count if count >= 1 else 'none'}")
    here = memory.available_mb()
    lines.append(f"  here, {here} MB free: {max(int((here - base) // max(each, 1)), 0)}")
    lines.append("batch=B accumulate=N computes a batch in N parts of B/N")
    return "\n".join(lines)


def measure(session: Session, plain: Mapping[str, Any], batch: int) -> dict[str, int]:
    """Peak memory in MB of steps with a batch, in the framework's process."""
    recipe = replace(recipes.from_plain(plain, "probe"), batch=batch, accumulate=1)
    engine = session.make_engine()
    _, trainer = parts.make_trainer(engine, recipe, None)
    task = open_task(recipe.the_model(), recipe.the_spec(), recipe.data, seed=recipe.seed)
    samples = [task.sample(index % len(task), 0) for index in range(batch)]
    joined = task.join(samples)
    for _ in range(_STEPS):
        session.report(f"batch of {batch}")
        trainer.step([joined])
    peak = getattr(importlib.import_module(f"{session.package}.runtime"), "peak_mb", None)
    return {"peak_mb": peak() if peak else memory.peak_mb()}


def _line(measured: Mapping[int, int]) -> tuple[float, float]:
    """Memory without samples and for each, in MB."""
    if len(measured) == 1:
        ((batch, peak),) = measured.items()
        return 0.0, peak / batch
    each, base = np.polyfit(list(measured), list(measured.values()), 1)
    return float(base), float(each)
