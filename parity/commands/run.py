"""A parity run: the reference measures, the ports measure, everything is judged."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import math
import os
import platform
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.cases.case import Case
from parity.diagnose.locate import first_fault
from parity.judge.verdicts import (
    BOUND,
    CaseVerdict,
    Noise,
    Verdict,
    is_gradient,
    judge_case,
    judge_reference,
    margins_of,
    noise_of,
    quotient,
    size_of,
)
from parity.report.progress import Progress
from parity.worker import Outcome, Role, run_worker
from restoration.errors import ExitCode, InputError
from restoration.process import arrays, launch
from restoration.process.launch import Worker

AUTHORS_BOUND = 1e-11
"""Largest relative difference of our float64 reference from the authors' own float64 results."""

UNCERTAIN = 1e-3
"""Relative noise of the reference from which an array is reported as ill-conditioned."""


@dataclass(frozen=True)
class Row:
    """One framework on one case; a line of the table.

    reason: why it could not run. fault: the first faulty module in words. notes: what a reader
    should know that is no fault. seconds and peak_mb: of the whole measurement of the case.
    """

    case: str
    model: str
    framework: str
    verdict: Verdict
    fault: str = ""
    reason: str = ""
    notes: Sequence[str] = ()
    judged: CaseVerdict | None = None
    seconds: float = math.nan
    peak_mb: int = 0


