"""How a network is called: inputs by name become the arguments of its forward.

"x" is an argument; "batch.image" is an entry of a dictionary, a field of a dataclass or, as
"frames.0", a place in a list. Names of arguments differ from side to side: where a side does not
know them, their order counts.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_VERBS = ("forward", "execute", "construct")


def parameters_of(network: Any) -> list[inspect.Parameter]:
    """Those of its forward, without itself."""
    for verb in _VERBS:
        function = getattr(type(network), verb, None)
        if function is not None:
            return list(inspect.signature(function).parameters.values())[1:]
    return []


def bound(network: Any, given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call, by place and by keyword.

    given: leaves by dotted name, in order.
    """
    values = _nested(given)
    parameters = parameters_of(network)
    by_place = [
        one.name
        for one in parameters
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    by_keyword = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    names = list(values)
    if not all(name in (*by_place, *by_keyword) or takes_any for name in names):
        count = len(names) if not by_keyword else len(by_place)
        names = [*names[:count], *by_keyword[: len(names) - count]]
        values = dict(zip(names, values.values(), strict=False))
        by_place = names[:count]
    hints = _hints(network)
    values = {name: _typed(value, hints.get(name)) for name, value in values.items()}
    leading = 0
    while leading < min(len(names), len(by_place)) and names[leading] == by_place[leading]:
        leading += 1
    return (
        [values[name] for name in names[:leading]],
        {name: values[name] for name in names[leading:]},
    )


def top_names(names: Iterable[str]) -> list[str]:
    """The arguments that dotted names belong to, in order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in names))


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves by dotted name as dictionaries and lists."""
    groups: dict[str, Any] = {}
    for name, value in given.items():
        first, _, rest = name.partition(".")
        if rest:
            groups.setdefault(first, {})[rest] = value
        else:
            groups[first] = value
    return {
        name: _listed(_nested(value)) if isinstance(value, dict) else value
        for name, value in groups.items()
    }


def _listed(values: dict[str, Any]) -> Any:
    numbers = [str(number) for number in range(len(values))]
    return [values[number] for number in numbers] if set(values) == set(numbers) else values


def _hints(network: Any) -> dict[str, Any]:
    """The types that the forward's arguments are said to have."""
    for verb in _VERBS:
        function = getattr(type(network), verb, None)
        if function is not None:
            try:
                return typing.get_type_hints(function)
            except Exception:  # names that only a type checker knows
                return {}
    return {}


def _typed(value: Any, hint: Any) -> Any:
    """A dictionary as the dataclass or named tuple, a list as the tuple, that is asked for."""
    is_record = dataclasses.is_dataclass(hint) or hasattr(hint, "_fields")
    if isinstance(value, dict) and isinstance(hint, type) and is_record:
        inner = typing.get_type_hints(hint)
        return hint(**{name: _typed(part, inner.get(name)) for name, part in value.items()})
    if isinstance(value, list) and (hint is tuple or typing.get_origin(hint) is tuple):
        return tuple(value)
    return value


def required(network: Any) -> Sequence[str]:
    """The names of the arguments that have no default."""
    return [
        one.name
        for one in parameters_of(network)
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
