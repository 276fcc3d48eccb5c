"""Tensors in files: element type, shape, and where the bytes are. Nothing is read until asked for.

Bytes come out little-endian and row-major, whatever the file has. bfloat16, which NumPy does not
have, stays 16 bits that are only moved.
"""

from __future__ import annotations

import codecs
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from weights_convert.errors import quoted
from weights_convert.files.mapped import WINDOW, MappedFile

BLOCK = 512 << 10
"""Bytes that are compared or examined at a time: they stay in the processor's cache."""


@dataclass(frozen=True)
class DType:
    """An element type and what each format calls it.

    numpy: the little-endian type that holds its bits. torch: the storage class in a checkpoint,
    None for types that PyTorch names otherwise.
    """

    name: str
    itemsize: int
    numpy: str
    safetensors: str
    mindspore: str
    torch: str | None

    @property
    def is_float(self) -> bool:
        """Whether it holds floating-point numbers."""
        return "float" in self.name


DTYPES = {
    dtype.name: dtype
    for dtype in (
        DType("float64", 8, "<f8", "F64", "Float64", "DoubleStorage"),
        DType("float32", 4, "<f4", "F32", "Float32", "FloatStorage"),
        DType("float16", 2, "<f2", "F16", "Float16", "HalfStorage"),
        DType("bfloat16", 2, "<u2", "BF16", "BFloat16", "BFloat16Storage"),
        DType("int64", 8, "<i8", "I64", "Int64", "LongStorage"),
        DType("int32", 4, "<i4", "I32", "Int32", "IntStorage"),
        DType("int16", 2, "<i2", "I16", "Int16", "ShortStorage"),
        DType("int8", 1, "|i1", "I8", "Int8", "CharStorage"),
        DType("uint64", 8, "<u8", "U64", "UInt64", None),
        DType("uint32", 4, "<u4", "U32", "UInt32", None),
        DType("uint16", 2, "<u2", "U16", "UInt16", None),
        DType("uint8", 1, "|u1", "U8", "UInt8", "ByteStorage"),
        DType("bool", 1, "|b1", "BOOL", "Bool", "BoolStorage"),
    )
}
_NUMPY_BFLOAT16 = "V2"  # what the ml_dtypes package writes: two bytes without a meaning


def numpy_code(dtype: DType) -> str:
    """The type as NumPy's files spell it: "<f4"."""
    return "|" + _NUMPY_BFLOAT16 if dtype.name == "bfloat16" else dtype.numpy


def from_numpy_code(code: str) -> tuple[DType, bool] | None:
    """The type that NumPy spells so and whether its bytes are big-endian; None if unsupported."""
    order, kind = (code[0], code[1:]) if code[:1] in "<>|=" else ("=", code)
    if kind == _NUMPY_BFLOAT16:
        return DTYPES["bfloat16"], order == ">"
    for dtype in DTYPES.values():
        if dtype.numpy[1:] == kind and dtype.name != "bfloat16":
            return dtype, order == ">" and dtype.itemsize > 1
    return None


def is_text(code: str) -> bool:
    """Whether NumPy spells texts so: "<U7", "|S3"."""
    return code.lstrip("<>|=")[:1] in ("U", "S", "a")


class Source(Protocol):
    """Where bytes come from."""

    def pieces(self) -> Iterator[memoryview]:
        """The bytes in order; each piece is valid until the next is asked for."""


@dataclass(frozen=True)
class Extents:
    """Ranges (start, stop) of a mapped file, one after the other."""

    file: MappedFile
    ranges: tuple[tuple[int, int], ...]

    def pieces(self) -> Iterator[memoryview]:
        for start, stop in self.ranges:
            yield from self.file.windows(start, stop)


@dataclass(frozen=True)
class Held:
    """Bytes in memory."""

    content: bytes

    def pieces(self) -> Iterator[memoryview]:
        yield memoryview(self.content)


@dataclass(frozen=True)
class Latin1:
    """Bytes that old pickle protocols store as text: each a character, written in UTF-8."""

    file: MappedFile
    start: int
    stop: int
    size: int

    def pieces(self) -> Iterator[memoryview]:
        decoder = codecs.getincrementaldecoder("utf-8")()
        done = 0
        try:
            for window in self.file.windows(self.start, self.stop):
                content = decoder.decode(window).encode("latin-1")
                done += len(content)
                yield memoryview(content)
            decoder.decode(b"", final=True)
        except UnicodeError:
            done = -1
        if done != self.size:
            raise self.file.error(
                expected=f"{self.size} bytes written as text",
                got="other text" if done < 0 else f"{done}",
                where=f"byte {self.start}",
            )