@dataclass
class Run:
    """All rows of a run, and where its files are."""

    folder: Path
    rows: list[Row] = field(default_factory=list)
    engines: dict[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """A difference outweighs what could not be compared."""
        verdicts = {row.verdict for row in self.rows}
        if Verdict.DIFFER in verdicts:
            return ExitCode.DIFFER
        return ExitCode.AGREE if verdicts == {Verdict.AGREE} else ExitCode.INCOMPLETE

    def to_json(self) -> dict[str, Any]:
        """Everything that was found, as plain values; infinite ratios as null."""
        return {
            "format": 1,
            "exit_code": int(self.exit_code),
            "bound": BOUND,
            "machine": {"system": platform.platform(), "cores": os.cpu_count()},
            "engines": self.engines,
            "warnings": self.warnings,
            "rows": [_row_to_json(row) for row in self.rows],
        }


def run(
    cases: Sequence[Case],
    reference: Worker,
    ports: Sequence[Worker],
    *,
    runs_folder: Path,
    progress: Progress,
    keep_arrays: bool = False,
    parallel: int = 2,
) -> Run:
    """Measure and judge every case in every framework, and write `result.json`.

    Arrays of cases on which all agree are deleted unless `keep_arrays`. parallel: how many ports
    work at a time.

    Raises:
        InputError: a case's inputs or weights do not fit its network, or the run's folder cannot
            be written.
    """
    result = Run(_new_folder(runs_folder))
    try:
        _measure(result, cases, reference, ports, progress=progress, parallel=parallel)
        text = json.dumps(result.to_json(), indent=1, allow_nan=False)
        (result.folder / "result.json").write_text(text + "\n")
        if not keep_arrays:
            _drop_arrays(result, cases)
    except OSError as problem:
        raise InputError(
            "folder of the run",
            expected="a place that can be written",
            got=str(problem.strerror or problem),
            where=str(result.folder),
            next_step="free some space, or choose another folder with --runs",
        ) from problem
    return result


def _measure(
    result: Run,
    cases: Sequence[Case],
    reference: Worker,
    ports: Sequence[Worker],
    *,
    progress: Progress,
    parallel: int,
) -> None:
    """Have the reference and then the ports measure, and judge; fills `result`."""
    for case in cases:
        case.write(result.folder / case.name)
    jobs = [
        {
            "name": case.name,
            "folder": str(result.folder / case.name),
            "spec": case.spec.to_dict(),
            "seed": case.seed,
        }
        for case in cases
    ]

    def work(worker: Worker, role: Role, jobs: Sequence[dict[str, Any]]) -> Outcome:
        def show(text: str) -> None:
            progress.show(worker.framework, text)

        outcome = run_worker(worker, role, jobs, result.folder / "workers", show)
        progress.finish(worker.framework, _summary(outcome))
        return outcome

    truth = work(reference, "reference", jobs)
    if truth.bad_input:
        raise InputError.quoted(truth.bad_input)
    ready = [job for job in jobs if job["name"] in truth.results]
    with concurrent.futures.ThreadPoolExecutor(max_workers=parallel) as pool:
        try:
            outcomes = list(pool.map(lambda port: work(port, "port", ready), ports))
        except KeyboardInterrupt:
            launch.end_all()  # else leaving the pool waits for all that the ports still have to do
            raise
    found = dict(zip([port.framework for port in ports], outcomes, strict=True))
    for framework, outcome in {reference.framework: truth, **found}.items():
        result.engines[framework] = outcome.engine
        result.warnings += outcome.warnings
    for case in cases:
        progress.show("judging", case.name)
        result.rows += _judge(case, result.folder / case.name, reference.framework, truth, found)


def _judge(
    case: Case, folder: Path, reference: str, truth: Outcome, ports: Mapping[str, Outcome]
) -> list[Row]:
    """The rows of one case."""
    if case.name not in truth.results:
        reason = truth.failures[case.name]
        failed = [Row(case.name, case.model, reference, Verdict.FAILED, reason=reason)]
        without = f"no truth: {reference} could not run"
        return failed + [
            Row(case.name, case.model, port, Verdict.FAILED, reason=without) for port in ports
        ]
    measured = truth.results[case.name]
    with (
        arrays.reading(folder / arrays.TRUTH_FILE) as exact,
        arrays.reading(folder / arrays.PROBLEM_FILE) as problem,
    ):
        judged = judge_reference(measured)
        rows = [_reference_row(case, reference, judged, exact, measured)]
        for framework, outcome in ports.items():
            if case.name not in outcome.results:
                reason = outcome.failures[case.name]
                rows.append(Row(case.name, case.model, framework, Verdict.FAILED, reason=reason))
                continue
            answer = outcome.results[case.name]
            with arrays.reading(folder / f"{framework}.safetensors") as port:
                judged = judge_case(port, exact, problem, measured, answer["modes"])
            notes = [f"{mode} mode: {why}" for mode, why in answer["refusals"].items()]
            rows.append(
                Row(
                    case.name,
                    case.model,
                    framework,
                    judged.verdict,
                    fault=first_fault(judged, measured["taps"]),
                    notes=notes,
                    judged=judged,
                    seconds=answer["seconds"],
                    peak_mb=answer["peak_mb"],
                )
            )
    return rows


def _reference_row(
    case: Case,
    framework: str,
    judged: CaseVerdict,
    exact: arrays.Reader,
    measured: Mapping[str, Any],
) -> Row:
    """The reference against its own noise, and against the authors' results where there are any."""
    verdict, fault = judged.verdict, first_fault(judged, measured["taps"])
    notes = []
    uncertain = [array for array in judged.arrays if array.noise > UNCERTAIN]
    if uncertain:
        worst = max(uncertain, key=lambda array: array.noise)
        notes.append(
            f"ill-conditioned: rounding alone moves {len(uncertain)} arrays by over "
            f"{UNCERTAIN:.1%}, up to {worst.noise:.1%} in {worst.name}; smaller differences there "
            "cannot be seen"
        )
    notes += _note_of_decisions(exact, measured)
    if case.expected:
        distances = _distances(exact, case, noise_of(measured))
        worst_name = max(distances, key=lambda name: distances[name])
        text = f"{len(distances)} arrays of the authors' code: {distances[worst_name]:.1e} at most"
        notes.append(text)
        if distances[worst_name] > AUTHORS_BOUND:
            verdict = Verdict.DIFFER
            fault = f"{worst_name} differs from the authors' by {distances[worst_name]:.2g}"
    return Row(
        case.name,
        case.model,
        framework,
        verdict,
        fault=fault,
        notes=notes,
        judged=judged,
        seconds=measured["seconds"],
        peak_mb=measured["peak_mb"],
    )


def _note_of_decisions(exact: arrays.Reader, measured: Mapping[str, Any]) -> list[str]:
    """How many decisions there were, how they fell, and how near the closest one was."""
    margins = margins_of(measured)
    if not margins:
        return []
    noise = noise_of(measured)
    taken = np.concatenate([exact[name].reshape(-1) for name in margins])
    margin, times = min(
        (float(np.abs(exact[name]).min()), quotient(1.0, noise[name].error[1]))
        for name in margins.values()
    )
    return [
        f"{taken.size} decisions, {int(taken.sum())} of them yes; the closest by a margin of "
        f"{margin:.2g}, {margin * times:.1g} times its rounding; all that follows them is compared "
        "under the reference's decisions"
    ]


def _distances(exact: arrays.Reader, case: Case, noise: Mapping[str, Noise]) -> dict[str, float]:
    """Relative distances in the worse of both norms; infinite where there is nothing to compare.

    Gradients that are zero but for rounding are measured by the largest gradient.
    """
    sizes = {name: size_of(array) for name, array in case.expected.items()}
    sizes |= {
        name: (float(summary.numbers[0]), float(summary.numbers[2]))
        for name, summary in case.summaries.items()
    }
    largest = np.max(
        [size for name, size in sizes.items() if is_gradient(name)] or [(0, 0)], axis=0
    )
    distances = {}
    for name in sizes:
        array = case.expected.get(name)
        found = exact[name] if name in exact else np.zeros(0)
        if array is not None and case.copies and name.startswith("gradient/input/"):
            copies, found = found, np.zeros_like(array)
            np.add.at(found, np.array(case.copies), copies)
        if name not in exact or (array is not None and found.shape != array.shape):
            distances[name] = math.inf
            continue
        errors = [size_of(found - array)] if array is not None else []
        if name in case.summaries:
            errors.append(case.summaries[name].distance(found))
        size = largest if name in noise and noise[name].is_vanishing else sizes[name]
        distances[name] = max(
            quotient(error, whole)
            for pair in errors
            for error, whole in zip(pair, size, strict=True)
        )
    return distances


def _row_to_json(row: Row) -> dict[str, Any]:
    judged = row.judged
    values: dict[str, Any] = {
        "case": row.case,
        "model": row.model,
        "framework": row.framework,
        "verdict": row.verdict,
        "fault": row.fault,
        "reason": row.reason,
        "notes": list(row.notes),
        "seconds": None if math.isnan(row.seconds) else row.seconds,
        "peak_mb": row.peak_mb,
    }
    if judged and judged.worst:
        values |= {
            "expected": judged.expected,
            "compared": judged.compared,
            "worst_ratio": _finite(judged.worst.ratio),
            "worst_array": judged.worst.name,
            "arrays": [
                {key: _finite(value) for key, value in asdict(array).items()}
                for array in judged.arrays
            ],
        }
    return values


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _summary(outcome: Outcome) -> str:
    done, failed = len(outcome.results), len(outcome.failures)
    return f"{done} measured" + (f", {failed} could not run" if failed else "")


def _new_folder(runs_folder: Path) -> Path:
    """A folder of its own for a run, named by time."""
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = runs_folder.absolute() / f"{now}-{secrets.token_hex(2)}"
    try:
        folder.mkdir(parents=True)
    except OSError as problem:
        raise InputError(
            "folder of the runs",
            expected="a folder that can be written",
            got=str(problem.strerror),
            where=str(runs_folder),
            next_step="choose another with --runs",
        ) from problem
    return folder


def _drop_arrays(result: Run, cases: Sequence[Case]) -> None:
    """Delete the arrays of cases that need no further look."""
    for case in cases:
        verdicts = {row.verdict for row in result.rows if row.case == case.name}
        if verdicts == {Verdict.AGREE}:
            shutil.rmtree(result.folder / case.name)
