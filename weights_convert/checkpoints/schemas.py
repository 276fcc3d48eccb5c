"""The schemas of networks: names, element types and shapes, known without any framework.

`schemas.json` lists them for every registered spec; `python -m weights_convert.build_schemas`
writes it, and a test compares it with the real networks. For other hyper-parameters an installed
framework is asked, in a process of its own.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from restoration.errors import RestorationError
from restoration.models.registry import spec_from_dict
from restoration.models.spec import Spec
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import Process, Worker

FILE = Path(__file__).with_name("schemas.json")
"""Specs and folded schemas by model and name of spec."""

_RANGE = re.compile(r"\[(\d+)-(\d+)\]")
_ANSWER_WITHIN_S = 120.0


@dataclass(frozen=True)
class Entry:
    """Element type and shape of a parameter or buffer."""

    dtype: str
    shape: tuple[int, ...]


Schema = dict[str, Entry]
"""A network's entries by the suite's names."""


@cache
def registered(model: str) -> Mapping[Spec, Schema]:
    """The schemas of a model's registered specs."""
    return {
        spec_from_dict(with_tuples(one["spec"])): unfold(one["entries"])
        for one in _listed().get(model, {}).values()
    }


@cache
def _listed() -> dict[str, dict[str, Any]]:
    """The content of the file; empty where it is still to be written."""
    return dict(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.exists() else {}


def ask_schemas(specs: Sequence[Spec], *, may_take_bytes: int) -> list[Schema | None]:
    """The schemas as the first framework that is installed builds them; None for what it cannot.

    may_take_bytes: memory that it may take.
    """
    installed = [name for name in FRAMEWORKS if FRAMEWORKS[name].is_installed()]
    if not specs or not installed:
        return [None] * len(specs)
    question = json.dumps([spec.to_dict() for spec in specs])
    answers = _answers(installed[0], question, may_take_bytes)
    if answers is None:
        return [None] * len(specs)
    return [answer and _schema(answer) for answer in answers]


@lru_cache(maxsize=32)
def _answers(framework: str, question: str, may_take_bytes: int) -> list[Any] | None:
    """What a process of a framework answers; None if it fails."""
    worker = Worker(framework, FRAMEWORKS[framework].package, silence_s=_ANSWER_WITHIN_S)
    arguments = {"specs": json.loads(question), "may_take_bytes": may_take_bytes}
    try:
        with tempfile.TemporaryDirectory() as folder, Process(worker, Path(folder)) as process:
            return list(process.call("weights_convert.checkpoints.ask:entries", arguments))
    except RestorationError:
        return None


def fold(schema: Schema) -> dict[str, list[Any]]:
    """A schema with a line for all entries with numbered names: "stage.[0-7].conv.weight"."""
    folded = {tuple(name.split(".")): entry for name, entry in schema.items()}
    for place in range(max(map(len, folded), default=0)):
        groups: dict[tuple, list[int]] = {}
        for parts, entry in folded.items():
            if len(parts) > place and parts[place].isdecimal():
                rest = (parts[:place], parts[place + 1 :], entry)
                groups.setdefault(rest, []).append(int(parts[place]))
        for (before, after, entry), numbers in groups.items():
            if len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1)):
                for number in numbers:
                    del folded[(*before, str(number), *after)]
                folded[(*before, f"[{numbers[0]}-{numbers[-1]}]", *after)] = entry
    return {".".join(parts): [entry.dtype, *entry.shape] for parts, entry in folded.items()}


def unfold(folded: Mapping[str, Sequence[Any]]) -> Schema:
    """The inverse of `fold`."""
    result = {}
    for pattern, (dtype, *shape) in folded.items():
        texts = _RANGE.sub("\0", pattern).split("\0")
        ranges = [range(int(first), int(last) + 1) for first, last in _RANGE.findall(pattern)]
        for numbers in product(*ranges):
            name = "".join(
                text + str(number) for text, number in zip(texts, (*numbers, ""), strict=True)
            )
            result[name] = Entry(dtype, tuple(shape))
    return result


def with_tuples(value: Any) -> Any:
    """Values from JSON with the sequences as specs have them."""
    if isinstance(value, dict):
        return {key: with_tuples(item) for key, item in value.items()}
    return tuple(map(with_tuples, value)) if isinstance(value, list) else value


def _schema(answer: Iterable[tuple[str, str, list[int]]]) -> Schema:
    return {name: Entry(dtype, tuple(shape)) for name, dtype, shape in answer}
