"""What is installed, which devices each framework can use, what is missing and what fixes it.

Every finding is gathered on its own: whatever is broken, the others are still told.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from parity.report.progress import Progress
from restoration.errors import UnavailableError
from restoration.process import cache
from restoration.process.frameworks import framework_of
from restoration.process.launch import Process, Worker

_LIBRARIES = ("numpy", "scipy", "scikit-image", "opencv-python-headless", "tifffile", "safetensors")
_FREE_GB = 2  # what compiled kernels and the arrays of a run need at most, with room to spare


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report. fix: the command that puts it right, or ""."""

    subject: str
    ok: bool
    text: str
    fix: str = ""


def examine(workers: Sequence[Worker], progress: Progress) -> list[Finding]:
    """Everything worth knowing about this machine; never raises."""
    return [
        _guarded("Python", _python),
        _guarded("machine", _machine),
        _guarded("compiler", _compiler),
        _guarded("cache", _cache),
        *(_guarded(name, functools.partial(_library, name)) for name in _LIBRARIES),
        *(
            _guarded(worker.framework, functools.partial(_framework, worker, progress))
            for worker in workers
        ),
    ]


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


def _python() -> Finding:
    version = platform.python_version()
    ok = sys.version_info[:2] == (3, 11)
    fix = "" if ok else "make PYTHON=/path/to/python3.11 test"
    return Finding("Python", ok, f"{version} ({sys.executable}); tested with 3.11", fix)


def _machine() -> Finding:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    text = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory_gb:.0f} GiB"
    return Finding("machine", True, text)


def _compiler() -> Finding:
    name = os.environ.get("cc_path", "g++")
    path = shutil.which(name)
    if path:
        return Finding("compiler", True, f"{path}, for Jittor")
    return Finding("compiler", False, f"no {name}; Jittor needs it", "apt-get install g++")


def _cache() -> Finding:
    folder = cache.folder("jittor")
    free_gb = shutil.disk_usage(folder).free / 2**30
    text = f"{folder.parent}, {free_gb:.0f} GiB free"
    fix = "" if free_gb > _FREE_GB else f"{cache.VARIABLE}=/folder/on/a/larger/disk parity run"
    return Finding("cache", not fix, text, fix)


def _library(name: str) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        fix = f"{sys.executable} -m pip install --editable ."
        return Finding(name, False, "not installed", fix)


def _framework(worker: Worker, progress: Progress) -> Finding:
    """Start the framework and ask what it is."""
    warnings: list[str] = []
    try:
        with Process(
            worker, show=functools.partial(progress.show, worker.framework), warn=warnings.append
        ) as process:
            engine, devices = process.engine, process.devices
    except UnavailableError as problem:
        row = framework_of(worker.package)
        mend = row.how_to_install(worker.python) if row else ""
        return Finding(worker.framework, False, str(problem), mend)
    finally:
        progress.finish(worker.framework, "examined")
    details = ", ".join(f"{key} {value}" for key, value in engine.items())
    text = f"{details}; devices: {', '.join(devices)}"
    return Finding(worker.framework, not warnings, "; ".join([text, *warnings]))
