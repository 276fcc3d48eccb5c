"""The errors that a user can cause, and the exit codes of every command."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means."""

    OK = 0
    DIFFERENT = 1
    INCOMPLETE = 2
    BAD_INPUT = 3


class RestorationError(Exception):
    """Something that a command reports in one line, without a traceback."""

    exit_code = ExitCode.INCOMPLETE

    def lines(self) -> list[str]:
        """What follows on lines of its own, where there is too much for one."""
        return []


class InputError(RestorationError):
    """What the user gave cannot be used. The text says expected, got, where and the next step."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, subject: str, *, expected: str, got: str, where: str, next_step: str):
        super().__init__(
            printable(f"{subject}: expected {expected}, got {got} ({where}); {next_step}")
        )

    @classmethod
    def quoted(cls, text: str) -> InputError:
        """The error that another process reported with this text."""
        error = cls.__new__(cls)
        RestorationError.__init__(error, text)
        return error


class UnavailableError(RestorationError):
    """A framework, device or tool that was asked for is not there. The text says how to get it."""


@contextmanager
def picture_packages() -> Iterator[None]:
    """What reads, makes or measures pictures is imported in here: weights need none of it.

    Raises:
        UnavailableError: a package is missing; the text says which extras bring it.
    """
    try:
        yield
    except ModuleNotFoundError as problem:
        raise UnavailableError(
            f"pictures: expected the package {problem.name}, got none ({sys.executable}); "
            "pip install 'restoration-suite[pictures]' brings it, as every framework's extra does"
        ) from problem


@contextmanager
def writing_to(
    place: object,
    subject: str,
    *,
    expected: str = "a place that can be written",
    next_step: str = "choose another",
) -> Iterator[None]:
    """A file or folder that the user chose is written or made in here.

    Raises:
        InputError: it cannot be.
    """
    try:
        yield
    except OSError as problem:
        raise InputError(
            subject,
            expected=expected,
            got=str(problem.strerror or problem),
            where=str(place),
            next_step=next_step,
        ) from problem


def unknown_name(subject: str, name: object, known: Iterable[str], *, where: str) -> InputError:
    """The error for a name that is not among those that are known."""
    known = sorted(known)
    return InputError(
        subject,
        expected="one that is known",
        got=repr(name),
        where=where,
        next_step=suggest(str(name), known),
    )


def suggest(name: str, known: Iterable[str]) -> str:
    """The sentence that helps after an unknown name: the nearest known one, and all of them."""
    names = sorted(known)
    plain = [_plain(one) for one in names]
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.5)
    listing = "known: " + ", ".join(names)
    return f"did you mean {names[plain.index(near[0])]!r}? {listing}" if near else listing


def printable(text: str) -> str:
    """Text of one line with everything escaped that a terminal or a reader of logs would obey:
    control characters, ends of lines, marks of direction, as names of a hostile file may hold."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _plain(name: str) -> str:
    """A name without what people write differently."""
    return name.lower().replace("-", "_")
