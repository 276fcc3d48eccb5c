"""What a pickle's machine makes, beside plain Python data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from restoration.errors import InputError
from weights_convert.errors import quoted


@dataclass(frozen=True)
class Name:
    """The name of a function or class that a pickle refers to. Never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return quoted(f"{self.module}.{self.name}")


@dataclass(eq=False, repr=False)
class Instance:
    """Stands for an object of a class: what it would be made from, and what it would be given."""

    cls: Name
    arguments: tuple[object, ...] = ()
    state: object = None
    items: dict[object, object] = field(default_factory=dict)
    elements: list[object] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class Refused(Instance):
    """Stands for data that cannot be read. It matters only where it is in the place of a weight.

    problem: why, as the error that is raised there.
    """

    problem: InputError | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Key:
    """Stands for a key that is neither a text nor a plain number, compared by identity: hashing
    what a file makes could take for ever."""

    value: object

    def __str__(self) -> str:
        return f"a {type(self.value).__name__}"


@dataclass(frozen=True, eq=False)
class Blob:
    """Bytes of the file that a pickle holds. is_text: they are UTF-8 text."""

    start: int
    stop: int
    is_text: bool = False


class Meanings(Protocol):
    """What names, calls and states in a pickle stand for. Each may raise InputError."""

    def find_class(self, name: Name) -> object:
        """What a name stands for; usually itself."""

    def reduce(self, function: Name, arguments: tuple[object, ...]) -> object:
        """What the call of a name would give; of an object, the name is its class's."""

    def set_state(self, target: object, state: object) -> None:
        """Let an object take a state."""

    def persistent_load(self, reference: object) -> object:
        """The object outside of the pickle that a reference means."""
