"""A parity job: the cases that one framework measures in a process of its own.

`run_worker` hands out the cases; `measure` is what the process does with one. It leaves its arrays
in the case's folder.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from parity.judge.measurement import PortMeasurement, ReferenceMeasurement
from parity.measure.port import measure_port
from parity.measure.reference import measure_reference
from restoration.errors import InputError, RestorationError, UnavailableError
from restoration.models.registry import spec_from_dict
from restoration.process import memory
from restoration.process.launch import Process, Worker
from restoration.process.serve import Session

Role = Literal["reference", "port"]


@dataclass
class Outcome:
    """What a framework said: results by case, reasons by failed case, its engine's description.

    bad_input: why a case failed by what the user gave.
    """

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    engine: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    bad_input: str = ""


def run_worker(
    worker: Worker,
    role: Role,
    cases: Sequence[dict[str, Any]],
    folder: Path,
    show: Callable[[str], None],
) -> Outcome:
    """Have a framework measure cases; never raises for what its process does.

    A process that crashes, is killed, or stays silent too long loses the case it was at; the others
    go to a fresh one.

    cases: {"name", "folder", "spec", "seed"} each. folder: for the log. show: takes a line of
    progress.
    """
    outcome = Outcome()
    pending = list(cases)
    while pending:
        try:
            with Process(
                worker, folder / worker.framework, show=show, warn=outcome.warnings.append
            ) as process:
                outcome.engine = process.engine
                while pending and process.is_running:
                    _run_case(process, role, pending.pop(0), outcome)
        except UnavailableError as problem:  # no case would get further
            outcome.failures |= {case["name"]: str(problem) for case in pending}
            break
    return outcome


def _run_case(process: Process, role: Role, case: dict[str, Any], outcome: Outcome) -> None:
    """Have one case measured, and put what comes of it where it belongs."""
    name = case["name"]
    arguments = {"role": role, "framework": process.worker.framework, **case}
    try:
        outcome.results[name] = process.call("parity.worker:measure", arguments, about=name)
    except RestorationError as problem:
        outcome.failures[name] = str(problem)
        if isinstance(problem, InputError):
            outcome.bad_input = outcome.bad_input or str(problem)


def measure(
    session: Session,
    *,
    role: Role,
    framework: str,
    name: str,
    folder: str,
    spec: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Measure one case in this process: see `measure_reference` and `measure_port`."""
    case, network = Path(folder), spec_from_dict(spec)
    memory.reset_peak()
    started = time.monotonic()
    result: ReferenceMeasurement | PortMeasurement
    if role == "reference":
        result = measure_reference(session.make_engine, network, case, seed, session.report)
    else:
        result = measure_port(session.make_engine, network, case, framework, session.report)
    seconds = round(time.monotonic() - started, 3)
    return dataclasses.replace(result, seconds=seconds, peak_mb=memory.peak_mb()).to_json()
