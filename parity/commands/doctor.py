"""What is installed, which devices each framework can use, what is missing and what fixes it.

Every finding is gathered on its own: whatever is broken, the others are still told.
"""

from __future__ import annotations

import functools
import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from parity.commands import machine
from parity.commands.machine import Finding
from parity.report.progress import Progress
from restoration.console import Console
from restoration.errors import UnavailableError
from restoration.process.frameworks import Framework, framework_of
from restoration.process.launch import Process, Worker

_LIBRARIES = ("numpy", "scipy", "scikit-image", "opencv-python-headless", "tifffile", "safetensors")


def examine(
    workers: Sequence[Worker], progress: Progress, *, runs: Path, parallel: int
) -> list[Finding]:
    """Everything worth knowing about this machine; never raises.

    runs: the folder of the runs. parallel: how many ports are to work at a time.
    """
    checks: dict[str, Callable[[], Finding]] = {
        "Python": machine.python,
        "machine": functools.partial(machine.memory, parallel),
        "console": machine.console,
        "compiler": machine.compiler,
        "cache": machine.cache,
        "runs": functools.partial(machine.runs, runs),
        "temporary files": machine.temporary_files,
    }
    checks |= {name: functools.partial(_library, name) for name in _LIBRARIES}
    checks |= {
        worker.framework: functools.partial(_framework, worker, progress) for worker in workers
    }
    return [_guarded(subject, find) for subject, find in checks.items()]


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """The findings as a table, then the commands that fix what is wrong."""
    table = Table(show_header=False, box=None)
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[bold red]wrong[/]"
        table.add_row(mark, finding.subject, finding.text)
    console.print(table)
    for finding in findings:
        if finding.fix:
            console.print(f"to fix {finding.subject}: {finding.fix}", soft_wrap=True, markup=False)


def to_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings as plain values."""
    return [asdict(finding) for finding in findings]


def _guarded(subject: str, find: Callable[[], Finding]) -> Finding:
    """A finding, or how finding it failed."""
    try:
        return find()
    except Exception as problem:
        return Finding(subject, False, f"{type(problem).__name__}: {problem}")


def _library(name: str) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        fix = f"{sys.executable} -m pip install --editable ."
        return Finding(name, False, "not installed", fix)


def _framework(worker: Worker, progress: Progress) -> Finding:
    """Start the framework and ask what it is."""
    warnings: list[str] = []
    row = framework_of(worker.package)
    try:
        with Process(
            worker, show=functools.partial(progress.show, worker.framework), warn=warnings.append
        ) as process:
            engine, devices = process.engine, process.devices
    except UnavailableError as problem:
        return Finding(worker.framework, False, str(problem), _remedy(row, worker, str(problem)))
    finally:
        progress.finish(worker.framework, "examined")
    details = ", ".join(f"{key} {value}" for key, value in engine.items())
    problems = list(warnings)
    fix = ""
    if row and _version(engine) != row.version:
        problems.append(f"tested with {row.version}")
        fix = row.how_to_install(worker.python)
    elif row and engine.get("oneDNN", "").startswith("none"):
        fix = row.how_to_install(worker.python)
    text = f"{details}; devices: {', '.join(devices)}"
    return Finding(worker.framework, not problems, "; ".join([text, *problems]), fix)


def _remedy(row: Framework | None, worker: Worker, problem: str) -> str:
    """The command for a framework that cannot be started; none where another finding has it, as
    for a compiler."""
    if shutil.which(worker.python) is None:
        return f"parity run --python {worker.framework}=/path/to/python"
    return row.how_to_install(worker.python) if row and "pip install" in problem else ""


def _version(engine: Mapping[str, str]) -> str:
    """The version in an engine's description, "PyTorch 2.13.0+cpu", without what was built how."""
    return engine.get("framework", "").rpartition(" ")[2].partition("+")[0]
