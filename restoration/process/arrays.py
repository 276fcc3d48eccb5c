"""Arrays that cross between processes, as safetensors files that are mapped into memory."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

Arrays = Mapping[str, np.ndarray]

PROBLEM_FILE = "problem.safetensors"  # inputs/, weights/ and cotangents/ that every engine gets
TRUTH_FILE = "truth.safetensors"  # the reference's float64 results
GIVEN_FILE = "given.safetensors"  # what the case brings of the problem and of expected results

_KINDS = {
    "|b1": "BOOL", "|u1": "U8", "|i1": "I8", "<u2": "U16", "<i2": "I16", "<u4": "U32", "<i4": "I32",
    "<u8": "U64", "<i8": "I64", "<f2": "F16", "<f4": "F32", "<f8": "F64", "<c8": "C64",
}  # fmt: skip
_LENGTH = struct.Struct("<Q")
_HEADER_BYTES = 2**17  # kept free for it; of some thousand arrays it is longer
_MOVED_BYTES = 2**24


class Reader:
    """An open safetensors file; arrays are read one at a time."""

    def __init__(self, file: safe_open):
        self._file = file
        self.names = list(file.keys())
        self._known = frozenset(self.names)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def __getitem__(self, name: str) -> np.ndarray:
        return self._file.get_tensor(name)

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """All arrays under "prefix/", by the rest of their names."""
        start = prefix + "/"
        return {name[len(start) :]: self[name] for name in self.names if name.startswith(start)}


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open a file of arrays."""
    with safe_open(path, framework="np") as file:
        yield Reader(file)


def write(path: Path, arrays: Arrays) -> None:
    """Write a file of arrays; it appears complete or not at all."""
    partial = path.with_name(path.name + ".partial")
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial)
    os.replace(partial, path)


class Stream:
    """Writes a file of arrays one after another, so that none of them stays in memory.

    As `write`, the file appears complete or not at all: when the context is left without an error.
    """

    def __init__(self, path: Path):
        """Raises OSError: the file cannot be written."""
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._file = self._partial.open("w+b")
        self._file.seek(_HEADER_BYTES)
        self._header: dict[str, Any] = {}
        self._end = 0

    def __enter__(self) -> Stream:
        return self

    def add(self, name: str, array: np.ndarray) -> None:
        """Write an array.

        Raises:
            OSError: the disk is full.
            ValueError: there is no such type of numbers in a file.
        """
        kind = _KINDS.get(array.dtype.str)
        if kind is None:
            raise ValueError(f"{name}: {array.dtype} cannot be written")
        data = np.ascontiguousarray(array)
        if data.size:
            self._file.write(data.reshape(-1).view(np.uint8).data)
        offsets = [self._end, self._end + data.nbytes]
        self._header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        self._end += data.nbytes

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if kind is None:
                self._write_header()
        if kind is None:
            os.replace(self._partial, self._path)
        else:
            self._partial.unlink(missing_ok=True)

    def _write_header(self) -> None:
        text = json.dumps(self._header).encode()
        room = _HEADER_BYTES
        while len(text) + _LENGTH.size > room:
            room *= 2
        if room != _HEADER_BYTES:
            self._move(room)
        self._file.seek(0)
        self._file.write(_LENGTH.pack(room - _LENGTH.size) + text.ljust(room - _LENGTH.size))

    def _move(self, start: int) -> None:
        """Move everything, from the end on, to where it starts behind a longer header."""
        for place in reversed(range(0, self._end, _MOVED_BYTES)):
            self._file.seek(_HEADER_BYTES + place)
            part = self._file.read(min(_MOVED_BYTES, self._end - place))
            self._file.seek(start + place)
            self._file.write(part)
