"""Zip archives: a strict table of contents over a mapped file, and a writer of aligned records."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import IO, NoReturn
from weakref import WeakKeyDictionary

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.files.output import Output

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_IN_ZIP64 = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_IS_ENCRYPTED, _IS_UTF8 = 1, 1 << 11
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever they are written
_PADDING = 0x4246  # kind of extra field that PyTorch uses


@dataclass(frozen=True)
class Record:
    """A record of an archive. [start, stop) is what lies in the file, `size` what it becomes."""

    name: str
    start: int
    stop: int
    size: int
    crc32: int
    is_deflated: bool


_READ: WeakKeyDictionary[MappedFile, dict[str, Record]] = WeakKeyDictionary()


def read_records(file: MappedFile) -> dict[str, Record]:
    """The records of an archive by name, in the order in which they lie in the file. What was read
    of a file is kept as long as the file is.

    Raises:
        InputError: the archive is damaged, encrypted, or made to deceive: records that overlap, lie
            outside, share a name, point out of the archive, or unpack to more than is plausible.
    """
    if file not in _READ:
        _READ[file] = _read(file)
    return _READ[file]


def _read(file: MappedFile) -> dict[str, Record]:
    count, start, stop = _table(file)
    found = []
    position = start
    for _ in range(count):
        entry, position = _record(file, position, stop)
        found.append(entry)
    if position != stop:
        _fail(file, f"{count} records in the table of contents", f"{stop - position} more bytes")
    end = 0
    by_name: dict[str, Record] = {}
    for header_start, record in sorted(found, key=lambda entry: entry[0]):
        if header_start < end or record.stop > start:
            _fail(file, "records that do not overlap", "two that do", record.name)
        if record.name in by_name:
            _fail(file, "a name once", "it twice", record.name)
        end = record.stop
        by_name[record.name] = record
    inflated = sum(record.size for record in by_name.values() if record.is_deflated)
    if inflated > limits.FREE_EXPANSION_BYTES + limits.MAX_EXPANSION * file.size:
        _fail(
            file,
            f"records that unpack to at most {limits.MAX_EXPANSION} times the file",
            f"{inflated} bytes out of {file.size}",
        )
    return by_name


def points_outside(name: str) -> bool:
    """Whether a record of this name would leave the folder that an archive is unpacked in."""
    return name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/")


def _table(file: MappedFile) -> tuple[int, int, int]:
    """Number of records, start and stop of the table of contents."""
    at = file.rfind(b"PK\5\6", max(0, file.size - _END.size - 0xFFFF), file.size)
    if at < 0 or at + _END.size > file.size:
        _fail(file, "a table of contents at the end", "none: the file was cut off")
    _, disk, _, _, count, size, start, comment = _END.unpack_from(file.view, at)
    if at + _END.size + comment != file.size:
        _fail(file, "the end of the archive at the end of the file", "something after it")
    stop = at
    locator = at - _END64_LOCATOR.size
    if locator >= 0 and file.read(locator, locator + 4) == b"PK\6\7":
        at64 = _END64_LOCATOR.unpack_from(file.view, locator)[2]
        if at64 + _END64.size > locator or file.read(at64, at64 + 4) != b"PK\6\6":
            _fail(file, "a table of contents in 64 bits", "none where it should be")
        _, _, _, _, disk, _, _, count, size, start = _END64.unpack_from(file.view, at64)
        stop = at64
    if disk or start + size != stop:
        _fail(file, f"a table of contents up to byte {stop}", f"one up to byte {start + size}")
    if size > limits.MAX_HEADER_BYTES or count > limits.MAX_ENTRIES:
        _fail(
            file,
            f"at most {limits.MAX_ENTRIES} records and {limits.MAX_HEADER_BYTES} bytes of contents",
            f"{count} and {size}",
        )
    return count, start, stop


def _record(file: MappedFile, position: int, stop: int) -> tuple[tuple[int, Record], int]:
    """The record whose entry in the table is at a position, with the start of its header."""
    entry_stop = position + _CENTRAL.size
    if entry_stop > stop or file.read(position, position + 4) != b"PK\1\2":
        _fail(file, "an entry of the table of contents", "something else")
    fields = _CENTRAL.unpack_from(file.view, position)
    flags, method, crc32, packed, size = fields[3], fields[4], *fields[7:10]
    name_size, extra_size, comment_size, header_start = *fields[10:13], fields[16]
    extra_start = entry_stop + name_size
    next_entry = extra_start + extra_size + comment_size
    if next_entry > stop or name_size > limits.MAX_NAME_BYTES:
        _fail(file, f"a name of at most {limits.MAX_NAME_BYTES} bytes", f"{name_size}")
    try:
        raw_name = file.read(entry_stop, extra_start)
        name = raw_name.decode("utf-8" if flags & _IS_UTF8 else "cp437")
    except UnicodeDecodeError:
        _fail(file, "a name in UTF-8", "something else")
    if points_outside(name):
        _fail(file, "names inside the archive", "one that points outside", name)
    extra = file.read(extra_start, extra_start + extra_size)
    size, packed, header_start = _wide(file, name, extra, [size, packed, header_start])
    if flags & _IS_ENCRYPTED or method not in (_STORED, _DEFLATED):
        _fail(file, "a record that is stored or deflated", f"method {method}, flags {flags}", name)
    if method == _STORED and packed != size:
        _fail(file, f"{size} bytes", f"{packed}", name)
    if header_start + _LOCAL.size > file.size or (
        file.read(header_start, header_start + 4) != b"PK\3\4"
    ):
        _fail(file, "the header of a record", "something else", name)
    local = _LOCAL.unpack_from(file.view, header_start)
    start = header_start + _LOCAL.size + local[9] + local[10]
    if start + packed > file.size:
        _fail(file, f"{packed} bytes", f"{file.size - start} to the end of the file", name)
    record = Record(name, start, start + packed, size, crc32, method == _DEFLATED)
    return (header_start, record), next_entry


def _wide(file: MappedFile, name: str, extra: bytes, values: list[int]) -> list[int]:
    """Sizes and place of a record, those that do not fit into 32 bits from the extra field."""
    wanted = [index for index, value in enumerate(values) if value == _IN_ZIP64]
    position = 0
    while wanted and position + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, position)
        if kind == 1 and size >= 8 * len(wanted) and position + 4 + size <= len(extra):
            for number, index in enumerate(wanted):
                (values[index],) = struct.unpack_from("<Q", extra, position + 4 + 8 * number)
            return values
        position += 4 + size
    if wanted:
        _fail(file, "sizes in 64 bits", "none", name)
    return values


def _fail(file: MappedFile, expected: str, got: str, name: str | None = None) -> NoReturn:
    where = "table of contents of the zip" if name is None else f"record {quoted(name)}"
    raise file.error(expected=expected, got=got, where=where)


class ZipWriter:
    """Writes an archive of stored records; its table of contents when left without an error."""

    def __init__(self, output: Output):
        self._output = output
        self._zip = zipfile.ZipFile(output, "w", zipfile.ZIP_STORED)  # type: ignore[call-overload]

    def __enter__(self) -> ZipWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if problem is None:
            self._zip.close()
        else:
            self._zip.fp = None  # else it would write when it is collected, after the file's end

    @contextmanager
    def record(self, name: str, *, size: int, alignment: int = 1) -> Iterator[IO[bytes]]:
        """Open a record of a known size for writing; its bytes start at a multiple of alignment."""
        info = zipfile.ZipInfo(name, date_time=_EARLIEST)
        start = self._output.tell() + _LOCAL.size + len(name.encode())
        is_wide = size > zipfile.ZIP64_LIMIT
        start += 20 if is_wide else 0
        padding = -(start + 4) % alignment
        if alignment > 1:
            info.extra = struct.pack("<2H", _PADDING, padding) + bytes(padding)
        with self._zip.open(info, "w", force_zip64=is_wide) as opened:
            yield opened

    def put(self, name: str, content: bytes) -> None:
        """Write a small record."""
        with self.record(name, size=len(content)) as opened:
            opened.write(content)