@dataclass(frozen=True)
class Inflated:
    """Deflated bytes of a mapped file, without the first `skip`; the CRC-32 of all is checked."""

    file: MappedFile
    start: int
    stop: int
    skip: int
    size: int
    crc32: int
    name: str

    def pieces(self) -> Iterator[memoryview]:
        crc, done, whole = 0, 0, self.skip + self.size
        for content in inflate(self.file.windows(self.start, self.stop), at_most=whole):
            crc = zlib.crc32(content, crc)
            yield memoryview(content)[max(self.skip - done, 0) :]
            done += len(content)
        if done != whole or crc != self.crc32:
            raise self.file.error(
                expected=f"{whole} bytes with CRC-32 {self.crc32:08x}",
                got=f"{done} that can be unpacked, CRC-32 {crc:08x}",
                where=f"record {quoted(self.name)}",
            )


def inflate(packed: Iterable[memoryview], *, at_most: int) -> Iterator[bytes]:
    """Unpack deflated bytes; ends early where they are damaged or become more than expected."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    done = 0
    for window in packed:
        rest: bytes | memoryview = window
        while rest and not inflater.eof and done <= at_most:
            try:
                content = inflater.decompress(rest, WINDOW)
            except zlib.error:
                return
            rest = inflater.unconsumed_tail
            done += len(content)
            yield content


@dataclass(frozen=True)
class Strided:
    """Elements of a source at an offset and strides in elements, for example a transposed view.

    is_big_endian: the bytes are swapped on the way.
    """

    base: Source
    dtype: DType
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]
    is_big_endian: bool = False

    def pieces(self) -> Iterator[memoryview]:
        itemsize = self.dtype.itemsize
        array: np.ndarray = np.ndarray(
            self.shape,
            np.dtype(self.dtype.numpy).newbyteorder(">" if self.is_big_endian else "<"),
            buffer=self._buffer(),
            offset=self.offset * itemsize,
            strides=tuple(step * itemsize for step in self.strides),
        )
        for part in _parts(array):
            yield _as_bytes(np.ascontiguousarray(part, self.dtype.numpy))
            if isinstance(self.base, Extents):
                for start, stop in self.base.ranges:
                    self.base.file.release(start, stop)

    def _buffer(self) -> memoryview:
        if isinstance(self.base, Extents) and len(self.base.ranges) == 1:
            start, stop = self.base.ranges[0]
            return self.base.file.view[start:stop]
        content = bytearray()
        for piece in self.base.pieces():
            content += piece  # grows in place; joining a list would hold everything twice
        return memoryview(content)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor in a file.

    source: its bytes, little-endian and row-major. moved: how they come about, for the manifest.
    """

    dtype: DType
    shape: tuple[int, ...]
    source: Source
    moved: str = "copied"

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Number of bytes."""
        return self.size * self.dtype.itemsize

    def blocks(self, nbytes: int = BLOCK) -> Iterator[memoryview]:
        """The bytes in blocks of a size; only the last may be shorter. Valid until the next one."""
        return _blocks(self.source.pieces(), nbytes)

    def reshaped(self, shape: tuple[int, ...]) -> Tensor:
        """The same elements in the same order, in a shape with as many."""
        return self if shape == self.shape else replace(self, shape=shape)

    def to_numpy(self) -> np.ndarray:
        """All elements as a new array; bfloat16 as the uint16 that holds its bits."""
        content = bytearray(self.nbytes)
        position = 0
        for piece in self.source.pieces():
            content[position : position + len(piece)] = piece
            position += len(piece)
        return np.frombuffer(content, self.dtype.numpy).reshape(self.shape)


@dataclass(frozen=True)
class Rounded:
    """Float32 numbers as the bfloat16 that are nearest."""

    base: Tensor

    def pieces(self) -> Iterator[memoryview]:
        for block in self.base.blocks():
            yield _as_bytes(to_bfloat16(np.frombuffer(block, "<f4")))


@dataclass(frozen=True)
class Widened:
    """Half precision as float32 numbers, exactly."""

    base: Tensor

    def pieces(self) -> Iterator[memoryview]:
        for block in self.base.blocks():
            values = np.frombuffer(block, self.base.dtype.numpy)
            is_brain = self.base.dtype.name == "bfloat16"
            yield _as_bytes(from_bfloat16(values) if is_brain else values.astype("<f4"))


def from_numpy(array: np.ndarray) -> Tensor:
    """An array as a tensor.

    Raises:
        ValueError: no format has its element type.
    """
    found = from_numpy_code(array.dtype.str)
    if found is None:
        raise ValueError(f"no format holds elements of type {array.dtype}")
    return Tensor(found[0], array.shape, Held(array.astype(found[0].numpy).tobytes()))


def view(
    base: Source, dtype: DType, shape: tuple[int, ...], offset: int, strides: tuple[int, ...]
) -> Tensor:
    """A tensor of elements of a source; a plain range of the file where they follow each other."""
    if 0 in shape:
        return Tensor(dtype, shape, Held(b""))
    if strides_match(shape, strides) and isinstance(base, Extents) and len(base.ranges) == 1:
        start = base.ranges[0][0] + offset * dtype.itemsize
        stop = start + math.prod(shape) * dtype.itemsize
        return Tensor(dtype, shape, Extents(base.file, ((start, stop),)))
    return Tensor(
        dtype, shape, Strided(base, dtype, shape, offset, strides), "gathered from a strided view"
    )


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides in elements of a tensor whose elements follow each other."""
    strides = [1]
    for length in reversed(shape[1:]):
        strides.append(strides[-1] * max(length, 1))
    return tuple(reversed(strides)) if shape else ()


