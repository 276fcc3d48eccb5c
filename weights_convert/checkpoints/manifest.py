"""The record of a conversion: where the weights come from, and what was done to each."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from restoration.engine.state import RECORD
from restoration.errors import InputError
from restoration.models.registry import spec_from_dict
from restoration.models.spec import Spec
from weights_convert.checkpoints.checkpoint import Checkpoint
from weights_convert.checkpoints.detect import Candidate
from weights_convert.files.integrity import Fingerprint
from weights_convert.files.tensors import Tensor

KEY = RECORD
"""The manifest's key in the metadata of a safetensors file."""

SUFFIX = ".manifest.json"
"""Added to the name of a file of another format; the manifest lies there."""


_MOST_BYTES = 1 << 26  # of a manifest that is read


@dataclass(frozen=True)
class Move:
    """A tensor on its way: the name it had in the file, what it is, and what was done to it."""

    old: str
    tensor: Tensor
    rules: tuple[str, ...] = ()


def build(
    source: Checkpoint,
    fingerprint: Fingerprint,
    candidate: Candidate | None,
    *,
    names: str,
    moves: Mapping[str, Move],
) -> dict[str, Any]:
    """The manifest as plain data.

    names: whose names the result has, "ours", "published" or "kept". moves: by the new name.
    """
    return {
        "source": {
            "file": source.path.name,
            "format": source.format.name,
            "bytes": source.nbytes,
            "crc32": fingerprint.crc32,
            "sha256": fingerprint.sha256,
            "key_path": ".".join(map(str, source.key_path)),
            "prefix": source.prefix,
            **({"inside": source.inside} if source.inside else {}),
        },
        "model": candidate and candidate.model,
        "score": candidate and candidate.score,
        "spec": candidate and candidate.spec.to_dict(),
        "names": names,
        "tensors": {
            name: {"from": source.prefix + move.old, "rule": ", ".join(move.rules)}
            for name, move in moves.items()
        },
        "versions": versions(),
    }


@dataclass(frozen=True)
class Recorded:
    """What the manifest in a file's metadata says of the weights, None where it does not."""

    model: str | None = None
    spec: Spec | None = None


def recorded(checkpoint: Checkpoint) -> Recorded:
    """The model and hyper-parameters that a conversion noted, also one of an older version.

    In the file, or beside it; there only what is of a file with the same names counts.
    """
    model, spec = None, None
    with contextlib.suppress(ValueError, RecursionError, AttributeError, TypeError, InputError):
        noted = json.loads(checkpoint.metadata.get(KEY, "null"))
        content: dict[str, Any] = noted or _beside(checkpoint)
        model = content.get("model")
        spec = spec_from_dict(content.get("spec") or {})
    return Recorded(model if isinstance(model, str) else None, spec)


def _beside(checkpoint: Checkpoint) -> dict[str, Any]:
    """The manifest beside a file, empty if there is none that is its own."""
    with contextlib.suppress(OSError):
        path = path_beside(checkpoint.path)
        if path.is_file() and path.stat().st_size <= _MOST_BYTES:
            content = json.loads(path.read_bytes())
            names = {checkpoint.prefix + name for name in checkpoint.tensors}
            if set(content.get("tensors", ())) == names:
                return dict(content)
    return {}


def path_beside(path: Path) -> Path:
    """Where the manifest of a file lies that cannot hold one."""
    return path.with_name(path.name + SUFFIX)


def versions() -> dict[str, str]:
    """What wrote the file."""
    try:
        own = metadata.version("restoration-suite")
    except metadata.PackageNotFoundError:
        own = "unknown"
    return {
        "restoration-suite": own,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
