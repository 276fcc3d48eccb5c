"""`parity train`: steps of one recipe in every framework, judged against the reference's drift."""

from __future__ import annotations

import concurrent.futures
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.judge.errors import Error
from parity.judge.steps import Departure, departure, judge_errors
from parity.judge.verdicts import Verdict
from parity.report.progress import Progress
from parity.report.result import Row, Run, new_folder, writing
from restoration.errors import InputError, RestorationError
from restoration.models import registry
from restoration.process import launch
from restoration.process.launch import Process, Worker
from restoration.training import recipe as recipes
from restoration.training.recipe import Recipe

DEMO = "demo"
_MEASURE = "parity.measure.steps"
_MORE_RUNS = 4  # of each kind, before a port is said to differ


def recipe_of(model: str, source: str | None, overrides: Sequence[str]) -> Recipe:
    """What is trained of a model: a recipe, by default its demo, with the tiny spec of the demo's
    kind, as tiny-train or tiny-classical."""
    if source:
        return recipes.read(source, overrides)
    demo = f"{model}:{DEMO}"
    _, dash, kind = recipes.plain_recipe(demo)["spec"].partition("-")
    tiny = f"tiny{dash}{kind}"
    spec = tiny if tiny in registry.find(model).specs else "tiny"
    return recipes.read(demo, [f"spec={spec}", *overrides])


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
    result = Run(new_folder(runs_folder), kind="train")
    with writing(result) as write_row:
        for name, recipe in plans.items():
            plan = _Plan(name, recipe, steps, result, progress, keep_arrays)
            plan.folder.mkdir()
            rows = plan.rows(reference, ports, parallel)
            for row in rows:
                write_row(row)
            result.rows += rows
            if not keep_arrays:
                shutil.rmtree(plan.folder)
    return result


@dataclass(frozen=True)
class _Plan:
    """A recipe whose steps are compared. name: of its folder."""

    name: str
    recipe: Recipe
    steps: int
    result: Run
    progress: Progress
    keep_arrays: bool

    @property
    def folder(self) -> Path:
        return self.result.folder / self.name

    def rows(self, reference: Worker, ports: Sequence[Worker], parallel: int) -> list[Row]:
        """What came of it, a row for each port."""
        truth = self._ask(reference, "measure_reference")
        if isinstance(truth, InputError):
            raise truth
        if isinstance(truth, RestorationError):
            return [self._failed(worker, truth) for worker in (reference, *ports)]
        with concurrent.futures.ThreadPoolExecutor(max_workers=parallel) as pool:
            try:
                answers = list(
                    pool.map(
                        lambda port: self._ask(port, "measure_port", keep=self._file(port)), ports
                    )
                )
            except KeyboardInterrupt:
                launch.end_all()
                raise
        rows = self._judged_all(ports, truth, answers)
        if not any(map(_leaves, rows)):
            return rows
        # A kink that a port met may be one that the reference's few runs went past.
        more = self._ask(reference, "measure_more", noise=truth["noise"], runs=_MORE_RUNS)
        if isinstance(more, RestorationError):
            return [self._failed(worker, more) for worker in (reference, *ports)]
        truth |= {"noise": more["noise"]}
        rows = self._judged_all(ports, truth, answers)
        return [
            self._beside(reference, port, truth, answer, row)
            if _leaves(row) and not isinstance(answer, RestorationError)
            else row
            for port, answer, row in zip(ports, answers, rows, strict=True)
        ]

    def _beside(
        self,
        reference: Worker,
        port: Worker,
        truth: Mapping[str, Any],
        answer: Mapping[str, Any],
        row: Row,
    ) -> Row:
        """What came of a port that leaves the reference, where that may be at kinks: with the noise
        of runs of the reference from where the port stood before."""
        noise = truth["noise"]
        state = str(self.folder / f"{port.framework}-state.safetensors")
        before = 0
        while _leaves(row):
            assert row.judged is not None
            left = departure(row.judged)
            assert left is not None
            if left.step <= before:
                break
            before = left.step
            where = {"state": state, "before": before}
            stood = self._ask(port, "measure_state", **where)
            if isinstance(stood, RestorationError):
                return self._failed(port, stood)
            found = self._ask(reference, "measure_beside", noise=noise, **where)
            if isinstance(found, RestorationError):
                return self._failed(reference, found)
            noise = found["noise"]
            row = self._judged(port, {**truth, "noise": noise}, answer)
        return row

    def _judged_all(
        self,
        ports: Sequence[Worker],
        truth: Mapping[str, Any],
        answers: Sequence[dict[str, Any] | RestorationError],
    ) -> list[Row]:
        return [
            self._failed(port, answer)
            if isinstance(answer, RestorationError)
            else self._judged(port, truth, answer)
            for port, answer in zip(ports, answers, strict=True)
        ]

    def _file(self, port: Worker) -> str:
        """Where the arrays of a port are kept, "" if they are not."""
        return str(self.folder / f"{port.framework}.safetensors") if self.keep_arrays else ""

    def _ask(self, worker: Worker, function: str, **more: Any) -> dict[str, Any] | RestorationError:
        """What a framework measures in a process of its own, or why it could not."""
        arguments = {
            "recipe": recipes.to_plain(self.recipe),
            "steps": self.steps,
            "folder": str(self.folder),
            **more,
        }

        def show(text: str) -> None:
            self.progress.show(worker.framework, f"{self.name}: {text}")

        logs = self.result.folder / "workers" / worker.framework
        try:
            with Process(worker, logs, show=show, warn=self.result.warnings.append) as process:
                found: dict[str, Any] = process.call(
                    f"{_MEASURE}:{function}", arguments, about=self.name
                )
        except RestorationError as problem:
            return problem
        self.progress.finish(worker.framework, f"{self.name}: {self.steps} steps")
        self.result.engines[worker.framework] = found["engine"]
        return found

    def _judged(self, port: Worker, truth: Mapping[str, Any], answer: Mapping[str, Any]) -> Row:
        errors = {name: Error(*error) for name, error in answer["errors"].items()}
        measured = truth["sizes"], truth["norms"], truth["noise"]
        judged = judge_errors(errors, *measured, eps=self.recipe.optimizer.eps)
        verdict, fault, beside = judged.verdict, _leaving(departure(judged)), ""
        digests = zip(truth["digests"], answer["digests"], strict=True)
        unequal = [step for step, (one, other) in enumerate(digests, start=1) if one != other]
        if unequal:
            verdict, beside = Verdict.DIFFER, f"its batches differ from step {unequal[0]} on"
        return Row(
            self.name,
            self.recipe.model,
            port.framework,
            verdict,
            fault=beside or fault,
            judged=judged,
            beside=beside,
            seconds=answer["seconds"],
            peak_mb=answer["peak_mb"],
        )

    def _failed(self, worker: Worker, problem: RestorationError) -> Row:
        model = self.recipe.model
        return Row(self.name, model, worker.framework, Verdict.FAILED, reason=str(problem))


def _leaves(row: Row) -> bool:
    """Whether arrays differ, and not what they come from."""
    return row.verdict is Verdict.DIFFER and not row.beside


def _leaving(found: Departure | None) -> str:
    """Where a port leaves the reference, in words."""
    if found is None:
        return ""
    others = f", and {found.differing - 1} more arrays there" if found.differing > 1 else ""
    return f"leaves the reference at {found.array.key.in_words}: {found.array.why}{others}"
