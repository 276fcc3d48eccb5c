"""A parity run: the reference measures, the ports measure, everything is judged."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parity.cases.case import Case
from parity.judge.verdicts import Verdict
from parity.report.progress import Progress
from parity.report.result import Row, Run, folder_error, new_folder, writing
from parity.report.rows import rows_of
from parity.worker import Outcome, Role, run_worker
from restoration.errors import InputError
from restoration.process import launch
from restoration.process.launch import Worker

# What is measured before it is judged, and its arrays dropped: it bounds the disk and memory of a
# run. What a network computes of its inputs takes some 400 times their space: 1 to 2 GB.
_MOST_CASES = 32
_MOST_INPUT_BYTES = 4_000_000


def run(
    cases: Iterable[Case],
    reference: Worker,
    ports: Sequence[Worker],
    *,
    runs_folder: Path,
    progress: Progress,
    keep_arrays: bool = False,
    parallel: int = 2,
) -> Run:
    """Measure and judge every case in every framework, and write `result.json`.

    Arrays of a case on which all agree are deleted when it is judged, unless `keep_arrays`. cases:
    of different names; taken as they are needed. parallel: how many ports work at a time.

    Raises:
        InputError: a case's inputs or weights do not fit its network, two have one name, or the
            run's folder cannot be written.
    """
    result = Run(new_folder(runs_folder))
    try:
        with writing(result) as write_row:
            for batch in _batches(cases):
                measured = _measure(result, batch, reference, ports, progress, parallel=parallel)
                for case in batch:
                    progress.show("judging", case.name)
                    folder = result.folder / case.name
                    rows = list(rows_of(case, folder, reference.framework, *measured))
                    for row in rows:
                        write_row(row)
                    result.rows += map(_condensed, rows)
                    if not keep_arrays and all(row.verdict is Verdict.AGREE for row in rows):
                        shutil.rmtree(folder)
                progress.finish("judging", f"{len(batch)} cases judged")
    except OSError as problem:
        raise folder_error(result.folder, problem) from problem
    return result


def _batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    """The cases in lists of a bounded size; they need different names, as folders have."""
    names: set[str] = set()
    batch: list[Case] = []
    for case in cases:
        if case.name in names:
            raise InputError(
                "cases",
                expected="a name of its own for each",
                got=f"{case.name!r} twice",
                where="models and files of the run",
                next_step="name each model and file once, and files differently",
            )
        names.add(case.name)
        batch.append(case)
        size = sum(array.nbytes for member in batch for array in member.inputs.values())
        if len(batch) == _MOST_CASES or size >= _MOST_INPUT_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _measure(
    result: Run,
    cases: Sequence[Case],
    reference: Worker,
    ports: Sequence[Worker],
    progress: Progress,
    *,
    parallel: int,
) -> tuple[Outcome, Mapping[str, Outcome]]:
    """Have the reference and then the ports measure: what it said, and what they said by name."""
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
        result.engines[framework] = outcome.engine or result.engines.get(framework, {})
        result.warnings += [text for text in outcome.warnings if text not in result.warnings]
    return truth, found


def _condensed(row: Row) -> Row:
    """What stays in memory of a row: of one that agrees, its worst array."""
    if row.judged is None or row.verdict is not Verdict.AGREE:
        return row
    return dataclasses.replace(row, judged=row.judged.condensed())


def _summary(outcome: Outcome) -> str:
    done, failed = len(outcome.results), len(outcome.failures)
    return f"{done} measured" + (f", {failed} could not run" if failed else "")
