"""One process per framework for tests: NumPy in, NumPy out.

The frameworks cannot share a process, so tests send work to a process of each: `call(name, ...)`
runs a function of `tests/work.py` there. The protocol is pickle over a pipe between our own
processes.
"""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Backend:
    """A framework in a process of its own."""

    def __init__(self, framework: str, log: Path):
        self.framework = framework
        self._log = log
        with open(log, "wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.backends", framework],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                cwd=ROOT,
            )

    def call(self, function: str, *arguments: Any) -> Any:
        """The result of a function of `tests/work.py`, or of another module of the tests, as in
        "convert_work.torch_save"; its exception is raised here."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            pickle.dump((function, arguments), self._process.stdin)
            self._process.stdin.flush()
            is_right, result = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError):
            tail = self._log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the process of {self.framework} ended:\n{tail}") from None
        if is_right:
            return result
        raise result

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def serve(framework: str) -> None:
    """Answer calls until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from tests import work

    work.use(framework)
    while True:
        try:
            function, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            module, _, name = function.rpartition(".")
            found = importlib.import_module(f"tests.{module}") if module else work
            answer = (True, getattr(found, name)(*arguments))
        except Exception as problem:
            answer = (False, _portable(problem))
        pickle.dump(answer, answers)
        answers.flush()


def _portable(problem: Exception) -> Exception:
    """An exception that can be pickled; the suite's own keep their type and text."""
    from restoration.errors import RestorationError

    if isinstance(problem, RestorationError):
        return RaisedError(type(problem).__name__, str(problem))
    return RuntimeError(f"{type(problem).__name__}: {problem}")


class RaisedError(Exception):
    """An error of the suite in another process: `kind` is the name of its type."""

    def __init__(self, kind: str, text: str):
        super().__init__(kind, text)
        self.kind, self.text = kind, text


if __name__ == "__main__":
    # Under its own name, so that exceptions pickled here are known there.
    importlib.import_module("tests.backends").serve(sys.argv[1])
