"""What networks take and give: arrays in tuples, lists, dictionaries, dataclasses and objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def leaves(
    value: Any, is_array: Callable[[Any], bool], name: str = ""
) -> Iterator[tuple[str, Any]]:
    """The arrays in a nested value, each with where it is: "0", "image", "features.1"."""
    if is_array(value):
        yield name, value
        return
    for key, part in _parts(value):
        yield from leaves(part, is_array, f"{name}.{key}" if name else str(key))


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, tuple | list):
        yield from enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)
