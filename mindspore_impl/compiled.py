"""Kernels of our own for MindSpore on CPU, where some of its operators take ten times as long.

`kernels.cpp` is compiled by g++, once, into the suite's cache. The functions in `layers` that
have a kernel take it for float32, and are composed of MindSpore's operators elsewhere: on other
devices, in Graph mode, without g++, and where RESTORATION_MINDSPORE_KERNELS says "composed", as
files for other machines need it. "compiled" makes their absence an error.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import Tensor, ops

from restoration.engine.kernel_backend import kernel_backend
from restoration.errors import UnavailableError
from restoration.process import cache, compiler

VARIABLE = "RESTORATION_MINDSPORE_KERNELS"
_SOURCE = Path(__file__).with_name("kernels.cpp")
# The last three let loops call the vector forms of erf, exp, sin and cos that glibc has.
_FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC", "-pthread"),
    *("-fno-math-errno", "-fno-trapping-math", "-D__FAST_MATH__"),
)

operators: dict[str, ops.Custom] = {}
"""The kernels by name; none before `build`, and where they cannot be had."""
enabled = False
"""Whether `layers` takes them now."""


def build(report: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Compile the kernels where that has not been done, and make them known.

    report: takes a line of progress. warn: takes a line that the user should read.

    Raises:
        InputError: the environment variable names no method.
        UnavailableError: it says "compiled", and they cannot be compiled.
    """
    global enabled  # noqa: PLW0603 - Graph mode reads it as it compiles
    method = kernel_backend(None, VARIABLE)
    if method == "composed" or operators:
        return
    try:
        operators.update(_operators(_compile(report)))
        enabled = True
    except (OSError, subprocess.SubprocessError) as problem:
        why = compiler.reason(str(getattr(problem, "stderr", "") or problem))
        text = f"the kernels of our own for MindSpore cannot be compiled ({why})"
        if method == "compiled":
            raise UnavailableError(f"{text}; install g++, or unset {VARIABLE}") from None
        warn(
            f"{text}: networks take up to twice as long; install g++ 8 or later, or name one in CXX"
        )


@contextlib.contextmanager
def composed() -> Iterator[None]:
    """Do without them: Graph mode cannot run such an operator on a value whose kind only running
    tells, as behind NumPy's constants."""
    global enabled  # noqa: PLW0603
    before, enabled = enabled, False
    try:
        yield
    finally:
        enabled = before


def _compile(report: Callable[[str], None]) -> Path:
    """The library, compiled for this processor."""
    compiler = os.environ.get("CXX") or "g++"
    path = shutil.which(compiler)
    if path is None:
        raise OSError(f"{compiler} is not installed")
    key = hashlib.sha256(_SOURCE.read_bytes())
    for part in (path, *_FLAGS, *platform.libc_ver(), _processor()):
        key.update(part.encode())
    library = cache.folder("mindspore") / f"kernels-{key.hexdigest()[:16]}.so"
    if not library.exists():
        report("compiling kernels for MindSpore, once")
        fresh = library.with_name(f".{library.name}.{os.getpid()}")
        command = [path, *_FLAGS, str(_SOURCE), "-o", str(fresh)]
        subprocess.run(command, capture_output=True, check=True, text=True)
        os.replace(fresh, library)
    ctypes.CDLL(str(library))  # MindSpore would try that in the middle of a network
    return library


def _processor() -> str:
    """What the code is compiled for: libraries do not run on an older processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return "".join(line for line in lines[:40] if line.startswith(("model name", "flags")))


def _operators(library: Path) -> dict[str, ops.Custom]:
    def kernel(name: str, shape: Any, results: int = 1, bprop: Any = None) -> ops.Custom:
        def kinds(*_: Any) -> Any:
            return ms.float32 if results == 1 else (ms.float32,) * results

        return ops.Custom(f"{library}:{name}", shape, kinds, "aot", bprop)

    def same(shape: Any, *_: Any) -> Any:
        return shape

    gelu_back = kernel("gelu_back", same)

    def gelu_bprop(x: Tensor, _result: Tensor, gradient: Tensor) -> tuple[Tensor]:
        return (gelu_back(x, gradient),)

    def cos_sin_bprop(x: Tensor, result: Tensor, gradient: Tensor) -> tuple[Tensor]:
        count = x.shape[1]
        by_sine = gradient[:, count:] * result[:, :count]
        return (by_sine - gradient[:, :count] * result[:, count:],)

    def modulate_rows_bprop(
        x: Tensor, gains: Tensor, _shifts: Tensor, rows: Tensor, _result: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        pixels = gains.shape[0]
        by_gain = ops.unsorted_segment_sum(gradient * x, rows, pixels)
        by_shift = ops.unsorted_segment_sum(gradient, rows, pixels)
        by_x = gradient * ops.gather(gains, rows, 0)
        return by_x, by_gain, by_shift, ops.zeros_like(rows)

    def depthwise_conv(name: str) -> ops.Custom:
        back = kernel(f"{name}_back", lambda x, weight, _: (x, weight, weight[:1]), 3)

        def bprop(
            x: Tensor, weight: Tensor, _bias: Tensor, _result: Tensor, gradient: Tensor
        ) -> tuple[Tensor, Tensor, Tensor]:
            return back(x, weight, gradient)

        return kernel(name, same, bprop=bprop)

    return {
        "gelu": kernel("gelu", same, bprop=gelu_bprop),
        "cos_sin": kernel("cos_sin", lambda x: (x[0], 2 * x[1]), bprop=cos_sin_bprop),
        "modulate_rows": kernel("modulate_rows", same, bprop=modulate_rows_bprop),
        "depthwise_conv_zeros": depthwise_conv("depthwise_conv_zeros"),
        "depthwise_conv_reflect": depthwise_conv("depthwise_conv_reflect"),
    }
