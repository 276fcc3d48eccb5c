"""What must be true of the process before MindSpore is imported."""

from __future__ import annotations

import os
from collections.abc import Callable

from restoration.process import memory


def prepare(device: str, *, report: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Set up this process for MindSpore, and import it.

    On processors with AVX-512 the oneDNN in MindSpore's wheel falls back to reference code for most
    convolutions, about a hundred times slower than its AVX2 kernels. PyNative mode runs ahead of
    Python and reports an error one operator late unless launches are made to wait. On CPU, kernels
    of our own stand in for what is slow, see `compiled.py`.

    report: takes a line of progress. warn: takes a line that the user should read.
    """
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    # Errors are raised. The log says them again, and one for each gradient of grid_sample of a map
    # of up to four pixels ("memcpy_s failed"), which is right all the same.
    os.environ.setdefault("GLOG_v", "4")
    import mindspore

    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    mindspore.runtime.launch_blocking()
    if device == "cpu":
        from mindspore_impl import compiled

        compiled.build(report, warn)


def peak_mb(device: str) -> int:
    """The most memory in MB that was taken so far: of the device, on a CPU of this process."""
    if device == "cpu":
        return memory.peak_mb()
    import mindspore

    return int(mindspore.runtime.max_memory_reserved()) // 2**20
