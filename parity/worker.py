"""A parity job: the cases that one framework measures in a process of its own.

`Measurer` hands out the cases; `measure` is what the process does with one. It leaves its arrays
in the case's folder.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
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

    kept: how many of the results were measured in an earlier run.
    """

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    engine: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    kept: int = 0


class Measurer:
    """A framework that measures cases one after another, in a process that stays up.

    A process that crashes, is killed, or stays silent too long loses the case it was at; the others
    go to a fresh one. Used by one thread at a time.
    """

    def __init__(
        self, worker: Worker, role: Role, folder: Path, show: Callable[[str], None]
    ) -> None:
        """folder: for the log. show: takes a line of progress."""
        self.worker, self.outcome = worker, Outcome()
        self._role, self._folder, self._show = role, folder / worker.framework, show
        self._process: Process | None = None
        self._unavailable = ""

    def measure(self, case: Mapping[str, Any]) -> None:
        """Have a case measured, and put what comes of it into `outcome`.

        case: {"name", "folder", "spec", "seed"}.

        Raises:
            InputError: the case failed by what the user gave.
        """
        name, outcome = case["name"], self.outcome
        arguments = {"role": self._role, "framework": self.worker.framework, **case}
        try:
            outcome.results[name] = self.call("parity.worker:measure", arguments, about=name)
        except InputError:
            raise
        except RestorationError as problem:
            outcome.failures[name] = str(problem)

    def call(self, function: str, arguments: Mapping[str, Any], *, about: str = "") -> Any:
        """What a function says in the process; raises what `Process.call` does.

        Raises:
            UnavailableError: no process can be started, or could be at the first time.
        """
        if self._unavailable:  # nothing would get further
            raise UnavailableError(self._unavailable)
        if self._process is not None and not self._process.is_running:
            self.close()
        if self._process is None:
            try:
                self._process = Process(
                    self.worker,
                    self._folder,
                    show=self._show,
                    warn=self.outcome.warnings.append,
                )
            except UnavailableError as problem:
                self._unavailable = str(problem)
                raise
            self.outcome.engine = self._process.engine
        return self._process.call(function, arguments, about=about)

    def kill(self) -> None:
        """End the process at once, whatever it does, from any thread."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process; the next case starts another."""
        if self._process is not None:
            self._process.close()
            self._process = None


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
