"""Checks a file's own checksums and takes its fingerprint, in one pass."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import NoReturn

from weights_convert.files.mapped import MappedFile

_POLYNOMIAL = 0xEDB88320
_HIGHEST = 1 << 31


@dataclass(frozen=True)
class Checksum:
    """A checksum that a file holds of its bytes in [start, stop). Exactly one of them is given."""

    what: str
    start: int
    stop: int
    crc32: int | None = None
    sha1: bytes | None = None


@dataclass(frozen=True)
class Part:
    """A file of a checkpoint, and the checksums that it holds of itself, see `check`."""

    file: MappedFile
    checksums: tuple[Checksum, ...]


@dataclass(frozen=True)
class Fingerprint:
    """What identifies a file: its CRC-32 and, where it was asked for, its SHA-256."""

    crc32: str
    sha256: str | None


class StoppedError(Exception):
    """The check was told to stop."""


def check(
    file: MappedFile, checksums: Sequence[Checksum], *, with_sha256: bool, stop: Event | None = None
) -> Fingerprint:
    """`check_parts` of a single file."""
    return check_parts((Part(file, tuple(checksums)),), with_sha256=with_sha256, stop=stop)


def check_parts(
    parts: Sequence[Part], *, with_sha256: bool, stop: Event | None = None
) -> Fingerprint:
    """Read all of some files, and compare each of their parts with the checksum they hold of it.

    checksums: of parts in the order of the bytes, without overlap. stop: set it to end early. The
    fingerprint is that of all bytes in a row.

    Raises:
        InputError: a part is not what it was when it was written.
        StoppedError: `stop` was set.
    """
    whole, sha256 = 0, hashlib.sha256()
    for file, start, end, checksum in _stretches(parts):
        crc, sha1 = 0, hashlib.sha1(usedforsecurity=False)
        for window in file.windows(start, end):
            if stop is not None and stop.is_set():
                raise StoppedError
            crc = zlib.crc32(window, crc)
            if with_sha256:
                sha256.update(window)
            if checksum and checksum.sha1 is not None:
                sha1.update(window)
        if checksum and checksum.crc32 not in (None, crc):
            _fail(file, checksum, f"CRC-32 {checksum.crc32:08x}", f"{crc:08x}")
        if checksum and checksum.sha1 not in (None, sha1.digest()):
            _fail(file, checksum, "the SHA-1 at the end of the file", "another one")
        whole = combine_crc32(whole, crc, end - start)
    return Fingerprint(f"{whole:08x}", sha256.hexdigest() if with_sha256 else None)


def combine_crc32(first: int, second: int, second_size: int) -> int:
    """The CRC-32 of two parts in a row from the CRC-32 of each and the size of the second."""
    return _multiply(_power(second_size), first) ^ second


def _stretches(
    parts: Iterable[Part],
) -> Iterator[tuple[MappedFile, int, int, Checksum | None]]:
    for part in parts:
        for stretch in _cut(part.checksums, part.file.size):
            yield (part.file, *stretch)


def _cut(checksums: Iterable[Checksum], size: int) -> Iterator[tuple[int, int, Checksum | None]]:
    """The whole file, cut where parts with a checksum begin and end."""
    position = 0
    for checksum in checksums:
        yield position, checksum.start, None
        yield checksum.start, checksum.stop, checksum
        position = checksum.stop
    yield position, size, None


def _fail(file: MappedFile, checksum: Checksum, expected: str, got: str) -> NoReturn:
    raise file.error(expected=expected, got=got, where=checksum.what)


# A CRC is a remainder of polynomials over two elements; the highest bit is the lowest power.


def _multiply(a: int, b: int) -> int:
    """The product of two remainders."""
    result, bit = 0, _HIGHEST
    while bit:
        if a & bit:
            result ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
        bit >>= 1
    return result


def _power(nbytes: int) -> int:
    """The remainder by which a CRC is multiplied when a number of bytes follow."""
    result, square = _HIGHEST, _HIGHEST >> 1  # 1 and x
    bits = 8 * nbytes
    while bits:
        if bits & 1:
            result = _multiply(square, result)
        square = _multiply(square, square)
        bits >>= 1
    return result
