"""Writes a file, reads it back, compares every bit, and only then lets it replace the target."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from weights_convert.checkpoints import manifest
from weights_convert.checkpoints.checkpoint import Checkpoint
from weights_convert.checkpoints.reading import read_tree
from weights_convert.errors import OutputError
from weights_convert.files.integrity import Fingerprint, check_parts
from weights_convert.files.output import Output
from weights_convert.files.tensors import Extents, Tensor, count_nonfinite, first_nonfinite
from weights_convert.formats import FORMATS, Format
from weights_convert.formats.safetensors_file import header

Report = Callable[[int, int], None]
"""Hears of progress: bytes done, bytes in all."""

_HOLDS_MANIFEST = FORMATS["safetensors"]


@dataclass(frozen=True)
class NonFinite:
    """How many elements of a tensor are no numbers, and how many are infinite.

    first: the place of the first of them, counted in row-major order.
    """

    nan: int
    infinite: int
    first: int = 0

    def __str__(self) -> str:
        return f"{self.nan} NaN, {self.infinite} infinite"


@dataclass
class Written:
    """What was found while writing. nonfinite: of tensors that have such elements, by name."""

    fingerprint: Fingerprint
    manifest_file: Path | None = None
    nonfinite: dict[str, NonFinite] = field(default_factory=dict)


def write_verified(
    source: Checkpoint,
    target: Path,
    written_format: Format,
    document: object,
    *,
    make_manifest: Callable[[Fingerprint], dict[str, Any]],
    with_sha256: bool,
    report: Report,
) -> Written:
    """Write a document of tensors of a source; see the module.

    Meanwhile the source's own checksums are checked. The manifest goes into the metadata of a
    safetensors file, and beside another.

    Raises:
        InputError: the source is damaged.
        OutputError: the file could not be written, or is not what was to be written.
    """
    assert written_format.write
    in_file = written_format is _HOLDS_MANIFEST
    total = sum(value.nbytes for _, value in _leaves(document) if isinstance(value, Tensor))
    stop = Event()
    with ThreadPoolExecutor(1) as aside, Output(target, report=_adding(report, total)) as output:
        try:
            checking = aside.submit(check_parts, source.parts, with_sha256=with_sha256, stop=stop)
            output.reserve(total)
            pending = Fingerprint("0" * 8, "0" * 64 if with_sha256 else None)
            metadata = _metadata(make_manifest(pending)) if in_file else {}
            written_format.write(output, document, metadata)
            written = Written(checking.result())
            if in_file:
                _replace_header(output, document, _metadata(make_manifest(written.fingerprint)))
            written.nonfinite = _read_back(output, document)
        except BaseException:
            stop.set()
            raise
        output.commit()
    if not in_file:
        written.manifest_file = manifest.path_beside(target)
        with Output(written.manifest_file) as output:
            text = json.dumps(make_manifest(written.fingerprint), indent=1)
            output.write(text.encode() + b"\n")
            output.commit()
    return written


def _adding(report: Report, total: int) -> Callable[[int], None]:
    """Adds up the bytes that are written, and reports them."""
    done = 0

    def add(nbytes: int) -> None:
        nonlocal done
        done = min(done + nbytes, total)
        report(done, total)

    return add


def _metadata(content: dict[str, Any]) -> dict[str, str]:
    # Other readers want to know which framework's layout the tensors have; all have this one.
    return {"format": "pt", manifest.KEY: json.dumps(content, separators=(",", ":"))}


def _replace_header(output: Output, document: object, metadata: Mapping[str, str]) -> None:
    """Write the header again with what was not known before; it has the same length."""
    assert isinstance(document, Mapping)
    content = header(document, metadata)
    if min(copy.start for copies in output.copies.values() for copy in copies) != len(content):
        raise OutputError(f"{output.target}: expected a header of the same length, got another")
    output.seek(0)
    output.write(content)


def _read_back(output: Output, document: object) -> dict[str, NonFinite]:
    """Open what was written, and compare it with what was to be written.

    The bytes were read back and compared when they were written. So a tensor that the reader finds
    in that very place is right; the bytes of any other are compared again.
    """
    _, _, contents = read_tree(output.readable_path, shown_as=output.target)
    expected, found = list(_leaves(document)), list(_leaves(contents.tree))
    if [_described(leaf) for leaf in expected] != [_described(leaf) for leaf in found]:
        raise OutputError(f"{output.target}: expected to read back what was written, got another")
    nonfinite = {}
    for (name, tensor), (_, again) in zip(expected, found, strict=True):
        if not isinstance(tensor, Tensor) or not isinstance(again, Tensor):
            continue
        counts = _counts_where_copied(output, tensor, again) or _compare(output, tensor, again)
        if counts.nan or counts.infinite:
            nonfinite[name] = counts
    return nonfinite


def _counts_where_copied(output: Output, tensor: Tensor, again: Tensor) -> NonFinite | None:
    """What was counted when the tensor was copied to where it was found again; None if nowhere."""
    place = again.source.ranges if isinstance(again.source, Extents) else ()
    for copy in output.copies.get(id(tensor), ()):
        if place == ((copy.start, copy.stop),):
            return NonFinite(copy.nan, copy.infinite, copy.first)
    return None


def _compare(output: Output, tensor: Tensor, again: Tensor) -> NonFinite:
    nan, infinite, first, done = 0, 0, 0, 0
    for block, block_again in zip(tensor.blocks(), again.blocks(), strict=True):
        if not np.array_equal(np.frombuffer(block, np.uint8), np.frombuffer(block_again, np.uint8)):
            raise OutputError(f"{output.target}: expected the bytes that were written, got others")
        found = count_nonfinite(block, tensor.dtype)
        if found != (0, 0) and not (nan or infinite):
            first = done + first_nonfinite(block, tensor.dtype)
        nan, infinite = nan + found[0], infinite + found[1]
        done += len(block) // tensor.dtype.itemsize
    return NonFinite(nan, infinite, first)


def _leaves(document: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Everything in nested containers that is none, by its path of keys, in order of names."""
    if isinstance(document, Mapping):
        yield f"{name}{{}}", len(document)
        for key, value in sorted(document.items(), key=lambda item: str(item[0])):
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    elif isinstance(document, list | tuple):
        yield f"{name}[]", (type(document).__name__, len(document))
        for index, value in enumerate(document):
            yield from _leaves(value, f"{name}.{index}" if name else str(index))
    else:
        yield name, document


def _described(leaf: tuple[str, object]) -> tuple[str, str, object]:
    """What has to be the same of a leaf, beside the bytes of a tensor."""
    name, value = leaf
    if isinstance(value, Tensor):
        return name, value.dtype.name, value.shape
    return name, type(value).__name__, repr(value)
