"""What must be true of the process before Jittor is imported.

Jittor compiles its core and every kernel with g++ into a cache below the user's home, downloads
oneDNN 2.2 from a university host on first import, and dies where that host is not reachable. Here
this process gets a private home that survives from run to run, with oneDNN taken from the PyPI
wheels. "~" then means that home: give such a process paths that are already expanded.
"""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from restoration.errors import UnavailableError
from restoration.process import cache, compiler, memory
from restoration.process.frameworks import FRAMEWORKS

_FRAMEWORK = FRAMEWORKS["jittor"]
_ONEDNN_FOLDER = ".cache/jittor/mkl/dnnl_lnx_2.2.0_cpu_gomp"  # where Jittor looks first
_CORE_OBJECTS = 160  # object files of a full build of the core, for the progress line
_POLL_S = 1.0
_READY = "jittor is ready"
_MPI_VARIABLES = ("OMPI_", "PMIX_", "PMI_", "PRTE_")  # what mpirun gives the processes it starts
_MPI_COUNT = "OMPI_COMM_WORLD_SIZE"  # by which Jittor, too, knows that mpirun started it
_KERNEL_HEADERS = "".join(
    f'#include "{name}.h"\n'
    for name in (
        "var", "fused_op", "executor", "misc/cpu_math",
        *(f"ops/{op}" for op in (
            "op_register", "array_op", "broadcast_to_op", "binary_op", "unary_op", "ternary_op",
            "reindex_op", "reindex_reduce_op", "reduce_op",
        )),
    )
)  # fmt: skip
_LINKER_FLAGS = ("-l", "-L", "-Wl,", "-shared")


