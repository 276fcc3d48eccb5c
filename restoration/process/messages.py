"""What a worker tells the process that started it: one JSON object per line, and nothing else."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Any, TextIO


@dataclass(frozen=True)
class Message:
    """One thing that a worker says.

    kind: "progress" (a step, of a case or before the first), "warning", "ready" (data: the engine's
    description), "done" (data: a case's result) or "failed". case: its name, or "" for the whole
    worker. text: for people.
    """

    kind: str
    case: str = ""
    text: str = ""
    data: dict[str, Any] | None = None


class Outbox:
    """Sends messages from a worker, safe to use from several threads."""

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
        with self._lock:
            self._stream.write(json.dumps(asdict(message)) + "\n")
            self._stream.flush()


def parse(line: str) -> Message | None:
    """A message from one line, or None for anything else."""
    try:
        return Message(**json.loads(line))
    except (ValueError, TypeError):
        return None
