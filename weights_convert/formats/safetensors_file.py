"""safetensors: a JSON header, then the bytes of all tensors without a hole."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.files.output import Output
from weights_convert.files.tensors import DTYPES, Extents, Tensor
from weights_convert.formats.contents import Contents

_LENGTH_BYTES = 8
_ALIGNMENT = 8
_METADATA = "__metadata__"
_BY_CODE = {dtype.safetensors: dtype for dtype in DTYPES.values()}


def is_safetensors(file: MappedFile) -> bool:
    """Whether the file begins with the length of a header, and that with a brace."""
    length = int.from_bytes(file.view[:_LENGTH_BYTES], "little")
    begins = file.read(_LENGTH_BYTES, _LENGTH_BYTES + 1) == b"{"
    return begins and (length <= limits.MAX_HEADER_BYTES or file.read(9, 10) == b'"')


def read(file: MappedFile) -> Contents:
    """The tensors by name.

    Raises:
        InputError: the header is damaged, or places tensors wrongly.
    """
    length = int.from_bytes(file.view[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if length > limits.MAX_HEADER_BYTES or start > file.size:
        raise file.error(
            expected=f"a header of at most {min(limits.MAX_HEADER_BYTES, file.size)} bytes",
            got=f"{length}",
            where="first 8 bytes",
        )
    header = _parse(file, file.read(_LENGTH_BYTES, start))
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise file.error(expected="metadata made of texts", got="something else", where="header")
    if len(header) > limits.MAX_ENTRIES:
        raise file.error(
            expected=f"at most {limits.MAX_ENTRIES} tensors", got=f"{len(header)}", where="header"
        )
    tensors = {name: _tensor(file, name, entry, start) for name, entry in header.items()}
    _check_places(file, tensors, start)
    return Contents(file, tensors, metadata=metadata)


def write(output: Output, document: object, metadata: Mapping[str, str]) -> None:
    """Write tensors by name, the largest element types first so that each is aligned."""
    assert isinstance(document, Mapping)
    ordered = sorted(document.items(), key=lambda item: -item[1].dtype.itemsize)
    output.write(header(document, metadata))
    for _, tensor in ordered:
        output.copy(tensor)


def objection(name: str, tensor: Tensor) -> str | None:
    """Why a tensor cannot have a name."""
    return "the format keeps this name for itself" if name == _METADATA else None


def header(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """What stands before the bytes of the tensors."""
    entries: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    stop = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize):
        start, stop = stop, stop + tensor.nbytes
        entries[name] = {
            "dtype": tensor.dtype.safetensors,
            "shape": tensor.shape,
            "data_offsets": (start, stop),
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text


def _parse(file: MappedFile, text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a name that occurs twice")
        return result

    try:
        parsed = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as problem:
        raise file.error(
            expected="a header in JSON", got=quoted(str(problem)), where="header"
        ) from None
    if not isinstance(parsed, dict):
        raise file.error(expected="a header with names", got="something else", where="header")
    return parsed


def _tensor(file: MappedFile, name: str, entry: Any, start: int) -> Tensor:
    fields = entry if isinstance(entry, dict) else {}
    dtype = _BY_CODE.get(str(fields.get("dtype")))
    shape, offsets = fields.get("shape"), fields.get("data_offsets")
    if (
        dtype is None
        or not (isinstance(shape, list) and isinstance(offsets, list))
        or not _are_counts(shape + offsets)
        or len(shape) > limits.MAX_AXES
        or len(offsets) != 2
        or offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize
    ):
        raise file.error(
            expected="a known dtype, a shape, and data_offsets with as many bytes",
            got=quoted(str(fields.get("dtype"))) + f" with offsets {quoted(str(offsets))}",
            where=f"header, tensor {quoted(name)}",
        )
    place = (start + offsets[0], start + offsets[1])
    return Tensor(dtype, tuple(shape), Extents(file, (place,)))


def _are_counts(values: list[Any]) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 62 for value in values)


def _check_places(file: MappedFile, tensors: Mapping[str, Tensor], start: int) -> None:
    """Check that each byte belongs to one tensor."""
    places = []
    for name, tensor in tensors.items():
        assert isinstance(tensor.source, Extents)
        places.append((*tensor.source.ranges[0], name))
    end = start
    for first, last, name in sorted(places):
        if first != end:
            raise file.error(
                expected=f"the next tensor at byte {end}",
                got=f"{quoted(name)} at byte {first}: " + ("overlap" if first < end else "hole"),
                where="header",
            )
        end = last
    if end != file.size:
        raise file.error(
            expected=f"{end} bytes, where the last tensor ends", got=f"{file.size}", where="length"
        )
