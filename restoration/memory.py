"""The memory of this process."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path


def reset_peak() -> None:
    """Let the kernel count the peak of this process anew.

    Where it cannot (not Linux, or not allowed), the peak stays that of the whole process so far.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> int:
    """Largest resident size of this process in MB, since the last reset."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // (1024 * 1024) if sys.platform == "darwin" else peak // 1024
