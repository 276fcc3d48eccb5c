"""A framework in a process of its own, for tests: NumPy in, NumPy out.

The frameworks cannot share a process, so tests send work to a process of each: `call(name, ...)`
runs a function of `tests/work.py` there. Arguments and results are any Python values, by pickle
files between our own processes.
"""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

from restoration.errors import RestorationError
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import Process, Worker
from restoration.process.serve import Session

ROOT = Path(__file__).resolve().parent.parent


class Backend:
    """A framework in a process of its own, whose log and pickle files are in a folder."""

    def __init__(self, framework: str, folder: Path):
        self.framework = framework
        self._file = folder / "call.pickle"
        package = FRAMEWORKS[framework].package
        self._process = Process(Worker(framework, package, path=[str(ROOT)]), folder)

    def call(self, function: str, *arguments: Any) -> Any:
        """The result of a function of `tests/work.py`, or of another module of the tests, as in
        "convert.work.torch_save"; its exception is raised here."""
        self._file.write_bytes(pickle.dumps((function, arguments)))
        self._process.call(
            "tests.backends:answer", {"framework": self.framework, "file": str(self._file)}
        )
        is_right, result = pickle.loads(self._file.read_bytes())
        if is_right:
            return result
        raise result

    def close(self) -> None:
        self._process.close()


def answer(_session: Session, *, framework: str, file: str) -> None:
    """Call what a file names and put the result, or the exception, in its place."""
    from tests import work

    work.use(framework)
    function, arguments = pickle.loads(Path(file).read_bytes())
    module, _, name = function.rpartition(".")
    found = importlib.import_module(f"tests.{module}") if module else work
    try:
        result = (True, getattr(found, name)(*arguments))
    except Exception as problem:
        result = (False, _portable(problem))
    Path(file).write_bytes(pickle.dumps(result))


def _portable(problem: Exception) -> Exception:
    """An exception that can be pickled; the suite's own keep their type and text."""
    if isinstance(problem, RestorationError):
        return RaisedError(type(problem).__name__, str(problem))
    return RuntimeError(f"{type(problem).__name__}: {problem}")


class RaisedError(Exception):
    """An error of the suite in another process: `kind` is the name of its type."""

    def __init__(self, kind: str, text: str):
        super().__init__(kind, text)
        self.kind, self.text = kind, text
