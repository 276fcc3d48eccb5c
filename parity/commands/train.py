"""`parity train`: steps of one recipe in every framework, judged against the reference's drift."""

from __future__ import annotations

import concurrent.futures
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parity.commands.run import new_folder
from parity.judge.steps import departure, judge_steps
from parity.judge.verdicts import Verdict
from parity.report.progress import Progress
from parity.report.result import Row, Run, writing
from restoration.errors import InputError, RestorationError
from restoration.process import arrays, launch
from restoration.process.launch import Process, Worker
from restoration.training import recipe as recipes
from restoration.training.recipe import Recipe

DEMO = "demo"
_MEASURE = "parity.measure.steps"


def recipe_of(model: str, source: str | None, overrides: Sequence[str]) -> Recipe:
    """What is trained of a model: a recipe, by default its demo, with the model's tiny spec."""
    given = [] if source else ["spec=tiny"]
    return recipes.read(source or f"{model}:{DEMO}", [*given, *overrides])


def train(
    plans: Mapping[str, Recipe],
    reference: Worker,
    ports: Sequence[Worker],
    *,
    steps: int,
    runs_folder: Path,
    progress: Progress,
    keep_arrays: bool = False,
    parallel: int = 2,
) -> Run:
    """Train each plan's steps in every framework, and write `result.json`.

    Raises:
        InputError: a recipe or its data cannot be used, or the run's folder cannot be written.
    """
    result = Run(new_folder(runs_folder))
    with writing(result) as write_row:
        for name, recipe in plans.items():
            folder = result.folder / name
            folder.mkdir()
            rows = _rows(result, name, recipe, folder, reference, ports, steps, progress, parallel)
            for row in rows:
                write_row(row)
            result.rows += rows
            if not keep_arrays and all(row.verdict is Verdict.AGREE for row in rows):
                shutil.rmtree(folder)
    return result


def _rows(
    result: Run,
    name: str,
    recipe: Recipe,
    folder: Path,
    reference: Worker,
    ports: Sequence[Worker],
    steps: int,
    progress: Progress,
    parallel: int,
) -> list[Row]:
    arguments = {"recipe": recipes.to_plain(recipe), "steps": steps, "folder": str(folder)}

    def ask(worker: Worker, function: str, **more: Any) -> dict[str, Any] | RestorationError:
        def show(text: str) -> None:
            progress.show(worker.framework, f"{name}: {text}")

        logs = result.folder / "workers" / worker.framework
        try:
            with Process(worker, logs, show=show, warn=result.warnings.append) as process:
                found: dict[str, Any] = process.call(
                    f"{_MEASURE}:{function}", {**arguments, **more}, about=name
                )
            progress.finish(worker.framework, f"{name}: {steps} steps")
        except RestorationError as problem:
            return problem
        result.engines[worker.framework] = found["engine"]
        return found

    truth = ask(reference, "measure_reference")
    if isinstance(truth, InputError):
        raise truth
    if isinstance(truth, RestorationError):
        return [
            Row(name, recipe.model, worker.framework, Verdict.FAILED, reason=str(truth))
            for worker in (reference, *ports)
        ]
    with concurrent.futures.ThreadPoolExecutor(max_workers=parallel) as pool:
        try:
            answers = list(
                pool.map(lambda port: ask(port, "measure_port", name=port.framework), ports)
            )
        except KeyboardInterrupt:
            launch.end_all()
            raise
    return [
        _row(name, recipe, port.framework, folder, truth, answer)
        for port, answer in zip(ports, answers, strict=True)
    ]


def _row(
    name: str,
    recipe: Recipe,
    framework: str,
    folder: Path,
    truth: Mapping[str, Any],
    answer: Mapping[str, Any] | RestorationError,
) -> Row:
    if isinstance(answer, RestorationError):
        return Row(name, recipe.model, framework, Verdict.FAILED, reason=str(answer))
    with (
        arrays.reading(folder / arrays.TRUTH_FILE) as exact,
        arrays.reading(folder / f"{framework}.safetensors") as port,
    ):
        judged = judge_steps(port, exact, truth["norms"], truth["noise"])
    verdict, fault = judged.verdict, ""
    found = departure(judged)
    if found:
        others = "" if found.differing == 1 else f", and {found.differing - 1} more arrays there"
        fault = f"leaves the reference at {found.array.key.in_words}: {found.array.why}{others}"
    unequal = [
        step
        for step, pair in enumerate(zip(truth["digests"], answer["digests"], strict=True), start=1)
        if pair[0] != pair[1]
    ]
    if unequal:
        verdict, fault = Verdict.DIFFER, f"its batches differ from step {unequal[0]} on"
    return Row(name, recipe.model, framework, verdict, fault=fault, judged=judged)
