"""The map of weights as a file: `--rules` reads it, `--write-rules` writes it.

JSON: {"rules": [["net\\.(\\d+)\\.weight", "layers.\\1.weight"], ...]}, regular expressions for
whole names of the reference, and the port's name for each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from parity.adapters.mapping import WeightMap
from restoration.errors import InputError

Rules = Sequence[tuple[str, str]]


def read(path: Path) -> Rules:
    """The rules of a file.

    Raises:
        InputError: the file holds none, or one that is no regular expression.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["rules"]
        rules = [(str(pattern), str(name)) for pattern, name in found]
        for pattern, _ in rules:
            re.compile(pattern)
    except (OSError, ValueError, KeyError, TypeError, re.error) as problem:
        raise InputError(
            "--rules",
            expected='JSON as {"rules": [["net\\\\.(\\\\d+)", "layers.\\\\1"]]}',
            got=f"{type(problem).__name__}: {problem}",
            where=str(path),
            next_step="--write-rules FILE writes one",
        ) from problem
    return rules


def write(path: Path, mapped: WeightMap) -> None:
    """Every pair as a rule."""
    rules = [[re.escape(pair.reference), pair.port] for pair in mapped.pairs]
    path.write_text(json.dumps({"rules": rules}, indent=1) + "\n", encoding="utf-8")


def write_converted(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """The port's weights, by its names: `.npz`, else `.safetensors`."""
    plain = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    if path.suffix == ".npz":
        np.savez(path, **plain)
    else:
        save_file(plain, path)
