"""The errors of the converter. All that a file or a user can cause are `RestorationError`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from restoration.errors import InputError, RestorationError

_LISTED = 5
_SHOWN_CHARACTERS = 80


class OutputError(RestorationError):
    """The result could not be written. What was there before is untouched."""


class MismatchError(InputError):
    """A file's entries are not the network's, one to one.

    missing: names (the suite's) that only the network has. unexpected: names (the file's) that only
    the file has. misshapen: what is wrong with entries that both have, by name.
    """

    def __init__(
        self,
        model: str,
        *,
        missing: Sequence[str],
        unexpected: Sequence[str],
        misshapen: Mapping[str, str],
        where: str,
        next_step: str,
    ):
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)
        self.misshapen = dict(misshapen)
        found = [
            f"{len(names)} {kind} ({_listing(names)})"
            for kind, names in (
                ("missing", self.missing),
                ("unexpected", self.unexpected),
                ("misshapen", tuple(self.misshapen)),
            )
            if names
        ]
        super().__init__(
            f"weights of {model}",
            expected="every entry of the network, each once",
            got=", ".join(found),
            where=where,
            next_step=next_step,
        )

    def lines(self) -> list[str]:
        """Every entry, see `listed`."""
        return listed(self.missing, self.unexpected, self.misshapen)


def listed(
    missing: Iterable[str], unexpected: Iterable[str], misshapen: Mapping[str, str]
) -> list[str]:
    """Every entry: `-` only the model has it, `+` only the file has it, `!` it does not fit."""
    return [
        *(f"- {quoted(name)}" for name in missing),
        *(f"+ {quoted(name)}" for name in unexpected),
        *(f"! {quoted(name)}: {problem}" for name, problem in misshapen.items()),
    ]


def broken(
    path: Path,
    *,
    expected: str,
    got: str,
    where: str = "content of the file",
    next_step: str = "get the file again",
) -> InputError:
    """The error for a file that cannot be read."""
    return InputError(
        f"checkpoint {path}", expected=expected, got=got, where=where, next_step=next_step
    )


def quoted(value: object) -> str:
    """Text from a file, cut and without anything that a terminal would obey."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__}"  # its text could be longer than any memory
    text = value[: 2 * _SHOWN_CHARACTERS] if isinstance(value, str | bytes) else value
    shown = text if isinstance(text, str) and text.isprintable() else repr(text)
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "..."


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(quoted(name) for name in names[:_LISTED])
    return shown + (", ..." if len(names) > _LISTED else "")
