"""The memory of this process."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
from pathlib import Path

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_MIB = 2**20
_GROUPS = Path("/sys/fs/cgroup")
# Limit, what is used, and what of it can be had again: files that are cached.
_GROUP_FILES = (
    (_GROUPS / "memory.max", _GROUPS / "memory.current", "inactive_file"),
    (
        _GROUPS / "memory" / "memory.limit_in_bytes",
        _GROUPS / "memory" / "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


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


def available_mb() -> int:
    """How much memory in MB this process and those that it starts may still take.

    The least of what the system has, what the limits of its group (a container) leave, and what one
    process may take (`ulimit -v`). A very large number where nothing tells.
    """
    limits = [resource.getrlimit(resource.RLIMIT_AS)[0]]
    with contextlib.suppress(OSError, IndexError, ValueError):
        status = Path("/proc/meminfo").read_text()
        limits.append(1024 * int(status.partition("MemAvailable:")[2].split()[0]))
    for limit, used, reclaimable in _GROUP_FILES:
        with contextlib.suppress(OSError, IndexError, ValueError):
            left = int(limit.read_text()) - int(used.read_text())
            kept = used.with_name("memory.stat").read_text()
            limits.append(max(0, left + int(kept.partition(reclaimable)[2].split()[0])))
    return min([limit for limit in limits if limit >= 0], default=sys.maxsize) // _MIB


def keep_freed_blocks() -> None:
    """Let malloc keep what one layer frees for the next one, up to 256 MiB.

    By default glibc gives large blocks back to the system and gets them anew, page by page; the
    faults take up to a third of a network's time. Elsewhere nothing is changed.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_TRIM_THRESHOLD, 256 * _MIB)
        # Before version 2.35 glibc takes 32 MiB at most.
        libc.mallopt(_MMAP_THRESHOLD, 128 * _MIB) or libc.mallopt(_MMAP_THRESHOLD, 32 * _MIB)
