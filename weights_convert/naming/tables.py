"""Tables of names: how a published checkpoint calls what the suite calls otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from restoration.errors import InputError

_FIELD = re.compile(r"\{(\w+)\}")
_LISTED = 5


class NameTable:
    """Pairs of patterns, ours and theirs, for a name or the part of it before ".weight" or ".bias".

    `{field}` stands for a number and must occur on both sides, as in
    ("encoder1.{block}.conv1", "Encoder.0.layers.{block}.main.0.main.0"). `constants` are their
    names of entries that are not learned and that the suite has not. `optional_prefix` is what
    some of the published files put before every name.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        constants: Sequence[str] = (),
        optional_prefix: str = "",
    ):
        self.pairs, self.constants = tuple(pairs), tuple(constants)
        self._optional_prefix = optional_prefix

    # Most tables are only added to others, so patterns are compiled when a name is looked up.

    @cached_property
    def _to_ours(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern(theirs, self._optional_prefix), ours) for ours, theirs in self.pairs]

    @cached_property
    def _to_theirs(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern(ours), theirs) for ours, theirs in self.pairs]

    @cached_property
    def _constants(self) -> list[re.Pattern[str]]:
        return [_pattern(name) for name in self.constants]

    def below(self, ours: str, theirs: str) -> NameTable:
        """The same names as those of a part, as "encoder." and "encoder."."""
        return NameTable(
            [(ours + one, theirs + other) for one, other in self.pairs],
            constants=[theirs + name for name in self.constants],
        )

    def __add__(self, other: NameTable) -> NameTable:
        return NameTable(self.pairs + other.pairs, constants=self.constants + other.constants)

    def is_constant(self, name: str) -> bool:
        """Whether a published entry is not learned, and has no counterpart in the suite."""
        return any(pattern.fullmatch(name) for pattern in self._constants)

    def ours(self, name: str) -> str | None:
        """The suite's name of a published one, or None if the table does not know it."""
        return _translate(name, self._to_ours)

    def theirs(self, name: str) -> str | None:
        """The published name of one of the suite's, or None if the table does not know it."""
        return _translate(name, self._to_theirs)

    def to_ours(self, state: Mapping[str, np.ndarray], *, where: str) -> dict[str, np.ndarray]:
        """Rename a published state, without its constants.

        Raises:
            InputError: the table does not know some of the names, or two of them become one.
        """
        learned = [name for name in state if not self.is_constant(name)]
        return _renamed(state, {name: self.ours(name) for name in learned}, where)

    def to_theirs(self, state: Mapping[str, np.ndarray], *, where: str) -> dict[str, np.ndarray]:
        """Rename a state of the suite as it was published.

        Raises:
            InputError: the table does not know some of the names, or two of them become one.
        """
        return _renamed(state, {name: self.theirs(name) for name in state}, where)


def _pattern(text: str, optional_prefix: str = "") -> re.Pattern[str]:
    """A pattern of the table as a regular expression over a whole name."""
    escaped = re.escape(text).replace(r"\{", "{").replace(r"\}", "}")
    prefix = f"(?:{re.escape(optional_prefix)})?"
    fields = _FIELD.sub(r"(?P<\1>\\d+)", escaped)
    return re.compile(prefix + fields + r"(?P<suffix>(?:\.(?:weight|bias))?)")


def _translate(name: str, rules: Iterable[tuple[re.Pattern[str], str]]) -> str | None:
    for pattern, target in rules:
        found = pattern.fullmatch(name)
        if found:
            return target.format(**found.groupdict()) + found["suffix"]
    return None


def _renamed(
    state: Mapping[str, np.ndarray], names: Mapping[str, str | None], where: str
) -> dict[str, np.ndarray]:
    unknown = [name for name, target in names.items() if target is None]
    targets = [target for target in names.values() if target is not None]
    if unknown or len(set(targets)) != len(targets):
        shown = ", ".join(unknown[:_LISTED]) + ("..." if len(unknown) > _LISTED else "")
        raise InputError(
            "names of weights",
            expected="only names of this model's published layout, each once",
            got=f"{len(unknown)} unknown of {len(names)}: {shown}" if unknown else "duplicates",
            where=where,
            next_step="check that the file belongs to this model",
        )
    return {str(target): state[name] for name, target in names.items()}
