"""The process in which one framework works: `python -m parity.worker JOB.json`.

A job names the framework, its role, and the cases. Only this process imports a framework, and only
the one it was made for. It sends messages (`messages.py`) and leaves its arrays in the cases'
folders. Beside the framework it needs NumPy and safetensors, nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from parity.judge.measurement import PortMeasurement, ReferenceMeasurement
from parity.measure.port import measure_port
from parity.measure.reference import measure_reference
from restoration.errors import InputError, RestorationError
from restoration.models.registry import spec_from_dict
from restoration.process import memory
from restoration.process.messages import Message, Outbox


def main(arguments: list[str]) -> int:
    """Do the job; 0 unless the framework itself could not be used."""
    job = json.loads(Path(arguments[0]).read_text())
    outbox = Outbox.take_stdout()
    try:
        make_engine = _load_engine(job, outbox)
    except Exception as problem:
        outbox.send(Message("failed", text=_explain(problem)))
        return 1
    for case in job["cases"]:
        _work(job, case, make_engine, outbox)
    return 0


def _load_engine(job: dict[str, Any], outbox: Outbox) -> Any:
    """Prepare the process, import the framework, and try that an engine can be made."""
    package = job["package"]
    runtime = importlib.import_module(f"{package}.runtime")
    runtime.prepare(
        job["device"],
        report=lambda text: outbox.send(Message("progress", text=text)),
        warn=lambda text: outbox.send(Message("warning", text=text)),
    )
    engine = importlib.import_module(f"{package}.engine")
    make_engine = functools.partial(engine.ENGINE, device=job["device"])
    description = make_engine().describe()
    outbox.send(Message("ready", data={"engine": description, "devices": engine.devices()}))
    return make_engine


def _work(job: dict[str, Any], case: dict[str, Any], make_engine: Any, outbox: Outbox) -> None:
    """Measure one case and say how it went."""

    def report(text: str) -> None:
        outbox.send(Message("progress", case["name"], text))

    folder, spec = Path(case["folder"]), spec_from_dict(case["spec"])
    memory.reset_peak()
    started = time.monotonic()
    result: ReferenceMeasurement | PortMeasurement
    try:
        if job["role"] == "reference":
            result = measure_reference(make_engine, spec, folder, case["seed"], report)
        else:
            result = measure_port(make_engine, spec, folder, job["framework"], report)
    except Exception as problem:
        data = {"bad_input": isinstance(problem, InputError)}
        outbox.send(Message("failed", case["name"], _explain(problem), data))
        if not isinstance(problem, RestorationError):
            sys.excepthook(type(problem), problem, problem.__traceback__)  # into the log
        return
    seconds = round(time.monotonic() - started, 3)
    result = dataclasses.replace(result, seconds=seconds, peak_mb=memory.peak_mb())
    outbox.send(Message("done", case["name"], data=result.to_json()))


def _explain(problem: Exception) -> str:
    """An exception in one line."""
    if isinstance(problem, RestorationError):
        return str(problem)
    if isinstance(problem, ModuleNotFoundError) and problem.name:
        return (
            f"{problem.name} is not installed: {sys.executable} -m pip install {problem.name} "
            "(`parity doctor` tells the version)"
        )
    first_line = (str(problem).strip().splitlines() or [""])[0]
    return f"{type(problem).__name__}: {first_line}"


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # Frameworks are known to crash while they are torn down, after all the work is done.
    sys.stderr.flush()
    os._exit(status)
