"""The entries of networks: names, element types and shapes, known without any framework.

`entries.json` lists them for every catalogued spec; `python -m weights_convert.entries` writes it,
and a test compares it with the real networks. For other hyper-parameters an installed framework is
asked, in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from restoration.catalog import MODELS
from restoration.errors import UnavailableError
from restoration.specs import Spec

FRAMEWORKS = ("torch", "jittor", "mindspore")
"""Any of them knows the entries; they are the same in all."""

_FILE = Path(__file__).with_name("entries.json")
_RANGE = re.compile(r"\[(\d+)-(\d+)\]")
_ANSWER_WITHIN_S = 120.0
_TO_WRITE_BYTES = 16 << 30


@dataclass(frozen=True)
class Entry:
    """Element type and shape."""

    dtype: str
    shape: tuple[int, ...]


Entries = dict[str, Entry]
"""By the suite's names."""


def catalogued_specs(model: str) -> list[Spec]:
    """The specs of a model whose entries are listed."""
    return [MODELS[model].specs[name] for name in _table().get(model, {})]


def entries_of_catalogued(spec: Spec) -> Entries | None:
    """The entries of a network, None if they are not listed."""
    for model, listed in _table().items():
        for name, folded in listed.items():
            if MODELS[model].specs[name] == spec:
                return unfold(folded)
    return None


def entries_asked(specs: Sequence[Spec], *, may_take_bytes: int) -> list[Entries | None]:
    """The entries as the first framework that is installed builds them; None for what it cannot.

    may_take_bytes: memory that it may take.
    """
    installed = [name for name in FRAMEWORKS if importlib.util.find_spec(name)]
    if not specs or not installed:
        return [None] * len(specs)
    question = json.dumps([spec.to_dict() for spec in specs])
    answers = _answers(installed[0], question, may_take_bytes)
    if answers is None:
        return [None] * len(specs)
    return [answer and _entries(answer) for answer in answers]


@lru_cache(maxsize=32)
def _answers(framework: str, question: str, may_take_bytes: int) -> list[Any] | None:
    """What a process of a framework answers; None if it fails."""
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "weights_convert.ask", framework, str(may_take_bytes)],
            input=question.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_ANSWER_WITHIN_S,
            check=True,
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return list(json.loads(finished.stdout))


def fold(entries: Mapping[str, Entry]) -> dict[str, list[Any]]:
    """Entries with numbered names in a line each: "stage.[0-7].conv.weight"."""
    folded = {tuple(name.split(".")): entry for name, entry in entries.items()}
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


def unfold(folded: Mapping[str, Sequence[Any]]) -> Entries:
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


def write_file() -> None:
    """Write `entries.json` from the networks themselves.

    Raises:
        UnavailableError: no framework is installed, or it could not build the networks.
    """
    named = [(model.name, name) for model in MODELS.values() for name in model.specs]
    specs = [MODELS[model].specs[name] for model, name in named]
    answers = entries_asked(specs, may_take_bytes=_TO_WRITE_BYTES)
    table: dict[str, dict[str, Any]] = {model: {} for model in MODELS}
    for (model, name), entries in zip(named, answers, strict=True):
        if entries is None:
            raise UnavailableError(
                f"{model} {name}: expected a framework that builds it, got none; install one "
                "of " + ", ".join(FRAMEWORKS)
            )
        table[model][name] = fold(entries)
    text = json.dumps(table, indent=1)
    # One line for each entry.
    text = re.sub(r"\[\s+([^\[\]{}]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    _FILE.write_text(text + "\n")


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Any]]:
    """Folded entries by model and name of spec; of those that the catalogue still has."""
    read = json.loads(_FILE.read_text())
    return {
        model: {name: folded for name, folded in listed.items() if name in MODELS[model].specs}
        for model, listed in read.items()
        if model in MODELS
    }


def _entries(answer: Iterable[tuple[str, str, list[int]]]) -> Entries:
    return {name: Entry(dtype, tuple(shape)) for name, dtype, shape in answer}


if __name__ == "__main__":
    write_file()
