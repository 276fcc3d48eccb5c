"""A file that appears under its name whole or not at all, and is read back while it is written."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from weights_convert.errors import OutputError
from weights_convert.files.tensors import BLOCK, Tensor, count_nonfinite, first_nonfinite

_RESERVED_FROM = 1 << 20  # smaller outputs need no space set aside


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, content: bytes | memoryview, /) -> object:
        """Append some bytes."""


@dataclass(frozen=True)
class Copy:
    """A tensor in the output: where, how many of its elements are NaN or infinite, and which is
    the first."""

    start: int
    stop: int
    nan: int
    infinite: int
    first: int = 0


class Output:
    """A new file beside a target, which `commit` puts in its place; without that nothing is left.

    Where the system can, the file has no name until then, so that even a killed process leaves
    nothing. A target that is a link stays one. All that is written is read back at once, while it
    is in the processor's cache, and compared. `copies`: tensors by identity, see `copy`.

    Raises:
        OutputError: there is no such folder, no permission, no space, or other bytes are read back
            than were written. Also from all methods.
    """

    def __init__(self, target: Path, *, report: Callable[[int], None] = lambda count: None):
        self.target = target
        self.copies: dict[int, list[Copy]] = {}
        self._final = target.resolve()
        self._report = report
        self._temporary: Path | None = None
        self._read_back = bytearray(BLOCK)
        folder = self._final.parent
        if not folder.is_dir():
            raise self._error("an existing folder", "none", "make the folder first")
        if self._final.exists() and not stat.S_ISREG(self._final.stat().st_mode):
            raise self._error("a file to write", "a folder or device", "name a file")
        try:
            self._descriptor = self._open(folder)
        except OSError as problem:
            raise self._failure(problem) from None

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
        if isinstance(problem, OSError):
            raise self._failure(problem) from None

    @property
    def readable_path(self) -> Path:
        """Where the file can be opened before it has its name."""
        return self._temporary or Path(f"/proc/self/fd/{self._descriptor}")

    def reserve(self, nbytes: int) -> None:
        """Set space aside, so that a disk that is too small is noticed at once."""
        if nbytes >= _RESERVED_FROM and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._descriptor, 0, nbytes)

    def copy(self, tensor: Tensor, through: Sink | None = None) -> None:
        """Write the bytes of a tensor, and note where they are.

        through: write them to this, which writes them here.
        """
        sink = through or self
        start, nan, infinite, first, done = self.tell(), 0, 0, 0, 0
        for block in tensor.blocks():
            sink.write(block)
            found = count_nonfinite(block, tensor.dtype)
            if found != (0, 0) and not (nan or infinite):
                first = done + first_nonfinite(block, tensor.dtype)
            nan, infinite = nan + found[0], infinite + found[1]
            done += len(block) // tensor.dtype.itemsize
        copy = Copy(start, self.tell(), nan, infinite, first)
        self.copies.setdefault(id(tensor), []).append(copy)

    def write(self, content: bytes | bytearray | memoryview) -> int:
        """Write all of some bytes, and read them back."""
        view = memoryview(content).cast("B")
        for start in range(0, len(view), BLOCK):
            self._write_block(view[start : start + BLOCK])
        self._report(len(view))
        return len(view)

    def tell(self) -> int:
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._descriptor, position, whence)

    def flush(self) -> None:
        """Nothing waits to be written; for those who want a file."""

    def commit(self) -> None:
        """Put the file in the target's place."""
        try:
            if self._temporary is None:
                named = self._new_name()
                # Python follows the link in /proc to the nameless file only where it is given a
                # descriptor, although an absolute path makes no use of it.
                os.link(self.readable_path, named, src_dir_fd=self._descriptor)
                self._temporary = named
            os.replace(self._temporary, self._final)
            self._temporary = None
        except OSError as problem:
            raise self._failure(problem) from None

    def _write_block(self, block: memoryview) -> None:
        start, rest = self.tell(), block
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        again = self._read_back if len(block) == BLOCK else bytearray(len(block))
        count = os.preadv(self._descriptor, [again], start)
        if count != len(block) or again != block:  # a bytearray compares as fast as memory is
            raise self._error("the bytes that were written", "others", "check the disk")

    def _open(self, folder: Path) -> int:
        if hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir():
            with contextlib.suppress(OSError):
                return os.open(folder, os.O_RDWR | os.O_TMPFILE, 0o666)
        named = self._new_name()
        descriptor = os.open(named, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self._temporary = named
        return descriptor

    def _new_name(self) -> Path:
        return self._final.with_name(f".{self._final.name}.{secrets.token_hex(4)}.tmp")

    def _failure(self, problem: OSError) -> OutputError:
        next_step = "free some space" if problem.errno == errno.ENOSPC else "check the folder"
        return self._error("to be able to write", problem.strerror or str(problem), next_step)

    def _error(self, expected: str, got: str, next_step: str) -> OutputError:
        return OutputError(f"{self.target}: expected {expected}, got {got}; {next_step}")
