"""Taps: the arrays that enter and leave the modules of a network while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Tap:
    """An array that entered or left a module while the network ran.

    module: dotted attribute path, "" for the network itself. call: which call of that module,
    from 0. kind: "in" or "out". index: which of the module's array arguments or results.
    """

    module: str
    call: int
    kind: str
    index: int
    array: np.ndarray

    @property
    def key(self) -> str:
        """A name for this tap that is the same in every framework."""
        return f"{self.module or '(network)'}#{self.call}.{self.kind}{self.index}"


class TapRecorder:
    """Collects taps from a framework's hooks.

    is_array: tells the framework's arrays from other arguments. keep: what to hold of an array when
    it passes (a copy, where it may be changed in place). to_numpy: turns what was kept into NumPy
    at the end.
    """

    def __init__(
        self,
        is_array: Callable[[Any], bool],
        *,
        keep: Callable[[Any], Any],
        to_numpy: Callable[[Any], np.ndarray],
    ):
        self._is_array = is_array
        self._keep = keep
        self._to_numpy = to_numpy
        self._calls: dict[str, int] = {}
        self._records: list[tuple[tuple[str, int, str, int], Any]] = []

    def enter(self, module: str, arguments: Any) -> None:
        """A module is called: record its arguments."""
        self._calls[module] = self._calls.get(module, -1) + 1
        self._record(module, "in", arguments)

    def leave(self, module: str, result: Any) -> None:
        """A module returns: record its result."""
        self._record(module, "out", result)

    def taps(self) -> list[Tap]:
        """Everything recorded, in order."""
        return [Tap(*where, self._to_numpy(kept)) for where, kept in self._records]

    def _record(self, module: str, kind: str, values: Any) -> None:
        found = [value for value in leaves(values) if self._is_array(value)]
        self._records += [
            ((module, self._calls[module], kind, index), self._keep(value))
            for index, value in enumerate(found)
        ]


def leaves(values: Any) -> Iterator[Any]:
    """The elements of nested tuples and lists, in order."""
    if isinstance(values, tuple | list):
        for value in values:
            yield from leaves(value)
    else:
        yield values
