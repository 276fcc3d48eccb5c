"""Starts a framework in a process of its own, asks it, listens, and explains why it ended.

    with Process(Worker("jittor", "jittor_impl")) as process:
        result = process.call("package.module:function", {"argument": 1})

The function gets a `serve.Session` and the arguments. Whatever happens to the process, the caller
gets a result or an error in words, and nothing of the process is left.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restoration.errors import InputError, RestorationError, UnavailableError
from restoration.process import cache
from restoration.process.frameworks import PACKAGES
from restoration.process.messages import Message, Request, parse

_SUITE = Path(__file__).resolve().parents[2]
_LEAVES_WITHIN_S = 5.0  # how long a process may take to end after its last request
_KILLED_NOTE = "the system kills a process so when memory runs out"


_running: set[Process] = set()
_closing = threading.Event()


@dataclass(frozen=True)
class Worker:
    """How to run a framework.

    framework: its name in reports. package: that of its runtime and engine, as `jittor_impl`, or
    "" for a process without a framework. python: the interpreter. silence_s: how long it may say
    nothing. path: folders to import from before this suite's. environment: variables to set.
    """

    framework: str
    package: str
    device: str = "cpu"
    python: str = sys.executable
    silence_s: float = 600.0
    path: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def _ignore(_text: str) -> None:
    """For those who want to read nothing."""


class EndedError(RestorationError):
    """The process ended, or was ended, before it answered. The text says why."""


class FailedError(RestorationError):
    """The function raised something that is no error of the user's input. The text is in words."""


class Process:
    """A framework in a process of its own, ready to be asked; used by one thread at a time.

    engine: the description of its engine. devices: those that it can use.
    """

    def __init__(
        self,
        worker: Worker,
        folder: Path | None = None,
        *,
        show: Callable[[str], None] = _ignore,
        warn: Callable[[str], None] = _ignore,
    ):
        """Start it and wait until it is ready.

        folder: its working directory, where its log is; None for a temporary one, which is kept
        only if an error speaks of the log. show: takes a line of progress. warn: takes a line that
        the user should read.

        Raises:
            UnavailableError: the interpreter, the framework or the device is not there, or the
                process ended.
            OSError: the folder cannot be made or written.
        """
        self.worker = worker
        self.engine: dict[str, str] = {}
        self.devices: list[str] = []
        self._show, self._warn = show, warn
        self._ended = ""  # why it ended before it answered
        self._is_temporary = folder is None
        self._folder = _scratch(worker, folder)
        self._log = self._folder / "log.txt"
        show("starting")
        try:
            if _closing.is_set():
                raise UnavailableError("the program was interrupted")
            self._process = _start(worker, self._folder, self._log)
        except BaseException:
            self._discard_folder()
            raise
        _running.add(self)
        self._lines = _read_lines(self._process)
        try:
            message = self._listen()
        except EndedError as problem:
            raise UnavailableError(str(problem)) from problem
        if message.kind == "failed":
            self.close()
            raise UnavailableError(message.text)
        self.engine, self.devices = message.data["engine"], message.data["devices"]

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The number of the process, and of its group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it answered all that it was asked."""
        return not self._ended

    def call(
        self, function: str, arguments: Mapping[str, Any] | None = None, *, about: str = ""
    ) -> Any:
        """The result of "package.module:function" there, as JSON has it.

        arguments: by name, as JSON has them. about: what lines of progress begin with.

        Raises:
            InputError: the function raised one; the text is the same.
            FailedError: it raised something else.
            EndedError: the process ended, or said nothing for too long and was ended; so it does
                when it is asked again.
        """
        if self._ended:
            raise EndedError(self._ended)
        requests = self._process.stdin
        assert requests
        with contextlib.suppress(BrokenPipeError):  # it has ended; listening tells why
            requests.write(Request(function, arguments or {}).to_line())
            requests.flush()
        message = self._listen(f"{about}: " if about else "")
        if message.kind == "done":
            return message.data["result"]
        if message.data["bad_input"]:
            raise InputError.quoted(message.text)
        raise FailedError(message.text)

    def close(self) -> None:
        """End it and everything that it started."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # it then leaves by itself
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_LEAVES_WITHIN_S)
        self._end()
        self._discard_folder()

    def kill(self) -> None:
        """End it at once, from any thread; who listens to it gets an EndedError."""
        self._end()

    def _listen(self, prefix: str = "") -> Message:
        """Pass on what it says until it is ready, done or has failed; whatever ends this, as an
        interrupt, ends the process.

        Raises:
            EndedError: it ended, or said nothing for too long.
        """
        try:
            return self._next_message(prefix)
        except BaseException as problem:
            self._end()
            self._ended = str(problem) or type(problem).__name__
            if isinstance(problem, EndedError):
                self._is_temporary = False
            self._discard_folder()
            raise

    def _next_message(self, prefix: str) -> Message:
        """As `_listen`, but a process that is silent lives on."""
        while True:
            try:
                line = self._lines.get(timeout=self.worker.silence_s)
            except queue.Empty:
                raise EndedError(
                    f"no sign of life for {self.worker.silence_s:g} s (--timeout): ended; its "
                    f"output is in {self._log}"
                ) from None
            if line is None:
                raise EndedError(_explain_exit(self._process.wait(), self._log))
            message = parse(line)
            if message is None:
                continue
            if message.kind == "progress":
                self._show(prefix + message.text)
            elif message.kind == "warning":
                self._warn(message.text)
            else:
                return message

    def _end(self) -> None:
        """Kill what is left, once: its number may become another process's."""
        if self in _running:
            _running.discard(self)
            _kill(self._process)

    def _discard_folder(self) -> None:
        if self._is_temporary:
            shutil.rmtree(self._folder, ignore_errors=True)


