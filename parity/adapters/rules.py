"""The map of weights as a file: `--rules` reads it, `--write-rules` writes it.

JSON: {"rules": [["net\\.(\\d+)\\.weight", "layers.\\1.weight"], ...]}, regular expressions for
whole names of the reference, and the port's name for each. Where an entry is several of the other
side's in one, a rule says which of its rows:
["attn\\.qkv\\.weight", "attn.k.weight", {"reference_rows": [8, 16]}], or "port_rows".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from parity.adapters.mapping import Rule, WeightMap
from restoration.errors import InputError

_PARTS = {"reference_rows": "reference_part", "port_rows": "port_part"}


def read(path: Path) -> Sequence[Rule]:
    """The rules of a file.

    Raises:
        InputError: the file holds none, or one that is no regular expression.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["rules"]
        rules = [_rule(*one) for one in found]
    except (OSError, ValueError, KeyError, TypeError, re.error) as problem:
        raise InputError(
            "--rules",
            expected='JSON as {"rules": [["net\\\\.(\\\\d+)", "layers.\\\\1"]]}',
            got=f"{type(problem).__name__}: {problem}",
            where=str(path),
            next_step="--write-rules FILE writes one",
        ) from problem
    return rules


def _rule(pattern: str, name: str, rows: Mapping[str, Sequence[int]] | None = None) -> Rule:
    """Raises KeyError, TypeError, ValueError or re.error: it is none."""
    re.compile(pattern)
    parts = {_PARTS[key]: (int(start), int(stop)) for key, (start, stop) in (rows or {}).items()}
    return Rule(str(pattern), str(name), **parts)


def write(path: Path, mapped: WeightMap) -> None:
    """Every pair as a rule."""
    rules = []
    for pair in mapped.pairs:
        rows = {key: getattr(pair, part) for key, part in _PARTS.items() if getattr(pair, part)}
        rules.append([re.escape(pair.reference), pair.port, *([rows] if rows else [])])
    path.write_text(json.dumps({"rules": rules}, indent=1) + "\n", encoding="utf-8")


def write_converted(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """The port's weights, by its names: `.npz`, else `.safetensors`."""
    plain = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    if path.suffix == ".npz":
        np.savez(path, **plain)
    else:
        save_file(plain, path)
