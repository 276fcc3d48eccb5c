"""Arrays that cross between processes, as safetensors files that are mapped into memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

Arrays = Mapping[str, np.ndarray]

PROBLEM_FILE = "problem.safetensors"  # inputs/, weights/ and cotangents/ that every engine gets
TRUTH_FILE = "truth.safetensors"  # the reference's float64 results
GIVEN_FILE = "given.safetensors"  # what the case brings of the problem and of expected results


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