def end_all() -> None:
    """End every process at once, whichever threads use them, and start no more: the program is
    being interrupted."""
    _closing.set()
    for process in list(_running):
        _kill(process._process)


def _scratch(worker: Worker, folder: Path | None) -> Path:
    """The working directory of a process."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix=f"restoration-{worker.framework}-"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


def _start(worker: Worker, folder: Path, log: Path) -> subprocess.Popen[str]:
    """Start the process, in a group of its own.

    Raises:
        UnavailableError: it cannot be started.
    """
    python = os.path.abspath(shutil.which(worker.python) or worker.python)
    environment = _environment(worker)
    with open(log, "ab") as sink:
        try:
            return subprocess.Popen(
                [python, "-m", "restoration.process.serve", worker.package, worker.device],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                cwd=folder,
                env=environment,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as problem:
            reason = f"{worker.python} cannot be started: {problem.strerror}"
            raise UnavailableError(reason) from problem


def _read_lines(process: subprocess.Popen[str]) -> queue.Queue[str | None]:
    """What the process prints, line by line, as a thread reads it; then None."""
    lines: queue.Queue[str | None] = queue.Queue()
    assert process.stdout
    stdout = process.stdout

    def read() -> None:
        with stdout:
            for line in stdout:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True, name="listener").start()
    return lines


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill what is left of the process and its children, as compilers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _explain_exit(status: int, log_file: Path) -> str:
    """Why a process ended that was not done."""
    if status < 0:
        name = signal.Signals(-status).name
        note = f" ({_KILLED_NOTE})" if -status == signal.SIGKILL else ""
        return f"the worker was ended by {name}{note}; its output is in {log_file}"
    tail = [line for line in log_file.read_text("utf-8", "replace").splitlines() if line.strip()]
    last = f": {tail[-1]}" if tail else ""
    return f"the worker ended with status {status}{last}; its output is in {log_file}"


def _environment(worker: Worker) -> dict[str, str]:
    """The process's environment: ours, with this suite where any interpreter finds it.

    Threads that wait give way. By default they spin, and where other work keeps one of them off its
    core, two threads are then a hundred times slower than one.
    """
    paths = [*worker.path, _import_folder(), os.environ.get("PYTHONPATH", "")]
    waiting = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    python_path = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return waiting | os.environ | dict(worker.environment) | python_path


def _import_folder() -> str:
    """The folder from which any interpreter imports this suite, and nothing else.

    A checkout is one. An installed suite has this interpreter's NumPy beside it, which another
    interpreter must not import: there it is a folder of links to the suite's packages.

    Raises:
        UnavailableError: the links cannot be made.
    """
    if not any(_SUITE.glob("*.dist-info")):
        return str(_SUITE)
    try:
        folder = cache.folder(f"packages-{zlib.crc32(os.fsencode(_SUITE)):08x}")
        for name in PACKAGES:
            cache.link(folder / name, _SUITE / name)
    except OSError as problem:
        raise UnavailableError(
            f"links to the packages of the suite cannot be made ({problem}): set "
            f"{cache.VARIABLE} to a folder that can be written"
        ) from problem
    return str(folder)
