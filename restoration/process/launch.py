"""Starts workers and listens to them. Whatever happens to one, its cases get a result.

A worker that crashes, is killed, or stays silent too long loses the case it was at; the others of
its cases go to a fresh worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restoration.process.messages import Message, parse

_ROOT = Path(__file__).resolve().parents[2]
_KILLED_NOTE = "the system kills a process so when memory runs out"


@dataclass(frozen=True)
class Worker:
    """How to run a framework.

    framework: its name in reports. package: the engine's package, as `jittor_impl`. python: the
    interpreter. role: "reference" or "port". silence_s: how long it may say nothing.
    """

    framework: str
    package: str
    role: str
    device: str
    python: str = sys.executable
    silence_s: float = 600.0


@dataclass
class Outcome:
    """What a worker said: results by case, reasons by failed case, its engine's description.

    bad_input: why a case failed by what the user gave.
    """

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    engine: dict[str, str] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    bad_input: str = ""


def run_worker(
    worker: Worker,
    cases: Sequence[dict[str, Any]],
    folder: Path,
    show: Callable[[str], None],
) -> Outcome:
    """Have a framework measure cases; never raises for what the worker does.

    cases: {"name", "folder", "spec", "seed"} each. folder: for the job, the log and the worker's
    working directory. show: takes a line of progress.
    """
    outcome = Outcome()
    pending = [case["name"] for case in cases]
    while True:
        job = [case for case in cases if case["name"] in pending]
        reason = _run_once(worker, job, folder, outcome, show)
        done = outcome.results.keys() | outcome.failures.keys()
        pending = [name for name in pending if name not in done]
        if not pending:
            return outcome
        if not outcome.engine:  # it never got as far as a case: no other case would
            outcome.failures.update(dict.fromkeys(pending, reason))
            return outcome
        outcome.failures[pending[0]] = reason


def probe(worker: Worker, folder: Path, show: Callable[[str], None]) -> tuple[Outcome, str]:
    """Have a framework say what it is; the reason in words if it cannot."""
    outcome = Outcome()
    reason = _run_once(worker, [], folder, outcome, show)
    return outcome, "" if outcome.engine else reason


def _run_once(
    worker: Worker,
    cases: Sequence[dict[str, Any]],
    folder: Path,
    outcome: Outcome,
    show: Callable[[str], None],
) -> str:
    """One process, until it ends; why it ended early, if it did."""
    scratch = folder / worker.framework
    scratch.mkdir(parents=True, exist_ok=True)
    job_file, log_file = scratch / "job.json", scratch / "log.txt"
    job = {
        "framework": worker.framework,
        "package": worker.package,
        "role": worker.role,
        "device": worker.device,
        "cases": list(cases),
    }
    job_file.write_text(json.dumps(job, indent=1))
    show("starting")
    with open(log_file, "ab") as log:
        try:
            process = subprocess.Popen(
                [worker.python, "-m", "parity.worker", str(job_file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=scratch,
                env=_environment(),
                text=True,
                start_new_session=True,
            )
        except OSError as problem:
            return f"{worker.python} cannot be started: {problem.strerror}"
    ended = _listen(process, worker, outcome, show)
    if ended:
        return ended
    return _explain_exit(process.returncode, log_file)


def _listen(
    process: subprocess.Popen[str],
    worker: Worker,
    outcome: Outcome,
    show: Callable[[str], None],
) -> str:
    """Take a worker's messages until it ends or is ended; why, if it said or was ended."""
    lines: queue.Queue[str | None] = queue.Queue()
    assert process.stdout is not None
    stdout = process.stdout

    def read() -> None:
        for line in stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    reason = ""
    try:
        while True:
            try:
                line = lines.get(timeout=worker.silence_s)
            except queue.Empty:
                return f"no sign of life for {worker.silence_s:g} s (--timeout): ended"
            if line is None:
                process.wait()
                return reason
            message = parse(line)
            if message:
                reason = _take(message, outcome, show) or reason
    finally:
        _end(process)


def _take(message: Message, outcome: Outcome, show: Callable[[str], None]) -> str:
    """Put a message where it belongs; the reason if it says that there is no framework."""
    data = message.data or {}
    if message.kind == "progress":
        show(f"{message.case}: {message.text}" if message.case else message.text)
    elif message.kind == "warning":
        outcome.warnings.append(message.text)
    elif message.kind == "ready":
        outcome.engine, outcome.devices = data["engine"], data["devices"]
    elif message.kind == "done":
        outcome.results[message.case] = data
    elif message.kind == "failed" and message.case:
        outcome.failures[message.case] = message.text
        outcome.bad_input = outcome.bad_input or (message.text if data["bad_input"] else "")
    elif message.kind == "failed":
        return message.text
    return ""


def _end(process: subprocess.Popen[str]) -> None:
    """Kill what is left of a worker and its children, as compilers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _explain_exit(status: int, log_file: Path) -> str:
    """Why a process ended that was not done."""
    if status < 0:
        name = signal.Signals(-status).name
        note = f" ({_KILLED_NOTE})" if -status == signal.SIGKILL else ""
        return f"the worker was ended by {name}{note}; its output is in {log_file}"
    tail = [line for line in log_file.read_text(errors="replace").splitlines() if line.strip()]
    last = f": {tail[-1]}" if tail else ""
    return f"the worker ended with status {status}{last}; its output is in {log_file}"


def _environment() -> dict[str, str]:
    """The worker's environment: ours, with this suite where any interpreter finds it.

    Threads that wait give way. By default they spin, and where other work keeps one of them off its
    core, two threads are then a hundred times slower than one.
    """
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    waiting = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    return waiting | os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
