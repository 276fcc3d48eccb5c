"""Which lines of the user's files ran, in order, while a network computed.

Runs inside a worker's process, for any framework that calls Python.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Callable
from types import FrameType
from typing import Any

_MOST_LINES = 2_000_000  # of a run; a loop over pixels would fill the memory


class LineTrace:
    """Records the lines of the user's files while it is entered.

    lines: (number of the file, line, number of the running module) in the order they ran. files:
    paths by number.
    """

    def __init__(self, running: Callable[[], int]):
        self.lines: list[tuple[int, int, int]] = []
        self.files: list[str] = []
        self._numbers: dict[str, int | None] = {}
        self._running = running

    def __enter__(self) -> LineTrace:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        number = self._number(frame.f_code.co_filename)
        if number is None:
            return None
        lines, running = self.lines, self._running

        def line(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line" and len(lines) < _MOST_LINES:
                lines.append((number, frame.f_lineno, running()))
            return line

        return line

    def _number(self, path: str) -> int | None:
        if path not in self._numbers:
            number = None
            if is_users(path):
                number = len(self.files)
                self.files.append(path)
            self._numbers[path] = number
        return self._numbers[path]


_SUITE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_OURS = tuple(
    os.path.join(_SUITE, package) + os.sep
    for package in ("parity", "restoration", "weights_convert")
) + tuple(
    os.path.join(_SUITE, package, name)
    for package in ("torch_impl", "jittor_impl", "mindspore_impl")
    for name in ("foreign", "tape", "mutations", "decisions", "transcript", "layers")
)
_LIVE = os.path.join(_SUITE, "parity", "adapters", "live.py")
_LIBRARIES = tuple(
    {
        os.path.abspath(path) + os.sep
        for path in (
            *site.getsitepackages(),
            site.getusersitepackages(),
            sysconfig.get_paths()["stdlib"],
        )
    }
)


def is_users(path: str) -> bool:
    """Whether a file belongs to the user: no framework's, no library's, none of the harness."""
    return not (path.startswith(_OURS) or is_library(path))


def is_library(path: str) -> bool:
    """Whether a file is part of Python, or was installed."""
    return path.startswith(("<", *_LIBRARIES)) or "site-packages" in path


def users_frames(depth: int = 1) -> list[tuple[str, int, str]]:
    """The user's frames that lead here, the innermost first: (file, line, function). None of those
    that called a comparison in their own process."""
    frame: FrameType | None = sys._getframe(depth)
    found = []
    while frame is not None and frame.f_code.co_filename != _LIVE:
        if is_users(frame.f_code.co_filename):
            found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return found
