"""`parity compare --watch`: the files that a port consists of, and waiting until one changes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path

from parity.adapters.lines import is_users
from parity.adapters.networks import Running
from parity.adapters.sides import Side
from restoration.errors import RestorationError

_POLL_S = 0.3
_CLOCK_NS = 20_000_000  # by which the times of files may be behind
_Stamp = tuple[int, int]


def files_of(running: Running) -> set[str]:
    """The user's files that a side's process has imported or read."""
    if running.process is None:
        return set()
    with contextlib.suppress(RestorationError):
        found = running.process.call("parity.measure.sources:sources")
        return {path for path in found if is_users(path)}
    return set()


class Watch:
    """The files of a port as they were when a comparison began."""

    def __init__(self, port: Side):
        self._files = set(_beside(port))
        self.begin()

    def begin(self) -> None:
        """A comparison begins: what changes from now on counts."""
        self._began_ns = time.time_ns()
        self._stamps = _stamps(self._files)

    def wait(self, files: Collection[str]) -> None:
        """Wait until a file has changed since the comparison began, come or gone.

        files: those that the comparison found the port to consist of, if it got so far.
        """
        if files:
            self._files = set(files)
        while not self._has_changed():
            time.sleep(_POLL_S)

    def _has_changed(self) -> bool:
        now = _stamps(self._files)
        for file in self._files:
            stamp = now.get(file)
            if file in self._stamps:
                if stamp != self._stamps[file]:
                    return True
            elif stamp is not None and stamp[0] > self._began_ns - _CLOCK_NS:
                return True
        return False


def _stamps(files: Collection[str]) -> dict[str, _Stamp]:
    """When each file was changed, and its size; none of one that is not there."""
    found = {}
    for file in files:
        with contextlib.suppress(OSError):  # an editor may be replacing it
            status = os.stat(file)
            found[file] = (status.st_mtime_ns, status.st_size)
    return found


def _beside(port: Side) -> list[str]:
    """The Python files of a port's folder: as long as it could not be imported, any may be why."""
    if not port.is_file:
        return []
    source = Path(port.source).absolute()
    return [str(source), *map(str, source.parent.glob("*.py"))]