def prepare(device: str, *, report: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Set up this process for Jittor, building what is missing, and import it.

    report: takes a line of progress. warn: takes a line that the user should read.

    Raises:
        UnavailableError: Jittor or g++ is missing, or Jittor's core cannot be built.
    """
    if shutil.which(compiler.name()) is None:
        raise UnavailableError(
            f"Jittor compiles with {compiler.name()}, which is not installed: install g++"
        )
    if not _FRAMEWORK.is_installed():
        raise UnavailableError(f"Jittor is not installed: {_FRAMEWORK.how_to_install()}")
    home = cache.folder("jittor")
    has_onednn = _link_onednn(home / _ONEDNN_FOLDER)
    if not has_onednn:
        warn(
            "oneDNN 2.2 is not installed: Jittor's convolutions take 30 to 50 times as long; to "
            f"install it: {sys.executable} -m pip install {' '.join(_FRAMEWORK.companions)}"
        )
    os.environ.update(
        use_mkl="1" if has_onednn else "0",
        log_silent="1",
        FIX_TORCH_ERROR="0",  # else it imports torch
        cache_name="restoration",  # else the name of the git branch is part of the cache's key
    )
    os.environ["use_mpi"] = "1" if _is_one_of_several() else "0"  # else its MPI is compiled anyway
    os.environ.pop("JITTOR_HOME", None)  # it would be written down and redirect every later run
    if device == "cpu":
        os.environ["nvcc_path"] = ""  # else an nvcc without a GPU ends the import
    memory.keep_freed_blocks()
    # Jittor's compiled part asks for the home folder again and again, so this lasts. What this
    # process starts finds the same caches, not others below the new home.
    os.environ.setdefault(cache.VARIABLE, str(home.parent))
    os.environ["HOME"] = str(home)
    _build_core(home, report)
    # Jittor flushes the smallest numbers to zero; NumPy warns of that if it looks for them later.
    for kind in (np.float32, np.float64):
        np.finfo(kind)
    import jittor

    # Jittor ends this process, with status 1, as soon as any other that it has started is killed.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder = Path(jittor.flags.cache_path)
    if jittor.flags.cc_type == "g++":
        jittor.flags.cc_flags += _precompiled_headers(
            folder, jittor.flags.cc_path, jittor.flags.cc_flags, report
        )
    _watch_kernels(folder / "jit", report)


def peak_mb(device: str) -> int:
    """The most memory in MB that this process has taken so far.

    Raises:
        UnavailableError: that of another device is asked for.
    """
    if device == "cpu":
        return memory.peak_mb()
    raise UnavailableError(
        f"Jittor does not tell how much memory of {device} it has taken; PyTorch does, of the same "
        "recipe"
    )


def _is_one_of_several() -> bool:
    """Whether mpirun started this process.

    Raises:
        UnavailableError: it did, and what Jittor needs for that is missing.
    """
    if _MPI_COUNT not in os.environ:
        return False
    if shutil.which("mpicc") is None:
        raise UnavailableError(
            "mpirun started this process, and Jittor compiles with mpicc what it needs for that, "
            "which is not installed: install Open MPI's headers, as libopenmpi-dev"
        )
    return True


def _link_onednn(folder: Path) -> bool:
    """Link the wheels' headers and libraries to where Jittor looks; False if they are missing."""
    try:
        files = [
            Path(str(distribution.locate_file(file))).resolve()
            for distribution in map(importlib.metadata.distribution, _wheel_names())
            for file in distribution.files or ()
        ]
    except importlib.metadata.PackageNotFoundError:
        return False
    for file in files:
        for kind in ("include", "lib"):
            if kind in file.parts and file.is_file() and "cmake" not in file.parts:
                below = file.parts[len(file.parts) - file.parts[::-1].index(kind) :]
                if kind == "include" or file.name.startswith("lib"):
                    cache.link(folder.joinpath(kind, *below), file)
    return (folder / "lib" / "libmkldnn.so").exists() and (folder / "include" / "dnnl.h").exists()


def _wheel_names() -> list[str]:
    return [wheel.partition("==")[0] for wheel in _FRAMEWORK.companions]


def _build_core(home: Path, report: Callable[[str], None]) -> None:
    """Import Jittor in processes of their own until its core is built.

    The first process that meets a cache of another path, compiler or CPU ends with status 0 without
    running anything; only a line printed after the import shows that the next one will run.
    """
    log = home / "build.log"
    for _ in range(3):
        objects_before = _count_objects(home)
        with open(log, "wb") as sink:
            probe = subprocess.Popen(
                [sys.executable, "-c", f"import jittor; print({_READY!r})"],
                stdout=sink,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                # It is none of the processes that mpirun counts: it would take this one's place.
                env={k: v for k, v in os.environ.items() if not k.startswith(_MPI_VARIABLES)},
            )
            started = time.monotonic()
            while probe.poll() is None:
                time.sleep(0.05 if time.monotonic() - started < 2 else _POLL_S)
                built = _count_objects(home) - objects_before
                if built:
                    report(f"building Jittor's core, once: {built} of about {_CORE_OBJECTS} files")
        if _READY in log.read_text(encoding="utf-8", errors="replace"):
            return
        if probe.returncode:
            break
    trial = compiler.try_out(home)
    if trial.problem:
        raise UnavailableError(f"Jittor cannot be built: {trial.problem}; {trial.remedy}")
    reason = compiler.reason(log.read_text(encoding="utf-8", errors="replace"))
    raise UnavailableError(f"Jittor cannot be imported (its output is in {log}): {reason}")


def _count_objects(home: Path) -> int:
    return sum(1 for _ in (home / ".cache" / "jittor").rglob("*.o"))


def _precompiled_headers(
    folder: Path, compiler: str, flags: str, report: Callable[[str], None]
) -> str:
    """The flags by which g++ takes the headers of Jittor's kernels from a file that it compiled
    once, which halves the time that a kernel takes. Empty if it cannot."""
    header = folder / f"kernels-{zlib.crc32(flags.encode()):08x}.h"
    compiled = header.with_name(header.name + ".gch")
    if not compiled.exists():
        report("compiling the headers of Jittor's kernels, once")
        # Under another name first: another process may be reading it.
        fresh = compiled.with_name(f".{compiled.name}.{os.getpid()}")
        fresh.write_text("#define JIT 1\n#define JIT_cpu 1\n" + _KERNEL_HEADERS)
        os.replace(fresh, header)
        # As Jittor compiles kernels: to text, with marks of their lines.
        command = [flag for flag in shlex.split(flags) if not flag.startswith(_LINKER_FLAGS)]
        command = [compiler, *command, "-g", "-x", "c++-header", str(header), "-o", str(fresh)]
        finished = subprocess.run(command, capture_output=True, check=False)
        if finished.returncode:
            fresh.unlink(missing_ok=True)
            return ""
        os.replace(fresh, compiled)
    return f' -include "{header}" '


def _watch_kernels(folder: Path, report: Callable[[str], None]) -> None:
    """Report, from a thread of its own, how many kernels were compiled since the start."""

    def count() -> int:
        return sum(1 for name in os.listdir(folder) if name.endswith(".so"))

    def watch() -> None:
        before = reported = count()
        while True:
            time.sleep(_POLL_S)
            now = count()
            if now > reported:
                report(f"compiling Jittor's kernels, once: {now - before} so far")
                reported = now

    threading.Thread(target=watch, daemon=True, name="kernel watch").start()
