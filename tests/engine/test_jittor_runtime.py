"""Jittor's private home: oneDNN from wheels, nobody else's files touched, clear errors."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jittor_impl import runtime
from restoration.errors import UnavailableError
from restoration.process import cache
from tests.backends import Backend
from tests.porting.native import Native

pytestmark = pytest.mark.frameworks("jittor")

ROOT = Path(__file__).resolve().parents[2]


def _silent(_text: str) -> None:
    pass


def test_onednn_is_linked_from_the_wheels(tmp_path: Path) -> None:
    folder = tmp_path / "mkl"
    assert runtime._link_onednn(folder)
    for name in ("lib/libmkldnn.so", "lib/libdnnl.so.2", "include/dnnl.h", "include/oneapi/dnnl"):
        assert (folder / name).exists()
    assert (folder / "lib" / "libmkldnn.so").is_symlink()
    assert not any("python" in path.name for path in (folder / "include").iterdir())
    assert runtime._link_onednn(folder)  # again: the links are right already


def test_stale_links_are_renewed(tmp_path: Path) -> None:
    link = tmp_path / "mkl" / "lib" / "libmkldnn.so"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "removed_environment" / "libmkldnn.so")
    assert not link.exists()
    assert runtime._link_onednn(tmp_path / "mkl")
    assert link.exists()


def test_without_the_wheels_there_is_no_onednn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert not runtime._link_onednn(tmp_path / "mkl")


def test_the_users_home_and_jittor_settings_are_left_alone(tmp_path: Path) -> None:
    """A run with an empty home folder and a JITTOR_HOME of the user's leaves both as they are."""
    home, theirs = tmp_path / "home", tmp_path / "theirs"
    home.mkdir()
    theirs.mkdir()
    program = (
        "from jittor_impl import runtime\n"
        "runtime.prepare('cpu', report=print, warn=print)\n"
        "import jittor\n"
        "assert jittor.mkl_ops is not None\n"
        "assert (jittor.ones(3) + 1).numpy().sum() == 6\n"
    )
    environment = os.environ | {
        "HOME": str(home),
        "JITTOR_HOME": str(theirs),
        "RESTORATION_CACHE": str(cache.folder("jittor").parent),
    }
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert list(home.iterdir()) == []
    assert list(theirs.iterdir()) == []


def test_a_missing_compiler_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match=r"g\+\+, which is not installed: install g\+\+"):
        runtime.prepare("cpu", report=_silent, warn=_silent)


def test_a_jittor_that_cannot_be_built_says_where_its_output_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UnavailableError, match=r"cannot be imported \(its output is in .*build"):
        runtime._build_core(tmp_path, _silent)


def test_a_process_that_ran_nothing_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jittor's first process on a moved cache ends with status 0 before the import is done."""
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(UnavailableError, match="cannot be imported"):
        runtime._build_core(tmp_path, _silent)


def test_the_cache_falls_back_to_a_folder_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "good"))
    assert cache.folder("x") == tmp_path / "good" / "restoration-suite" / "x"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache.folder("x") == tmp_path / f"restoration-suite-{os.getuid()}" / "x"


def test_kernels_headers_are_compiled_once(backends: Callable[[str], Backend]) -> None:
    """The compiler says that it takes them from the file, for a kernel compiled as Jittor does."""
    flags, compiler = Native(backends("jittor"))("[jt.flags.cc_flags, jt.flags.cc_path]")
    kept = [flag for flag in shlex.split(flags) if not flag.startswith(runtime._LINKER_FLAGS)]
    kernel = '#define JIT 1\n#define JIT_cpu 1\n#include <cmath>\n#include "var.h"\n'
    finished = subprocess.run(
        [compiler, *kept, "-g", "-H", "-S", "-x", "c++", "-", "-o", os.devnull],
        input=kernel,
        capture_output=True,
        text=True,
        check=True,
    )
    first, *others = finished.stderr.splitlines()
    assert first.startswith("! ")
    assert first.endswith(".h.gch")
    assert not any(line.startswith("x ") for line in others)


def test_without_compiled_headers_kernels_compile_as_ever(tmp_path: Path) -> None:
    assert runtime._precompiled_headers(tmp_path, "g++", "-DWRONG=", _silent) == ""
    assert [path.suffix for path in tmp_path.iterdir()] == [".h"]
