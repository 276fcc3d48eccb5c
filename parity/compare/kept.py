"""A side whose answers are kept from run to run: its process is asked for what is new alone."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from parity.adapters.networks import Running
from parity.adapters.sides import Side
from parity.measure.kept import Entry, Kept, circumstances, digest_of_file
from restoration.errors import InputError
from restoration.process.launch import FailedError, Process

_CHANGING = ("open_network", "load", "fold", "set_mode")
"""What leaves the network as another one."""
_KEPT = (
    *(f"parity.adapters.serving:{name}" for name in _CHANGING),
    *(f"parity.adapters.serving:{name}" for name in ("describe", "write_state", "run", "tapped")),
    "parity.diagnose.truth:measure_outputs",
    "parity.diagnose.truth:measure_noise",
    "parity.diagnose.backward:measure_gradients",
)
_FILES_READ = ("inputs", "weights", "cotangents", "truth")
_FILE_WRITTEN = "path"
_FILE = "file"


class KeptSide(Running):
    """A network whose answers come from a cache where they can.

    Its process starts in the background. What changes the network is told it when it is first asked
    for something that was not kept.
    """

    def __init__(self, side: Side, folder: Path, kept: Kept, start: Callable[[], Process]):
        """start: gives the process.

        Raises:
            OSError, ValueError: nothing is known of the interpreter.
        """
        super().__init__(side, None, folder)
        self._kept = kept
        self._base = [circumstances(side.worker(0.0)), side.request(), os.getcwd()]
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._started = self._thread.submit(start)
        self._changes: list[tuple[str, dict[str, Any]]] = []
        self._described: list[Any] = []
        self._told = 0

    @classmethod
    def of(
        cls, side: Side, folder: Path, kept: Kept, start: Callable[[], Process]
    ) -> KeptSide | None:
        """None where nothing can be kept."""
        try:
            return cls(side, folder, kept, start)
        except (OSError, ValueError, subprocess.SubprocessError):
            return None

    def call(self, function: str, **arguments: Any) -> Any:
        if function not in _KEPT:
            return self._live().call(function, arguments)
        is_changing = function.rpartition(":")[2] in _CHANGING
        described = [function, _described(function, arguments)]
        name = self._kept.name_of("side", self._base, self._described, described)
        entry = self._kept.find(name)
        if entry is None or not self._take(entry, arguments):
            answer = self._asked(name, function, arguments, is_changing=is_changing)
        elif "failed" in entry.answer:
            kind, text = entry.answer["failed"]
            raise InputError.quoted(text) if kind == "input" else FailedError(text)
        else:
            answer = entry.answer["result"]
            if is_changing:
                self._changes.append((function, self._lasting(arguments)))
        if is_changing:
            self._described.append(described)
        return answer

    def close(self) -> None:
        try:
            self._started.result().close()
        except Exception:  # it never started, and who needed it was told why
            return
        finally:
            self._thread.shutdown()

    def _live(self) -> Process:
        """The process, as far changed as the network is."""
        process = self._started.result()
        for function, arguments in self._changes[self._told :]:
            if not self._told:
                process.call("parity.measure.sources:watch")
            process.call(function, arguments)
            self._told += 1
        return process

    def _asked(
        self, name: str, function: str, arguments: Mapping[str, Any], *, is_changing: bool
    ) -> Any:
        """What the process says now, which is kept."""
        process = self._live()
        if is_changing and not self._told:
            process.call("parity.measure.sources:watch")
        answer: dict[str, Any]
        problem: Exception | None = None
        try:
            answer = {"result": process.call(function, arguments)}
        except (InputError, FailedError) as found:
            if is_changing:  # what it had read by then says too little
                raise
            problem = found
            kind = "input" if isinstance(found, InputError) else "other"
            answer = {"failed": [kind, str(found)]}
        if is_changing:
            self._changes.append((function, self._lasting(arguments)))
            self._told += 1
        sources = process.call("parity.measure.sources:sources")
        path = Path(str(arguments.get(_FILE_WRITTEN, "")))
        is_written = problem is None and _FILE_WRITTEN in _written(function, arguments)
        self._kept.put(name, answer, {_FILE: path} if is_written else {}, sources)
        if problem is not None:
            raise problem
        return answer["result"]

    def _take(self, entry: Entry, arguments: Mapping[str, Any]) -> bool:
        """Put a kept file where it was asked for; whether it was still there."""
        try:
            if (entry.folder / _FILE).exists():
                entry.link(_FILE, Path(arguments[_FILE_WRITTEN]))
        except OSError:
            return False
        return True

    def _lasting(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments whose file no later one takes the place of."""
        if _FILE_WRITTEN not in arguments:
            return dict(arguments)
        path = Path(arguments[_FILE_WRITTEN])
        lasting = path.with_name(f"change-{len(self._changes)}-{path.name}")
        os.link(path, lasting)
        return {**arguments, _FILE_WRITTEN: str(lasting)}


def _written(function: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Which arguments name files that are written; `load` reads its own."""
    is_read = function.endswith(":load")
    return () if is_read or _FILE_WRITTEN not in arguments else (_FILE_WRITTEN,)


def _described(function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with the contents of files for their names."""
    written = _written(function, arguments)
    return {
        name: digest_of_file(Path(value)) if name in _FILES_READ or name == _FILE_WRITTEN else value
        for name, value in arguments.items()
        if name not in written
    }
