"""What reading a file gives, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from weights_convert.files.integrity import Checksum
from weights_convert.files.mapped import MappedFile


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    tree: dictionaries, lists, plain values, inert objects, and what has a `tensor` in it.
    checksums: in the order of the bytes, without overlap. metadata: texts about the whole.
    """

    file: MappedFile
    tree: object
    checksums: tuple[Checksum, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PickleRun:
    """Where a file holds a number of pickles, one after the other."""

    name: str
    start: int
    stop: int
    count: int = 1
