"""A file mapped into memory and streamed through it, so that little of it is resident at a time."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from restoration.errors import InputError
from weights_convert.errors import broken

WINDOW = 8 << 20
"""Bytes that are resident at a time."""

_POPULATE_READ = (
    22  # MADV_POPULATE_READ; not in Python's mmap. Maps a window at once: twice as fast.
)


class MappedFile:
    """A read-only file. `view` is all of it; `windows` streams a part of it.

    A part of a file, or bytes in memory, can serve as one (`part`, `holding`). offset: where it
    begins in the file that is mapped.

    Raises:
        InputError: there is no such file, it is no regular file, it is empty, or may not be read.
    """

    def __init__(self, path: Path, *, shown_as: Path | None = None):
        self.path, self.offset, self._inside, self._is_held = shown_as or path, 0, "", False
        try:
            with open(path, "rb", opener=_open_without_waiting) as opened:
                status = os.fstat(opened.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise self.error(expected="a regular file", got="something else")
                if status.st_size == 0:
                    raise self.error(expected="a checkpoint", got="an empty file")
                self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        except IsADirectoryError:
            raise self.error(
                expected="a file", got="a folder", where="path", next_step="name the file in it"
            ) from None
        except FileNotFoundError:
            raise self.error(
                expected="an existing file", got="nothing", where="path", next_step="check it"
            ) from None
        except OSError as problem:
            raise self.error(
                expected="a file that can be read",
                got=problem.strerror or str(problem),
                where="path",
                next_step="check its permissions",
            ) from None
        self.size = len(self._map)
        self.view = memoryview(self._map)

    def part(self, start: int, stop: int, name: str) -> MappedFile:
        """The bytes of [start, stop) as a file of their own; errors name it."""
        return self._another(self._map, self.view[start:stop], self.offset + start, name)

    def holding(self, content: bytes, name: str) -> MappedFile:
        """Bytes that were made from this file, as a file of their own; errors name it."""
        held = mmap.mmap(-1, max(len(content), 1))
        held[: len(content)] = content
        found = self._another(held, memoryview(held)[: len(content)], 0, name)
        found._is_held = True
        return found

    def _another(self, mapped: mmap.mmap, view: memoryview, offset: int, name: str) -> MappedFile:
        found = object.__new__(MappedFile)
        found.path, found.offset, found._is_held = self.path, offset, self._is_held
        found._inside = f"{self._inside}, in {name}"
        found._map, found.view, found.size = mapped, view, len(view)
        if not found.size:
            raise found.error(expected="a checkpoint", got="an empty file")
        return found

    def error(
        self,
        *,
        expected: str,
        got: str,
        where: str = "content of the file",
        next_step: str = "get the file again",
    ) -> InputError:
        """The error for something wrong in this file."""
        where += self._inside
        return broken(self.path, expected=expected, got=got, where=where, next_step=next_step)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of [start, stop), as many as there are."""
        return bytes(self.view[start:stop])

    def find(self, pattern: bytes, start: int, stop: int) -> int:
        """The first place of some bytes in [start, stop), or -1."""
        found = self._map.find(pattern, self.offset + start, self.offset + min(stop, self.size))
        return found - self.offset if found >= 0 else -1

    def rfind(self, pattern: bytes, start: int, stop: int) -> int:
        """The last place of some bytes in [start, stop), or -1."""
        found = self._map.rfind(pattern, self.offset + start, self.offset + min(stop, self.size))
        return found - self.offset if found >= 0 else -1

    def windows(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes of [start, stop) in order, a window at a time.

        Raises:
            InputError: the file has become shorter since it was opened.
        """
        for first in range(start, stop, WINDOW):
            last = min(first + WINDOW, stop)
            try:
                self._advise(_POPULATE_READ, first, last)
            except (OSError, AttributeError):
                # Older systems do not know the advice; only a file that was cut is an error.
                if not self._is_held and self._map.size() < len(self._map):
                    raise self.error(
                        expected=f"{len(self._map)} bytes",
                        got="fewer while it was read",
                        next_step="do not change the file meanwhile",
                    ) from None
            yield self.view[first:last]
            self.release(first, last)

    def release(self, start: int, stop: int) -> None:
        """Let the system take back the memory that a part of the file occupies."""
        with contextlib.suppress(OSError, AttributeError):
            self._advise(mmap.MADV_DONTNEED, start, stop)

    def _advise(self, advice: int, start: int, stop: int) -> None:
        if self._is_held:
            return  # memory that was given back would be lost
        start, stop = self.offset + start, self.offset + stop
        page_start = start - start % mmap.PAGESIZE
        self._map.madvise(advice, page_start, stop - page_start)


def _open_without_waiting(path: str, flags: int) -> int:
    """Opens a file; a pipe that nobody writes to would be waited for."""
    return os.open(path, flags | os.O_NONBLOCK)
