"""The memory of a process."""

from __future__ import annotations

import subprocess
import sys

from tests.backends import ROOT

PROGRAM = """
import ctypes, resource, sys
from restoration.process import memory
if sys.argv[1] == "kept":
    memory.keep_freed_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
size = 40 * 2**20
for number in range(11):
    if number == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size)))
    libc.memset(block, 1, ctypes.c_size_t(size))
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(way: str) -> int:
    """Page faults of taking, filling and freeing 40 MiB ten times, after a first time."""
    command = [sys.executable, "-c", PROGRAM, way]
    finished = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT)
    return int(finished.stdout)


def test_freed_blocks_are_kept() -> None:
    assert _faults("kept") < _faults("native") / 10
