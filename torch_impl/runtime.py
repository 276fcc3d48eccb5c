"""What must be true of the process before PyTorch is imported."""

from __future__ import annotations

import os
from collections.abc import Callable

from restoration.process import memory


def prepare(device: str, *, report: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Set up this process for PyTorch.

    Its large arrays lie on large pages, where Linux lets them: with that and with memory that is
    kept, a network of many cheap layers takes half the time.

    report: takes a line of progress. warn: takes a line that the user should read.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    memory.keep_freed_blocks()


def peak_mb(device: str) -> int:
    """The most memory in MB that was taken so far: of the device, on a CPU of this process."""
    if device == "cpu":
        return memory.peak_mb()
    import torch

    return torch.cuda.max_memory_reserved() // 2**20
