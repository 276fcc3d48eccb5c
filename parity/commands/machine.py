"""What the doctor looks at of the machine: each check tries what it vouches for.

A check raises OSError or anything else where it cannot even look; `doctor` tells that too.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import restoration.process.cache as caches
import restoration.process.compiler as compilers
from restoration.process import memory as memories

_FREE_GB = 2  # what compiled kernels and the arrays of a run need at most, with room to spare
_PROCESS_MB = 1024  # what a framework takes on a default case, which is up to 900, and judging it


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report. fix: the command that puts it right, or ""."""

    subject: str
    ok: bool
    text: str
    fix: str = ""


def python() -> Finding:
    """The interpreter's version."""
    version = platform.python_version()
    ok = sys.version_info[:2] == (3, 11)
    fix = "" if ok else "make PYTHON=/path/to/python3.11 test"
    return Finding("Python", ok, f"{version} ({sys.executable}); tested with 3.11", fix)


def memory(parallel: int) -> Finding:
    """Whether a number of ports at a time find room."""
    total_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    available_mb = memories.available_mb()
    text = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {total_gb:.0f} GiB, "
        f"{available_mb / 1024:.1f} to be had"
    )
    if available_mb >= parallel * _PROCESS_MB:
        return Finding("machine", True, text)
    text += f"; {parallel} ports at a time need {parallel * _PROCESS_MB / 1024:g}"
    if available_mb >= _PROCESS_MB:
        fix = f"parity run --parallel {available_mb // _PROCESS_MB}"
    else:
        fix = "end other programs, or raise the limit of this one (ulimit -v, or its container's)"
    return Finding("machine", False, text, fix)


def console() -> Finding:
    """Whether it can show every character."""
    encoding = (sys.stdout.encoding or "utf-8").lower()
    if encoding.startswith("utf"):
        return Finding("console", True, encoding)
    text = f"{encoding}; what it has not, as in names of files, is escaped"
    return Finding("console", False, text, "PYTHONUTF8=1 PYTHONIOENCODING=utf-8 parity run")


def compiler() -> Finding:
    """Whether it compiles what Jittor needs, and the result can be loaded from the cache."""
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            folder = caches.folder("jittor")
        except OSError:  # which is a finding of its own
            folder = Path(elsewhere)
        trial = compilers.try_out(folder)
    text = trial.problem or f"{shutil.which(compilers.name())}, {trial.title}, for Jittor"
    return Finding("compiler", not trial.problem, text, trial.remedy)


def cache() -> Finding:
    """Whether compiled kernels find a place that stays, with room, where programs may run."""
    fix = f"{caches.VARIABLE}=/folder/that/can/be/written parity run"
    try:
        folder = caches.folder("jittor").parent
    except OSError as problem:
        return Finding("cache", False, f"{caches.home()} cannot be written: {_why(problem)}", fix)
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        text = f"{folder} is mounted noexec: compiled kernels cannot be loaded from it"
        return Finding("cache", False, text, fix.replace("that/can/be/written", "to/run/from"))
    if folder != caches.home():
        text = f"{caches.home()} cannot be written; {folder} stands in, which the system may empty"
        return Finding("cache", False, text, fix)
    return _with_room("cache", folder, f"{caches.VARIABLE}=/folder/on/a/larger/disk parity run")


def runs(folder: Path) -> Finding:
    """Whether the folder of the runs, or the nearest one above it that exists, can be written."""
    place = folder.absolute()
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        with tempfile.TemporaryDirectory(dir=place):
            pass
    except OSError as problem:
        text = f"{folder.absolute()} cannot be written: {_why(problem)}"
        return Finding("runs", False, text, "parity run --runs /folder/that/can/be/written")
    return _with_room("runs", place, "parity run --runs /folder/on/a/larger/disk")


def temporary_files() -> Finding:
    """Whether compilers and frameworks have a place for them."""
    try:
        folder = Path(tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        fix = "TMPDIR=/folder/that/can/be/written parity run"
        return Finding("temporary files", False, f"no place for them: {_why(problem)}", fix)
    return _with_room("temporary files", folder, "TMPDIR=/folder/on/a/larger/disk parity run")


def _with_room(subject: str, folder: Path, fix: str) -> Finding:
    free_gb = shutil.disk_usage(folder).free / 2**30
    if free_gb > _FREE_GB:
        return Finding(subject, True, f"{folder}, {free_gb:.0f} GiB free")
    text = f"{folder}, {free_gb:.1f} GiB free, of {_FREE_GB} that a run may need"
    return Finding(subject, False, text, fix)


def _why(problem: OSError) -> str:
    return problem.strerror or str(problem)
