"""What a file holds: format, model, tensors, and whatever is odd about them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from restoration.errors import InputError
from weights_convert import limits
from weights_convert.checkpoints.checkpoint import Checkpoint, open_checkpoint
from weights_convert.checkpoints.detect import Candidate, describe
from weights_convert.checkpoints.recognize import recognize
from weights_convert.checkpoints.writing import Report
from weights_convert.errors import listed, quoted
from weights_convert.files.integrity import Fingerprint, check_parts
from weights_convert.files.tensors import (
    Extents,
    Tensor,
    count_nonfinite,
    first_nonfinite,
    place,
)

_UNUSED_SHARE = 0.1  # of a file's bytes, beyond which they are worth a word
_UNUSED_BYTES = 1 << 20


@dataclass(frozen=True)
class TensorInfo:
    """A tensor; nan and infinite count its elements that are no ordinary numbers, first is the
    place of the first of them, in row-major order."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    nan: int
    infinite: int
    first: int = 0


@dataclass(frozen=True)
class Inspection:
    """What a file holds.

    key_path: the keys that lead to the weights, with dots. prefix: what all names began with.
    extra: keys of what else there is. model: that fits best, None if none or several do. scores: by
    model. settings: hyper-parameters that no shape tells, as they are taken. differences: what
    keeps the weights from being exactly that model's, as `MismatchError` lists it. content:
    SHA-256 of names, types, shapes and elements, the same in every format.
    """

    path: Path
    format: str
    nbytes: int
    fingerprint: Fingerprint
    content: str
    key_path: str
    prefix: str
    extra: tuple[str, ...]
    model: str | None
    spec: Mapping[str, Any] | None
    scores: Mapping[str, float]
    settings: Mapping[str, Any]
    differences: tuple[str, ...]
    tensors: tuple[TensorInfo, ...]
    anomalies: tuple[str, ...]

    @property
    def dtypes(self) -> dict[str, int]:
        """How many tensors there are of each type."""
        return dict(Counter(tensor.dtype for tensor in self.tensors))

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return asdict(self) | {"path": str(self.path), "dtypes": self.dtypes}


def inspect(
    path: Path,
    *,
    key: str | None = None,
    prefix: str | None = None,
    allowed: Collection[str] = (),
    report: Report = lambda done, total: None,
) -> Inspection:
    """Read all of a file and say what it holds; see `convert` for the arguments.

    Raises:
        InputError: it is damaged, hostile or no checkpoint.
    """
    checkpoint = open_checkpoint(path, key=key, prefix=prefix, allowed=allowed)
    with_sha256 = checkpoint.nbytes <= limits.SHA256_UP_TO_BYTES
    fingerprint = check_parts(checkpoint.parts, with_sha256=with_sha256)
    checkpoint, found, best, anomalies = _recognized(checkpoint)
    tensors, content = _examine(checkpoint, report)
    return Inspection(
        path=path,
        format=checkpoint.format.name,
        nbytes=checkpoint.nbytes,
        fingerprint=fingerprint,
        content=content,
        key_path=".".join(map(str, checkpoint.key_path)),
        prefix=checkpoint.prefix,
        extra=tuple(checkpoint.extra),
        model=best.model if best else None,
        spec=best.spec.to_dict() if best else None,
        settings=best.settings if best else {},
        scores={one.model: one.score for one in found},
        differences=tuple(listed(best.missing, best.unexpected, best.misshapen)) if best else (),
        tensors=tensors,
        anomalies=(*anomalies, *_anomalies(checkpoint, tensors)),
    )


def content_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and elements in order of names, whatever the format."""
    return _hashed(tensors, lambda name, block: None)


def _examine(checkpoint: Checkpoint, report: Report) -> tuple[tuple[TensorInfo, ...], str]:
    total = sum(tensor.nbytes for tensor in checkpoint.tensors.values())
    counts = {name: [0, 0, 0] for name in checkpoint.tensors}
    seen = dict.fromkeys(checkpoint.tensors, 0)
    done = 0

    def see(name: str, block: memoryview) -> None:
        nonlocal done
        dtype = checkpoint.tensors[name].dtype
        nan, infinite = count_nonfinite(block, dtype)
        if (nan or infinite) and not any(counts[name]):
            counts[name][2] = seen[name] + first_nonfinite(block, dtype)
        seen[name] += len(block) // dtype.itemsize
        counts[name][0] += nan
        counts[name][1] += infinite
        done += len(block)
        report(done, total)

    content = _hashed(checkpoint.tensors, see)
    infos = (
        TensorInfo(name, tensor.dtype.name, tensor.shape, tensor.nbytes, *counts[name])
        for name, tensor in checkpoint.tensors.items()
    )
    return tuple(infos), content


def _hashed(tensors: Mapping[str, Tensor], see: Callable[[str, memoryview], None]) -> str:
    content = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        described = f"{len(name)} {name} {tensor.dtype.name} {tensor.shape}\n"
        content.update(described.encode("utf-8", "surrogatepass"))
        for block in tensor.blocks():
            content.update(block)
            see(name, block)
    return content.hexdigest()


def _recognized(
    checkpoint: Checkpoint,
) -> tuple[Checkpoint, tuple[Candidate, ...], Candidate | None, list[str]]:
    """The checkpoint without a prefix, the models that come near, the best, and what is odd."""
    try:
        recognized = recognize(checkpoint)
    except InputError as question:
        return checkpoint, (), None, [str(question).split("expected ", 1)[-1]]
    found = recognized.found
    if not found:
        return checkpoint, (), None, []
    try:
        return recognized.checkpoint, found, recognized.choose(), []
    except InputError:
        return recognized.checkpoint, found, None, [f"several models fit: {describe(found)}"]


def _anomalies(checkpoint: Checkpoint, tensors: Collection[TensorInfo]) -> Iterator[str]:
    for tensor in tensors:
        if tensor.nan or tensor.infinite:
            first = place(tensor.first, tensor.shape)
            yield (
                f"{quoted(tensor.name)}: {tensor.nan} NaN, {tensor.infinite} infinite, "
                f"first at {first}"
            )
        if 0 in tensor.shape:
            yield f"{quoted(tensor.name)}: empty, shape {tensor.shape}"
    floats = sorted({tensor.dtype for tensor in tensors if "float" in tensor.dtype})
    if len(floats) > 1:
        yield f"floating-point numbers of several precisions: {', '.join(floats)}"
    at: dict[object, str] = {}
    used = 0
    for name, one in checkpoint.tensors.items():
        if not isinstance(one.source, Extents) or not one.nbytes:
            continue
        first = at.setdefault(one.source, name)
        if first != name:
            yield f"{quoted(name)}: the same bytes as {quoted(first)}"
        else:
            used += one.nbytes
    unused = checkpoint.nbytes - used
    is_compact = all(isinstance(one.source, Extents) for one in checkpoint.tensors.values())
    is_much = unused > max(_UNUSED_BYTES, _UNUSED_SHARE * checkpoint.nbytes)
    if is_compact and is_much and not checkpoint.extra:
        yield f"{unused} bytes of the file belong to no tensor"
