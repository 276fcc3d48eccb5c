"""NumPy's archives of arrays, `np.savez` and `np.savez_compressed`, and its files of one array.

An array of objects holds a pickle, as of a dictionary of arrays that `np.save` was given.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.integrity import Checksum
from weights_convert.files.mapped import MappedFile
from weights_convert.files.output import Output
from weights_convert.files.tensors import (
    Extents,
    Inflated,
    Source,
    Strided,
    Tensor,
    from_numpy_code,
    inflate,
    is_text,
    numpy_code,
    row_major,
)
from weights_convert.formats.contents import Contents, PickleRun
from weights_convert.formats.zips import Record, ZipWriter, points_outside, read_records
from weights_convert.pickles.machine import Pickle
from weights_convert.pickles.meanings import CheckpointMeanings
from weights_convert.pickles.objects import Name, Refused

_MAGIC = b"\x93NUMPY"
_ALIGNMENT = 64
_MAX_HEADER_BYTES = 10_000  # as NumPy itself allows
_SUFFIX = ".npy"


def read(file: MappedFile, meanings: CheckpointMeanings) -> Contents:
    """The arrays by name.

    Raises:
        InputError: the file is damaged or hostile.
    """
    records = read_records(file)
    tree = {
        name.removesuffix(_SUFFIX): _value(file, record, meanings)
        for name, record in records.items()
    }
    meanings.check()
    checksums = (
        Checksum(f"array {quoted(record.name)}", record.start, record.stop, record.crc32)
        for record in records.values()
        if not record.is_deflated
    )
    return Contents(file, tree, tuple(checksums))


def read_one(file: MappedFile, meanings: CheckpointMeanings) -> Contents:
    """What a file of one array holds: an array, or the object in it.

    Raises:
        InputError: the file is damaged or hostile.
    """
    value = _value(file, _whole(file), meanings)
    meanings.check()
    return Contents(file, value)


def pickles(file: MappedFile) -> Iterator[PickleRun]:
    """Where the pickles are that arrays of objects hold, if they are not compressed."""
    for record in read_records(file).values():
        yield from _pickle(file, record)


def pickles_of_one(file: MappedFile) -> Iterator[PickleRun]:
    """Where the pickle is that an array of objects holds."""
    yield from _pickle(file, _whole(file))


def is_array(file: MappedFile) -> bool:
    """Whether a file begins as an array does."""
    return file.read(0, len(_MAGIC)) == _MAGIC


def _whole(file: MappedFile) -> Record:
    return Record("array", 0, file.size, file.size, 0, False)


def _pickle(file: MappedFile, record: Record) -> Iterator[PickleRun]:
    code, _, _, header_size = _header(file, record)
    if code.endswith("O") and not record.is_deflated:
        yield PickleRun(record.name, record.start + header_size, record.stop)


def write(output: Output, document: object, metadata: Mapping[str, str]) -> None:
    """Write tensors by name."""
    assert isinstance(document, Mapping)
    with ZipWriter(output) as archive:
        for name, tensor in document.items():
            header = _npy_header(tensor)
            size = len(header) + tensor.nbytes
            with archive.record(name + _SUFFIX, size=size, alignment=_ALIGNMENT) as record:
                record.write(header)
                output.copy(tensor, through=record)


def objection(name: str, tensor: Tensor) -> str | None:
    """Why an array cannot have a name."""
    return "it is a path out of the archive" if points_outside(name) else None


def _value(file: MappedFile, record: Record, meanings: CheckpointMeanings) -> object:
    """A tensor, or what else an array of NumPy can hold."""
    code, is_column_major, shape, header_size = _header(file, record)
    found = from_numpy_code(code)
    if code.endswith("O"):
        return _object(file, record, header_size, meanings)
    if is_text(code):
        return "a text"
    if found is None and not shape:
        return "a number of another kind"
    if found is None:
        problem = file.error(
            expected="an array of numbers",
            got=f"elements of type {quoted(code)}",
            where=f"array {quoted(record.name)}",
            next_step="save plain arrays, np.savez(FILE, **state)",
        )
        return Refused(Name("numpy", "ndarray"), problem=problem)
    dtype, is_big_endian = found
    nbytes = math.prod(shape) * dtype.itemsize
    if header_size + nbytes != record.size:
        raise file.error(
            expected=f"{nbytes} bytes for shape {shape}",
            got=f"{record.size - header_size}",
            where=f"array {quoted(record.name)}",
        )
    source: Source
    if record.is_deflated:
        place = (record.start, record.stop, header_size, nbytes)
        source = Inflated(file, *place, crc32=record.crc32, name=record.name)
    else:
        source = Extents(file, ((record.start + header_size, record.stop),))
    if is_big_endian or (is_column_major and len(shape) > 1):
        strides = row_major(shape[::-1])[::-1] if is_column_major else row_major(shape)
        moved = "byte order swapped" if is_big_endian else "gathered from column-major order"
        gathered = Strided(source, dtype, shape, 0, strides, is_big_endian)
        return Tensor(dtype, shape, gathered, moved)
    return Tensor(dtype, shape, source)


def _object(
    file: MappedFile, record: Record, header_size: int, meanings: CheckpointMeanings
) -> object:
    """What the pickle of an array of objects holds, which is an array again."""
    start, stop = header_size, record.size
    if not record.is_deflated:
        start, stop = record.start + header_size, record.stop
    elif record.size > limits.FREE_EXPANSION_BYTES:
        raise file.error(
            expected="objects that are not compressed",
            got=f"{record.size} bytes of them",
            where=f"array {quoted(record.name)}",
            next_step="save them again with np.savez instead of np.savez_compressed",
        )
    else:
        place = (record.start, record.stop, 0, record.size)
        packed = Inflated(file, *place, crc32=record.crc32, name=record.name)
        meanings = meanings.inside(file.holding(b"".join(packed.pieces()), record.name))
    machine = Pickle(meanings.file, start, stop, meanings, meanings.budget)
    loaded = machine.load()
    if machine.position != stop:
        left = stop - machine.position
        raise file.error(expected="one pickle", got=f"{left} bytes after it", where=record.name)
    return loaded


def _header(file: MappedFile, record: Record) -> tuple[str, bool, tuple[int, ...], int]:
    """Type code, whether column-major, shape, and number of bytes before the first element."""
    start = _beginning(file, record)
    is_long = start[6:7] != b"\1"
    text_start = 12 if is_long else 10
    text_stop = text_start + int.from_bytes(start[8:text_start], "little")
    try:
        if start[:6] != _MAGIC or start[6] not in (1, 2, 3) or text_stop > len(start):
            raise ValueError
        fields = ast.literal_eval(start[text_start:text_stop].decode("utf-8"))
        code, is_column_major, shape = (fields[key] for key in ("descr", "fortran_order", "shape"))
        if not (
            len(fields) == 3
            and isinstance(code, str)
            and isinstance(is_column_major, bool)
            and isinstance(shape, tuple)
            and len(shape) <= limits.MAX_AXES
            and all(type(length) is int and 0 <= length < 1 << 62 for length in shape)
        ):
            raise ValueError
    except (ValueError, SyntaxError, KeyError, TypeError, IndexError, MemoryError, RecursionError):
        raise file.error(
            expected="the header of a NumPy array",
            got=quoted(start[:16]),
            where=f"array {quoted(record.name)}",
        ) from None
    return code, is_column_major, shape, text_stop


def _beginning(file: MappedFile, record: Record) -> bytes:
    if not record.is_deflated:
        return file.read(record.start, min(record.stop, record.start + _MAX_HEADER_BYTES))
    window = file.view[record.start : min(record.stop, record.start + _MAX_HEADER_BYTES)]
    return b"".join(inflate([window], at_most=record.size))[:_MAX_HEADER_BYTES]


def _npy_header(tensor: Tensor) -> bytes:
    fields = {"descr": numpy_code(tensor.dtype), "fortran_order": False, "shape": tensor.shape}
    text = repr(fields).encode()
    size = -(-(len(_MAGIC) + 4 + len(text) + 1) // _ALIGNMENT) * _ALIGNMENT
    padding = size - len(_MAGIC) - 4 - len(text) - 1
    length = (len(text) + padding + 1).to_bytes(2, "little")
    return _MAGIC + b"\1\0" + length + text + b" " * padding + b"\n"
