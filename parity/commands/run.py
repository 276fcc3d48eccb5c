"""A parity run: the reference measures, the ports measure, everything is judged."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import functools
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parity.cases.case import Case
from parity.judge.verdicts import Verdict
from parity.measure.kept import Kept
from parity.measure.truths import KeptTruths
from parity.report.progress import Progress
from parity.report.result import Row, Run, filling, new_folder, writing
from parity.report.rows import rows_of
from parity.worker import Measurer, Outcome
from restoration.errors import InputError
from restoration.process import launch
from restoration.process.launch import Worker

# What is measured before it is judged, and its arrays dropped: it bounds the disk and memory of a
# run. What a network computes of its inputs takes some 400 times their space: up to 1 GB.
_MOST_CASES = 8
_MOST_INPUT_BYTES = 4_000_000
_MOST_OPEN = 4  # ports whose processes stay up from case to case


def run(
    cases: Iterable[Case],
    reference: Worker,
    ports: Sequence[Worker],
    *,
    runs_folder: Path,
    progress: Progress,
    keep_arrays: bool = False,
    parallel: int = 2,
    kept: Kept | None = None,
) -> Run:
    """Measure and judge every case in every framework, and write `result.json`.

    While ports measure a case, the reference measures the next ones. Arrays of a case on which all
    agree are deleted when it is judged, unless `keep_arrays`. cases: of different names; taken as
    they are needed. parallel: how many frameworks work at a time. kept: where the reference's
    results are kept from run to run, and taken from.

    Raises:
        InputError: a case's inputs or weights do not fit its network, two have one name, or the
            run's folder cannot be written.
    """
    result = Run(new_folder(runs_folder))
    with (
        filling(result.folder),
        writing(result) as write_row,
        _Pipeline(result, reference, ports, progress, parallel=parallel, kept=kept) as pipeline,
    ):
        for case in pipeline.measured(_distinct(cases)):
            progress.show("judging", case.name)
            folder = result.folder / case.name
            rows = list(rows_of(case, folder, reference.framework, *pipeline.outcomes))
            for row in rows:
                write_row(row)
            result.rows += map(_condensed, rows)
            if not keep_arrays and all(row.verdict is Verdict.AGREE for row in rows):
                shutil.rmtree(folder)
        pipeline.finish()
        progress.finish("judging", f"{pipeline.count} cases judged")
    return result


def _distinct(cases: Iterable[Case]) -> Iterator[Case]:
    """The cases; they need different names, as folders have.

    Raises:
        InputError: two have one name.
    """
    names: set[str] = set()
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
        yield case


class _Pipeline:
    """The reference and the ports at work, each in a thread and a process of its own."""

    def __init__(
        self,
        result: Run,
        reference: Worker,
        ports: Sequence[Worker],
        progress: Progress,
        *,
        parallel: int,
        kept: Kept | None,
    ):
        self.count = 0
        self._result, self._progress = result, progress
        self._slots = threading.Semaphore(parallel)
        self._is_ending = threading.Event()  # who waits for a slot then is not to begin
        self._measurers = [
            Measurer(
                worker,
                "port" if place else "reference",
                result.folder / "workers",
                functools.partial(progress.show, worker.framework),
            )
            for place, worker in enumerate((reference, *ports))
        ]
        self._threads = [concurrent.futures.ThreadPoolExecutor(1) for _ in self._measurers]
        self._truths = KeptTruths(kept, self._measurers[0]) if kept else None

    def __enter__(self) -> _Pipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._is_ending.set()
        for thread in self._threads:
            thread.shutdown(wait=False, cancel_futures=True)
        if kind is KeyboardInterrupt:
            launch.end_all()
        elif kind is not None:  # else leaving waits for what they still do
            for measurer in self._measurers:
                measurer.kill()
        for thread in self._threads:
            thread.shutdown()
        for measurer in self._measurers:
            measurer.close()

    @property
    def outcomes(self) -> tuple[Outcome, Mapping[str, Outcome]]:
        """What the reference said, and the ports by name."""
        truth, *others = self._measurers
        return truth.outcome, {port.worker.framework: port.outcome for port in others}

    def measured(self, cases: Iterable[Case]) -> Iterator[Case]:
        """The cases in order, each as soon as all have measured it."""
        waiting: collections.deque[tuple[Case, list[concurrent.futures.Future[None]]]]
        waiting = collections.deque()
        rest, is_last, held = iter(cases), False, 0
        while waiting or not is_last:
            if not is_last and len(waiting) < _MOST_CASES and held < _MOST_INPUT_BYTES:
                case = next(rest, None)
                if case is None:
                    is_last = True
                else:
                    held += _size(case)
                    waiting.append((case, self._submit(case)))
                continue
            case, futures = waiting.popleft()
            for future in futures:
                future.result()
            held -= _size(case)
            self.count += 1
            yield case

    def _submit(self, case: Case) -> list[concurrent.futures.Future[None]]:
        folder = self._result.folder / case.name
        case.write(folder)
        job = {
            "name": case.name,
            "folder": str(folder),
            "spec": case.spec.to_dict(),
            "seed": case.seed,
        }
        truth = self._threads[0].submit(self._measure_reference, job)
        return [truth] + [
            thread.submit(self._measure_port, measurer, job, truth)
            for thread, measurer in zip(self._threads[1:], self._measurers[1:], strict=True)
        ]

    def _measure_reference(self, job: Mapping[str, Any]) -> None:
        if self._truths is not None and self._truths.take(job):
            return
        with self._slots:
            if self._is_ending.is_set():
                return
            self._measurers[0].measure(job)
        if self._truths is not None:
            self._truths.keep(job)

    def _measure_port(
        self,
        measurer: Measurer,
        job: Mapping[str, Any],
        truth: concurrent.futures.Future[None],
    ) -> None:
        truth.result()
        if job["name"] not in self._measurers[0].outcome.results:
            return
        with self._slots:
            if self._is_ending.is_set():
                return
            measurer.measure(job)
            if len(self._measurers) > _MOST_OPEN + 1:
                measurer.close()

    def finish(self) -> None:
        """Tell what became of each framework."""
        for measurer in self._measurers:
            outcome = measurer.outcome
            framework = measurer.worker.framework
            self._result.engines[framework] = outcome.engine
            known = self._result.warnings
            known += [text for text in outcome.warnings if text not in known]
            self._progress.finish(framework, _summary(outcome))


def _size(case: Case) -> int:
    return sum(array.nbytes for array in case.inputs.values())


def _condensed(row: Row) -> Row:
    """What stays in memory of a row: of one that agrees, its worst array."""
    if row.judged is None or row.verdict is not Verdict.AGREE:
        return row
    return dataclasses.replace(row, judged=row.judged.condensed())


def _summary(outcome: Outcome) -> str:
    done, failed = len(outcome.results) - outcome.kept, len(outcome.failures)
    return (
        f"{done} measured"
        + (f", {outcome.kept} kept from an earlier run" if outcome.kept else "")
        + (f", {failed} could not run" if failed else "")
    )
