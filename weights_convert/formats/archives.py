"""Archives that hold a checkpoint among other files, as a downloaded zip does: which one it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.integrity import Checksum
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import Inflated, inflate
from weights_convert.formats import foreign
from weights_convert.formats.zips import Record, read_records

_BLOCK = 512  # of a tar
_TAR_MARK = slice(257, 262)
_FILE, _LONG_NAME, _EXTENDED = (b"0", b"\0", b"7"), b"L", b"x"
_EXAMINED = 1000
_LEAST_BYTES = 16
_BEGINNING_BYTES = 4096
_LISTED = 5


@dataclass(frozen=True)
class Member:
    """A file in an archive. record: of a zip, None in a tar."""

    name: str
    start: int
    stop: int
    record: Record | None = None


@dataclass(frozen=True)
class Inner:
    """The checkpoint in an archive, and the archive's checksum of it, if it has one."""

    file: MappedFile
    name: str
    checksums: tuple[Checksum, ...]


def is_tar(file: MappedFile) -> bool:
    """Whether a file begins with the header of a tar."""
    return bytes(file.view[_TAR_MARK]) == b"ustar"


def only_checkpoint(file: MappedFile, is_checkpoint: Callable[[MappedFile], bool]) -> Inner:
    """The one member of a zip or tar that is a checkpoint; it stays in its place where it can.

    Raises:
        InputError: there is none, or there are several, or it has to be unpacked first.
    """
    unpack = "tar -xf" if is_tar(file) else "unzip"
    members = list(_members(file))
    found = [
        member
        for member in members[:_EXAMINED]
        if member.stop - member.start >= _LEAST_BYTES
        and not member.name.rpartition("/")[2].startswith("._")
        and _may_be(file, member, is_checkpoint)
    ]
    if len(found) != 1:
        listing = ", ".join(quoted(one.name) for one in (found or members)[:_LISTED])
        raise file.error(
            expected="an archive with one checkpoint",
            got=(f"{len(found)}: {listing}" if found else f"none among {listing or 'no files'}"),
            where="files in the archive",
            next_step=f"unpack it ({unpack} {quoted(file.path.name)}), and name one of them"
            if found
            else "name the file with the weights",
        )
    (member,) = found
    record = member.record
    if record is None:
        return Inner(file.part(member.start, member.stop, member.name), member.name, ())
    if not record.is_deflated:
        checksum = Checksum(quoted(member.name), record.start, record.stop, record.crc32)
        return Inner(file.part(record.start, record.stop, member.name), member.name, (checksum,))
    if record.size > limits.FREE_EXPANSION_BYTES:
        raise file.error(
            expected="a checkpoint that is not compressed",
            got=f"{record.size} bytes in {record.stop - record.start}",
            where=f"{quoted(member.name)} in the archive",
            next_step=f"unpack it: {unpack} {quoted(file.path.name)} {quoted(member.name)}",
        )
    place = (record.start, record.stop, 0, record.size)
    packed = Inflated(file, *place, crc32=record.crc32, name=record.name)
    return Inner(file.holding(b"".join(packed.pieces()), member.name), member.name, ())


def _members(file: MappedFile) -> Iterator[Member]:
    if is_tar(file):
        yield from _of_tar(file)
        return
    for record in read_records(file).values():
        if not record.name.endswith("/"):
            yield Member(record.name, record.start, record.stop, record)


def _may_be(file: MappedFile, member: Member, is_checkpoint: Callable[[MappedFile], bool]) -> bool:
    record = member.record
    if record is None or not record.is_deflated:
        part = file.part(member.start, member.stop, member.name)
        return foreign.identify(part) is None and is_checkpoint(part)
    window = file.view[record.start : min(record.stop, record.start + _BEGINNING_BYTES)]
    begin = b"".join(inflate([window], at_most=record.size))[:_BEGINNING_BYTES]
    if len(begin) < _LEAST_BYTES:
        return False
    part = file.holding(begin, member.name)
    if begin.startswith(b"PK\3\4"):
        return True  # its table of contents is at its end
    return foreign.identify(part) is None and is_checkpoint(part)


def _of_tar(file: MappedFile) -> Iterator[Member]:
    position, long_name, count = 0, "", 0
    while position + _BLOCK <= file.size:
        header = file.read(position, position + _BLOCK)
        if not header.strip(b"\0"):
            return
        count += 1
        size, start = _size(header), position + _BLOCK
        is_sound = sum(header[:148]) + sum(header[156:]) + 8 * 32 == _octal(header[148:156])
        if not is_sound or size < 0 or start + size > file.size or count > limits.MAX_ENTRIES:
            raise file.error(
                expected="a tar with whole files",
                got="a damaged header, or the end of the file",
                where=f"byte {position}",
            )
        kind, name = header[156:157], long_name or _text(header[345:500]) or ""
        if not long_name:
            name = f"{name}/{_text(header[:100])}" if name else _text(header[:100])
        if kind == _LONG_NAME and size <= limits.MAX_NAME_BYTES:
            long_name = _text(file.read(start, start + size))
        elif kind != _EXTENDED:
            long_name = ""
            if kind in _FILE:
                yield Member(name, start, start + size)
        position = start + -(-size // _BLOCK) * _BLOCK


def _size(header: bytes) -> int:
    field = header[124:136]
    return int.from_bytes(field[1:], "big") if field[0] & 0x80 else _octal(field)


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    return int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else -1


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "replace")
