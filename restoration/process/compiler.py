"""The C++ compiler that Jittor needs: whether it can do it, by trying, and why a build failed."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from restoration.process import cache

VARIABLE = "cc_path"
"""Jittor's own: names another compiler."""
_OLDEST_GCC = 5
_AT_MOST_S = 120.0
_FLAGS = ("-std=c++14", "-fopenmp", "-fPIC", "-shared", "-x", "c++")
_SOURCE = """
#include <vector>
extern "C" int answer() {
    auto sum = [](auto a, auto b) { return a + b; };
    return sum(40, static_cast<int>(std::vector<int>(2).size()));
}
"""
_REASON = re.compile(
    r"(?<![A-Za-z])(fatal |internal compiler )?error: |undefined reference|cannot find -l|"
    r"No space left on device|Permission denied|Killed"
)
_MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Trial:
    """What came of trying the compiler. title: its name and version. problem: why it cannot serve
    Jittor, "" if it can. remedy: the command that helps."""

    title: str
    problem: str = ""
    remedy: str = ""


def name() -> str:
    """The command that Jittor compiles with."""
    return os.environ.get(VARIABLE) or "g++"


def try_out(folder: Path) -> Trial:
    """Compile a few lines of what Jittor's code needs into a library in a folder, and load it.

    Raises:
        OSError: the folder cannot be written.
    """
    path = shutil.which(name())
    if path is None:
        return Trial(name(), f"no {name()}; Jittor needs it", "apt-get install g++")
    version = _version(path)
    title = f"{Path(path).name} {version}".rstrip()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        library = Path(scratch, "trial.so")
        try:
            finished = subprocess.run(
                [path, *_FLAGS, "-", "-o", str(library)],
                input=_SOURCE,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_AT_MOST_S,
                check=False,
            )
            said = finished.stderr + finished.stdout
            failed = finished.returncode != 0 or not library.exists()
        except (OSError, subprocess.TimeoutExpired) as problem:
            said, failed = str(problem), True
        if failed:
            return _failed(title, version, reason(said))
        try:
            ctypes.CDLL(str(library))
        except OSError as problem:
            return Trial(
                title,
                f"what {title} compiles cannot be loaded from {folder}: {problem}",
                f"{cache.VARIABLE}=/folder/where/programs/may/run parity run",
            )
    return Trial(title)


def reason(log: str) -> str:
    """Why a build failed, from all that it printed: what the compiler said first, else the last
    line, which for most programs is the error."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    found = next((line for line in lines if _REASON.search(line)), lines[-1] if lines else "")
    return found if len(found) <= _MOST_CHARACTERS else found[:_MOST_CHARACTERS] + "..."


def _failed(title: str, version: str, why: str) -> Trial:
    remedy = f"{VARIABLE}=/path/to/another/g++ parity run"
    major = re.match(r"\d+", version)
    if major and int(major[0]) < _OLDEST_GCC:
        problem = f"{title} is too old, Jittor needs C++14: g++ {_OLDEST_GCC} or later"
        return Trial(title, f"{problem} ({why})" if why else problem, remedy)
    return Trial(title, f"{title} cannot compile: {why or 'it says nothing'}", remedy)


def _version(path: str) -> str:
    """As the compiler says it; what it can do is tried, not told by this."""
    try:
        finished = subprocess.run(
            [path, "-dumpfullversion", "-dumpversion"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_AT_MOST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return finished.stdout.strip().partition("\n")[0]
