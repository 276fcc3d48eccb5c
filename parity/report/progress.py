"""What long work shows while it runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import string
import threading
import time
from types import TracebackType

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from restoration.console import Console

_LINE_EVERY_S = 10.0  # how often one worker may print a running count where there is no terminal
_WITHOUT_DIGITS = str.maketrans("", "", string.digits)


class Progress:
    """Shows, on stderr, what each worker is doing and for how long. Safe to use from threads."""

    def __init__(self, *, quiet: bool = False):
        self._console = Console(stderr=True, quiet=quiet)
        self._lock = threading.Lock()
        self._doing: dict[str, tuple[str, float]] = {}
        self._printed: dict[str, tuple[str, float]] = {}
        self._live = (
            Live(get_renderable=self._render, console=self._console, transient=True)
            if self._console.is_terminal and not quiet
            else None
        )

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, worker: str, text: str) -> None:
        """Say what a worker is doing now."""
        with self._lock:
            _, since = self._doing.get(worker, ("", time.monotonic()))
            self._doing[worker] = (text, since)
            if self._live is None and self._is_due(worker, text):
                self._console.print(f"{worker}: {text}", highlight=False, soft_wrap=True)

    def finish(self, worker: str, text: str) -> None:
        """Say what became of a worker; the line stays."""
        with self._lock:
            self._doing.pop(worker, None)
            self._printed.pop(worker, None)
            self._console.print(f"{worker}: {text}", highlight=False, soft_wrap=True)

    def _is_due(self, worker: str, text: str) -> bool:
        """Without a terminal, print a new step at once but a running count only now and then."""
        step, now = text.translate(_WITHOUT_DIGITS), time.monotonic()
        last_step, last_time = self._printed.get(worker, ("", 0.0))
        if step == last_step and now - last_time < _LINE_EVERY_S:
            return False
        self._printed[worker] = (step, now)
        return True

    def _render(self) -> Table:
        table = Table.grid(padding=(0, 1))
        spinner = "dots" if self._console.is_unicode else "line"
        with self._lock:
            for worker, (text, since) in self._doing.items():
                seconds = f"{time.monotonic() - since:.0f} s"
                table.add_row(Spinner(spinner), worker, text, seconds)
        return table
