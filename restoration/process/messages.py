"""What a process that runs a framework is asked and what it says: one JSON object per line."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO


@dataclass(frozen=True)
class Request:
    """A function to call, as "package.module:function", and its arguments by name, as JSON has
    them. Arrays travel in files (`arrays.py`) whose paths are arguments."""

    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Request:
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Message:
    """One thing that the process says.

    kind: "ready" (data: "engine", its description, and "devices"); then, of the request it is at,
    "progress", "warning" and last "done" (data: "result") or "failed" (data: "bad_input", whether
    the user's input is the reason). "failed" before "ready": there is no such framework. text: for
    people.
    """

    kind: str
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Outbox:
    """Sends messages, safe to use from several threads."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._lock = threading.Lock()

    @classmethod
    def take_stdout(cls) -> Outbox:
        """Keep the standard output for messages and send everything else printed to stderr."""
        stream = os.fdopen(os.dup(1), "w", buffering=1)
        sys.stdout.flush()
        os.dup2(2, 1)
        return cls(stream)

    def send(self, message: Message) -> None:
        line = json.dumps(asdict(message)) + "\n"
        with self._lock:
            self._stream.write(line)
            self._stream.flush()

    def progress(self, text: str) -> None:
        self.send(Message("progress", text))

    def warning(self, text: str) -> None:
        self.send(Message("warning", text))


def take_stdin() -> TextIO:
    """Keep the standard input for requests; what a framework starts finds it empty."""
    stream = os.fdopen(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return stream


def parse(line: str) -> Message | None:
    """A message from one line, or None for anything else."""
    try:
        return Message(**json.loads(line))
    except (ValueError, TypeError):
        return None