def strides_match(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether elements follow each other; the stride of an axis of length 1 does not matter."""
    return all(
        length == 1 or step == expected
        for length, step, expected in zip(shape, strides, row_major(shape), strict=True)
    )


def count_nonfinite(block: memoryview, dtype: DType) -> tuple[int, int]:
    """How many NaN and how many infinite elements a block of bytes has."""
    if not dtype.is_float:
        return 0, 0
    values = np.frombuffer(block, dtype.numpy)
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum is finite if every element is; this is far cheaper than looking at each.
        if dtype.name in ("float32", "float64") and np.isfinite(values.sum()):
            return 0, 0
    if dtype.name == "bfloat16":
        values = from_bfloat16(values)
    return int(np.isnan(values).sum()), int(np.isinf(values).sum())


def first_nonfinite(block: memoryview, dtype: DType) -> int:
    """Which element of a block is the first that is NaN or infinite."""
    return int(np.argmin(np.isfinite(to_float64(block, dtype))))


def place(flat: int, shape: tuple[int, ...]) -> str:
    """The indices of an element that is counted in row-major order: "0, 2, 1"."""
    indices = []
    for length in reversed(shape):
        flat, index = divmod(flat, length)
        indices.append(index)
    return ", ".join(map(str, reversed(indices))) or "its only element"


def to_float64(block: memoryview, dtype: DType) -> np.ndarray:
    """The elements of a block of bytes as float64."""
    values = np.frombuffer(block, dtype.numpy)
    if dtype.name == "bfloat16":
        values = from_bfloat16(values)
    return values.astype(np.float64)


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """The float32 numbers whose upper 16 bits are given: exactly what they mean as bfloat16."""
    return (bits.astype("<u4") << 16).view("<f4")


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """The bits of the bfloat16 numbers nearest to float32 ones, ties to even, NaN stays NaN."""
    bits = values.view("<u4")
    rounded = (bits + (0x7FFF + (bits >> 16 & 1))) >> 16
    return np.where(np.isnan(values), bits >> 16 | 0x40, rounded).astype("<u2")


def _blocks(pieces: Iterable[memoryview], nbytes: int) -> Iterator[memoryview]:
    carried = bytearray()
    for piece in pieces:
        position = 0
        if carried:
            position = min(nbytes - len(carried), len(piece))
            carried += piece[:position]
            if len(carried) < nbytes:
                continue
            yield memoryview(carried)
            carried = bytearray()
        whole = position + (len(piece) - position) // nbytes * nbytes
        for start in range(position, whole, nbytes):
            yield piece[start : start + nbytes]
        carried = bytearray(piece[whole:])
    if carried:
        yield memoryview(carried)


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """Parts of an array, in row-major order, none larger than a window."""
    if array.nbytes <= WINDOW or array.ndim == 0:
        yield array
        return
    rows = WINDOW // (array.nbytes // len(array))
    if rows == 0:
        for row in array:
            yield from _parts(row)
        return
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def _as_bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
