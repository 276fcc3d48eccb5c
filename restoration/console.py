"""What every program of the suite does with its console, whatever that can show.

    def main(words=None):
        return console.run("parity", lambda: _run(words))

What the console's encoding has not is escaped ("\\u6743"), and so are the bytes of a file name that
are no text ("\\udcff"). So text never fails to be printed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

import rich.console
from rich.text import Text

from restoration.errors import ExitCode, RestorationError

_ESCAPING = "backslashreplace"
INTERRUPTED = 130
"""The exit code of a program that the user ended, as shells say it."""


class Parser(argparse.ArgumentParser):
    """A parser for which options that are wrong are bad input."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ExitCode.BAD_INPUT, f"{self.prog}: error: {message}\n")


class Console(rich.console.Console):
    """A console of rich whose tables fit although text in them is escaped."""

    @property
    def is_unicode(self) -> bool:
        """Whether it can show every character."""
        return self.encoding.startswith("utf")

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(showable(text, self.encoding), **options)

    def on_broken_pipe(self) -> None:
        """Whoever read has left: progress goes on unseen, results end the program, see `run`."""
        if not self.stderr:
            raise BrokenPipeError
        self.quiet = True


def results_console(width: int, **options: Any) -> Console:
    """Standard output; of a given width where that is no terminal, since a log or a file has no
    width to fit into."""
    console = Console(**options)
    return console if console.is_terminal else Console(width=width, **options)


def showable(text: str, encoding: str) -> str:
    """The text with everything escaped that an encoding has not."""
    return text.encode(encoding, _ESCAPING).decode(encoding)


def run(program: str, command: Callable[[], int], *, interrupted: str = "interrupted") -> int:
    """Do what a program does; its exit code.

    Errors of the user's and of the system are a line on stderr, and so is `interrupted` where the
    user ends it. Where not all of the output can be written, the exit code is that of an incomplete
    run; if it is because whoever reads it has left, as `head` does, nothing is said.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPING)
    code: int = ExitCode.INCOMPLETE
    try:
        with contextlib.suppress(BrokenPipeError):
            code = _code(program, command, interrupted)
    finally:
        are_written = [_flushed(program, stream) for stream in (sys.stdout, sys.stderr)]
    return code if all(are_written) else ExitCode.INCOMPLETE


def _code(program: str, command: Callable[[], int], interrupted: str) -> int:
    try:
        return command()
    except RestorationError as problem:
        print(f"{program}: {problem}", *problem.lines(), sep="\n", file=sys.stderr)
        return problem.exit_code
    except BrokenPipeError:
        raise
    except OSError as problem:  # a full disk, say, of what is printed too
        print(f"{program}: {problem}", file=sys.stderr)
        return ExitCode.INCOMPLETE
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr)
        return INTERRUPTED


def _flushed(program: str, stream: TextIO) -> bool:
    """Whether what was printed could be written; if not, Python is not to try it again at exit."""
    try:
        stream.flush()
    except OSError as problem:
        if not isinstance(problem, BrokenPipeError) and stream is not sys.stderr:
            print(f"{program}: {problem}", file=sys.stderr)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
        return False
    return True
