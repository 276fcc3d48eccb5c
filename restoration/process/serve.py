"""A framework in a process of its own: `python -m restoration.process.serve PACKAGE DEVICE`.

It prepares the process for the framework, makes an engine, says that it is ready, and then answers
requests (`messages.py`) from its standard input until that ends. Only such a process imports a
framework, and only the one it was started for. Beside the framework it needs NumPy and
safetensors, nothing else. `launch.py` starts it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from restoration.errors import InputError, RestorationError, UnavailableError
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.messages import Message, Outbox, Request, take_stdin


@dataclass(frozen=True)
class Session:
    """What every function that is asked for gets as its first argument.

    package: the framework's, as `torch_impl`. report: takes a line of progress.
    """

    package: str
    device: str
    report: Callable[[str], None]

    def make_engine(self, **options: Any) -> Any:
        """A new engine (`restoration/engine/contract.py`) on the session's device."""
        return self.module("engine").ENGINE(device=self.device, **options)

    def describe_engine(self) -> dict[str, str]:
        """What computes: framework, version, device."""
        return dict(self.make_engine().describe())

    def module(self, name: str) -> Any:
        """A module of the framework's package."""
        return importlib.import_module(f"{self.package}.{name}")


def main(arguments: list[str]) -> int:
    """Answer requests; 0 unless the framework itself could not be used."""
    package, device = arguments
    requests, outbox = take_stdin(), Outbox.take_stdout()
    session = Session(package, device, outbox.progress)
    try:
        outbox.send(_prepare(session, outbox))
    except Exception as problem:
        outbox.send(_failed(problem))
        return 1
    for line in requests:
        _answer(session, Request.from_line(line), outbox)
    return 0


def _prepare(session: Session, outbox: Outbox) -> Message:
    """Prepare the process, import the framework, and try that an engine can be made."""
    if not session.package:
        return Message("ready", data={"engine": {}, "devices": []})
    try:
        runtime = session.module("runtime")
    except ModuleNotFoundError as problem:
        if problem.name not in (session.package, f"{session.package}.runtime"):
            raise
        raise UnavailableError(
            f"{problem.name} cannot be imported by {sys.executable}: install the package "
            f"{session.package} there, or put the folder that holds it on PYTHONPATH"
        ) from problem
    runtime.prepare(session.device, report=outbox.progress, warn=outbox.warning)
    # Made once before any request: MindSpore's device must be set before anything is computed.
    engine = session.make_engine().describe()
    devices = session.module("engine").devices()
    return Message("ready", data={"engine": engine, "devices": devices})


def _answer(session: Session, request: Request, outbox: Outbox) -> None:
    """Call the function that a request names, and say how it went."""
    try:
        module, _, name = request.function.partition(":")
        function = getattr(importlib.import_module(module), name)
        result = function(session, **request.arguments)
        outbox.send(Message("done", data={"result": result}))
    except Exception as problem:
        outbox.send(_failed(problem))


def _failed(problem: Exception) -> Message:
    if not isinstance(problem, RestorationError):
        sys.excepthook(type(problem), problem, problem.__traceback__)  # into the log
    return Message("failed", explain(problem), {"bad_input": isinstance(problem, InputError)})


def explain(problem: Exception) -> str:
    """An exception in one line."""
    if isinstance(problem, RestorationError):
        return str(problem)
    if isinstance(problem, ModuleNotFoundError) and problem.name:
        row = FRAMEWORKS.get(problem.name)
        command = row.how_to_install() if row else f"{sys.executable} -m pip install {problem.name}"
        return f"{problem.name} is not installed: {command}"
    first_line = (str(problem).strip().splitlines() or [""])[0]
    return f"{type(problem).__name__}: {first_line}"


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # Frameworks are known to crash while they are torn down, after all the work is done.
    sys.stderr.flush()
    os._exit(status)
