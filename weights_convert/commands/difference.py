"""Compares the weights of two files, whatever their formats and layouts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from restoration.errors import InputError
from weights_convert.checkpoints import manifest
from weights_convert.checkpoints.checkpoint import Checkpoint, open_checkpoint
from weights_convert.checkpoints.detect import Candidate
from weights_convert.checkpoints.find import common_beginning
from weights_convert.checkpoints.recognize import Recognized, recognize
from weights_convert.checkpoints.writing import Report
from weights_convert.files.integrity import check_parts
from weights_convert.files.tensors import Tensor, to_float64
from weights_convert.naming.suffixes import to_torch

_BLOCK_ELEMENTS = 1 << 16


@dataclass(frozen=True)
class TensorDifference:
    """How a tensor differs.

    problem: in words. most: the largest difference between two elements, None if shapes differ, NaN
    if one is NaN where the other is not. elements: how many differ.
    """

    name: str
    problem: str
    most: float | None = None
    elements: int = 0


@dataclass(frozen=True)
class Difference:
    """What differs between two files.

    model: whose layouts were read, None if names were compared as they are. equal: number of
    tensors with the same type, shape and bits. only_first, only_second: names.
    """

    first: Path
    second: Path
    model: str | None
    equal: int
    differing: tuple[TensorDifference, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether both have the same tensors, bit for bit."""
        return not (self.differing or self.only_first or self.only_second)

    @property
    def most(self) -> float:
        """The largest difference between two elements; NaN counts as larger than any number."""
        values = [one.most for one in self.differing if one.most is not None]
        return float(np.max(values)) if values else 0.0

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        files = {"first": str(self.first), "second": str(self.second)}
        return asdict(self) | files | {"is_equal": self.is_equal, "most": self.most}


def diff(
    first: Path,
    second: Path,
    *,
    key: str | None = None,
    prefix: str | None = None,
    allowed: Collection[str] = (),
    report: Report = lambda done, total: None,
) -> Difference:
    """Compare two files; see `convert` for the arguments.

    Raises:
        InputError: one is damaged, hostile or no checkpoint.
    """
    opened = [
        open_checkpoint(path, key=key, prefix=prefix, allowed=allowed) for path in (first, second)
    ]
    for file in opened:
        check_parts(file.parts, with_sha256=False)
    recognized = [recognize(file) for file in opened]
    found = _models(recognized)
    models = {candidate.model for candidate in found if candidate}
    is_same_model = len(models) == 1 and None not in found
    files = [one.checkpoint for one in recognized] if is_same_model else opened
    a, b = (
        _by_ours(file, candidate) if is_same_model and candidate else dict(file.tensors)
        for file, candidate in zip(files, found, strict=True)
    )
    if not is_same_model:
        a, b = _without_prefixes(a, b)
        a, b = _without_suffixes(a, b), _without_suffixes(b, a)
    both = [name for name in a if name in b]
    total, done = sum(a[name].nbytes for name in both), 0
    differing = []
    for name in both:
        one = _compare(name, a[name], b[name])
        if one:
            differing.append(one)
        done += a[name].nbytes
        report(done, total)
    return Difference(
        first=first,
        second=second,
        model=models.pop() if is_same_model else None,
        equal=len(both) - len(differing),
        differing=tuple(differing),
        only_first=tuple(name for name in a if name not in b),
        only_second=tuple(name for name in b if name not in a),
    )


def _models(files: Sequence[Recognized]) -> list[Candidate | None]:
    """Whose weights each file holds. Where several models would do, one that does for both."""
    hints = [manifest.recorded(file.checkpoint).model for file in files]
    hints += [one.model for one in files[0].found]
    found: list[Candidate | None] = []
    for hint in dict.fromkeys(hints):
        found = [_model(file, hint) for file in files]
        if None not in found:
            break
    return found


def _model(file: Recognized, hint: str | None) -> Candidate | None:
    try:
        return file.choose(hint)
    except InputError:
        return None  # several would do; names are compared as they are


def _without_prefixes(
    a: dict[str, Tensor], b: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Two files without what all names of each begin with, if the names are the same then."""
    first, second = _short(a), _short(b)
    return (first, second) if a.keys() != b.keys() and first.keys() == second.keys() else (a, b)


def _short(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    length = common_beginning(tensors).rfind(".") + 1
    return {name[length:]: tensor for name, tensor in tensors.items()}


def _by_ours(file: Checkpoint, candidate: Candidate) -> dict[str, Tensor]:
    """The tensors by the suite's names; what the model does not know keeps its own.

    Constants, which hold what they must, are left out.
    """
    result = {}
    for name, tensor in file.tensors.items():
        if name in candidate.constants and name not in candidate.misshapen:
            continue
        is_misshapen = name in candidate.misshapen
        shape = tensor.shape if is_misshapen else candidate.shapes.get(name, tensor.shape)
        result[candidate.ours.get(name, name)] = tensor.reshaped(shape)
    return result


def _without_suffixes(a: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    new = to_torch(
        {name: tensor.shape for name, tensor in a.items()},
        like={name: tensor.shape for name, tensor in like.items()},
    )
    return {new[name].name: tensor.reshaped(new[name].shape) for name, tensor in a.items()}


def _compare(name: str, a: Tensor, b: Tensor) -> TensorDifference | None:
    if a.shape != b.shape:
        return TensorDifference(name, f"shape {a.shape} and {b.shape}")
    most, elements, is_same_bits = 0.0, 0, a.dtype == b.dtype
    pairs = zip(
        a.blocks(_BLOCK_ELEMENTS * a.dtype.itemsize),
        b.blocks(_BLOCK_ELEMENTS * b.dtype.itemsize),
        strict=True,
    )
    for block_a, block_b in pairs:
        if a.dtype == b.dtype and block_a == block_b:
            continue
        is_same_bits = False
        values_a, values_b = to_float64(block_a, a.dtype), to_float64(block_b, b.dtype)
        with np.errstate(invalid="ignore"):
            apart = np.abs(values_a - values_b)
        apart[(values_a == values_b) | (np.isnan(values_a) & np.isnan(values_b))] = 0
        most = float(np.max([most, apart.max()]))
        elements += int(np.count_nonzero(apart))
    if is_same_bits:
        return None
    problem = f"{a.dtype.name} and {b.dtype.name}" if a.dtype != b.dtype else "values"
    return TensorDifference(name, problem, most, elements)
