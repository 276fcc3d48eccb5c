"""What `parity doctor` sees of a machine that something is wrong with; every remedy is tried."""

from __future__ import annotations

import functools
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity.commands import doctor, machine
from parity.commands.machine import Finding
from parity.report.progress import Progress
from restoration.errors import ExitCode, UnavailableError
from restoration.process import cache, compiler, memory
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import Worker
from tests.parity.test_parity import HERE, parity

OLD = """#!/bin/sh
case "$*" in
*-dumpversion* | *-dumpfullversion*) echo 4.8.5; exit 0 ;;
*--version* | *-v*) echo "g++ (GCC) 4.8.5"; exit 0 ;;
esac
echo "g++: error: unrecognized command line option '-std=c++14'" >&2
exit 1
"""
REFUSED = "unrecognized command line option '-std=c++14'"
GXX = str(shutil.which("g++"))


def _program(folder: Path, text: str, name: str = "g++") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def _variables(fix: str) -> dict[str, str]:
    """What a remedy sets before the command."""
    words = shlex.split(fix)
    return dict(word.split("=", 1) for word in words[: words.index("parity")])


@pytest.fixture
def old_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A g++ of 2015 first on PATH."""
    folder = _program(tmp_path / "bin", OLD).parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(compiler.VARIABLE, raising=False)
    return folder


def test_a_compiler_is_tried_and_not_believed(tmp_path: Path) -> None:
    assert compiler.try_out(tmp_path).problem == ""
    assert machine.compiler().ok
    assert list(tmp_path.iterdir()) == []


def test_an_old_compiler_and_its_remedy(
    old_compiler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = machine.compiler()
    assert not found.ok
    assert found.text == (
        f"g++ 4.8.5 is too old, Jittor needs C++14: g++ 5 or later (g++: error: {REFUSED})"
    )
    ((variable, placeholder),) = _variables(found.fix).items()
    assert placeholder == "/path/to/another/g++"
    monkeypatch.setenv(variable, GXX)
    assert machine.compiler().ok


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo 12.2.0", "g++ 12.2.0 cannot compile: 12.2.0"),  # says yes to everything
        (
            "[ $# = 2 ] && echo 13.1.0 && exit\n"
            "echo 'In file included from <stdin>:2:' >&2\n"
            "echo '<stdin>:2:10: fatal error: vector: No such file or directory' >&2\n"
            "echo 'compilation terminated.' >&2\nexit 1",
            "g++ 13.1.0 cannot compile: <stdin>:2:10: fatal error: vector: No such file",
        ),
        ("exit 1", "g++ cannot compile: it says nothing"),
    ],
)
def test_a_compiler_that_cannot_compile_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    monkeypatch.setenv(compiler.VARIABLE, str(_program(tmp_path / "bin", f"#!/bin/sh\n{text}\n")))
    found = machine.compiler()
    assert not found.ok
    assert found.text.startswith(why)
    monkeypatch.setenv(next(iter(_variables(found.fix))), GXX)
    assert machine.compiler().ok


def test_what_is_compiled_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from a folder that is mounted noexec; the remedy is another folder."""
    real = compiler.ctypes.CDLL

    def refuse(path: str) -> Any:
        if Path(path).is_relative_to(tmp_path / "noexec"):
            raise OSError(f"{path}: failed to map segment from shared object")
        return real(path)

    monkeypatch.setattr(compiler.ctypes, "CDLL", refuse)
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "noexec"))
    found = machine.compiler()
    assert not found.ok
    assert "failed to map segment" in found.text
    monkeypatch.setenv(next(iter(_variables(found.fix))), str(tmp_path / "elsewhere"))
    assert machine.compiler().ok


def test_the_reason_of_a_build_is_what_the_compiler_said_first() -> None:
    log = (
        "[i 1125 compiler.py:956] Jittor is compiled\n"
        "src/var.cc:1:10: fatal error: vector: No such file or directory\n"
        "compilation terminated.\n"
        "Traceback (most recent call last):\n"
        '  File "compiler.py", line 90\n'
        "Exception: Run cmd failed: g++ -std=c++14 " + "x.cc " * 200
    )
    assert compiler.reason(log) == "src/var.cc:1:10: fatal error: vector: No such file or directory"
    linked = "a.o: undefined reference to `f'\ncollect2: error: ld returned 1 exit status\n"
    assert compiler.reason(linked) == "a.o: undefined reference to `f'"
    assert compiler.reason("g++: fatal error: Killed signal terminated program cc1plus").startswith(
        "g++: fatal error: Killed"
    )
    assert compiler.reason("Traceback:\nValueError: no kernels") == "ValueError: no kernels"
    assert compiler.reason("") == ""


@pytest.mark.frameworks("torch", "jittor")
def test_a_run_with_an_old_compiler_says_so_in_jittors_row(
    old_compiler: Path, tmp_path: Path
) -> None:
    options = ("--frameworks", "jittor", "--photographs", "cat", "--size", "32x32")
    finished = parity(
        "run", "mimo_unet", *options, "--gradient-size", "32x32", cwd=tmp_path,
        RESTORATION_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert finished.returncode == ExitCode.INCOMPLETE
    (line,) = [one for one in finished.stdout.splitlines() if ", jittor: " in one]
    assert "g++ 4.8.5 is too old, Jittor needs C++14: g++ 5 or later" in line
    assert REFUSED in line
    assert len(line) < 300


@pytest.mark.frameworks("jittor")
def test_jittor_runs_by_the_remedy_of_an_old_compiler(old_compiler: Path, tmp_path: Path) -> None:
    arguments = ("doctor", "--frameworks", "jittor", "--python", "torch=/nowhere", "--json")
    finished = parity(*arguments, cwd=tmp_path, cc_path=GXX)
    found = {finding["subject"]: finding for finding in json.loads(finished.stdout)}
    assert found["compiler"]["ok"]
    assert found["jittor"]["ok"], found["jittor"]["text"]


CONSOLE = "from parity.commands import machine; print(machine.console().ok, machine.console().fix)"


def test_a_console_that_is_no_utf8_and_its_remedy() -> None:
    def look(**environment: str) -> str:
        settings = {"PYTHONPATH": str(HERE.parent)} | environment
        command = [sys.executable, "-c", CONSOLE]
        finished = subprocess.run(
            command, env=os.environ | settings, capture_output=True, text=True, check=True
        )
        return finished.stdout.strip()

    for narrow in (
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "cp936"},
    ):
        ok, _, fix = look(**narrow).partition(" ")
        assert ok == "False"
        assert look(**(narrow | _variables(fix))) == "True"


def test_a_cache_that_cannot_be_written_and_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", Path("/proc/nowhere")):
        monkeypatch.setenv(cache.VARIABLE, str(place))
        found = machine.cache()
        assert not found.ok
        assert found.text.startswith(f"{place} cannot be written: ")
        monkeypatch.setenv(next(iter(_variables(found.fix))), str(tmp_path / "good"))
        assert machine.cache().ok


def test_a_cache_that_falls_back_to_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = machine.cache()
    assert not found.ok
    assert "stands in, which the system may empty" in found.text
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_NOEXEC))
    assert "is mounted noexec" in machine.cache().text  # as /tmp often is
    monkeypatch.undo()
    monkeypatch.setenv(next(iter(_variables(found.fix))), str(tmp_path / "good"))
    assert machine.cache().ok


@pytest.mark.parametrize("place", ["file/runs", "/proc/nowhere/runs"])
def test_runs_that_cannot_be_written_and_their_remedy(tmp_path: Path, place: str) -> None:
    """The doctor says it, a run says it, and what the doctor advises works."""
    (tmp_path / "file").write_text("")
    found = machine.runs(tmp_path / place)
    assert not found.ok
    assert "cannot be written" in found.text
    assert found.fix == "parity run --runs /folder/that/can/be/written"
    assert parity("run", "mimo_unet", "--runs", place, cwd=tmp_path).returncode == (
        ExitCode.BAD_INPUT
    )
    assert machine.runs(tmp_path / "good" / "runs").ok
    assert not (tmp_path / "good").exists()


@pytest.mark.parametrize(
    "check", [machine.cache, functools.partial(machine.runs, Path("runs")), machine.temporary_files]
)
def test_too_little_disk_and_its_remedy(
    check: Callable[[], Finding], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if all of the disk were full but one folder, which the remedy names."""
    real, larger = shutil.disk_usage, tmp_path / "larger"
    larger.mkdir()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))

    def usage(folder: Path) -> Any:
        is_full = not Path(folder).is_relative_to(larger)
        return real(folder)._replace(free=2**20) if is_full else real(folder)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    found = check()
    assert not found.ok
    assert "0.0 GiB free, of 2 that a run may need" in found.text
    words = shlex.split(found.fix)
    if "--runs" in words:
        assert machine.runs(larger).ok
        return
    for variable in _variables(found.fix):
        monkeypatch.setenv(variable, str(larger))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it is looked for anew
    assert check().ok


def test_temporary_files_without_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    found = machine.temporary_files()
    assert not found.ok
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv(next(iter(_variables(found.fix))), str(tmp_path))
    assert machine.temporary_files().ok


def test_too_little_memory_and_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_mb", lambda: 1500)
    found = machine.memory(2)
    assert not found.ok
    assert "1.5 to be had; 2 ports at a time need 2" in found.text
    *_, option, parallel = found.fix.split()
    assert option == "--parallel"
    assert machine.memory(int(parallel)).ok
    monkeypatch.setattr(memory, "available_mb", lambda: 100)
    assert "raise the limit" in machine.memory(1).fix


def test_memory_that_a_limit_leaves_is_seen() -> None:
    """ulimit -v, and what lifts it."""
    program = "from restoration.process import memory; print(memory.available_mb())"

    def available(limit: int) -> int:
        finished = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONPATH": str(HERE.parent)},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, -1)),
            capture_output=True,
            text=True,
            check=True,
        )
        return int(finished.stdout)

    assert available(700 * 2**20) == 700
    assert available(-1) > 700


@pytest.mark.parametrize("version", [1, 2])
def test_memory_that_a_container_leaves_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """Both ways in which Linux says it; cached files count as free."""
    names = memory._GROUP_FILES[version % 2]
    limit, used = (tmp_path / path.name for path in names[:2])
    monkeypatch.setattr(memory, "_GROUP_FILES", ((limit, used, names[2]),))
    limit.write_text(f"{600 * 2**20}\n")
    used.write_text(f"{400 * 2**20}\n")
    (tmp_path / "memory.stat").write_text(f"active 7\n{names[2]} {100 * 2**20}\nx 1\n")
    assert memory.available_mb() == 300
    limit.write_text("max\n")
    assert memory.available_mb() > 300


class _Framework:
    """Stands in for a framework's process."""

    def __init__(self, engine: Mapping[str, str], warning: str = "", problem: str = ""):
        self.engine, self.devices, self._warning, self._problem = engine, ["cpu"], warning, problem

    def __call__(self, worker: Worker, *, show: Any, warn: Callable[[str], None]) -> _Framework:
        if self._problem:
            raise UnavailableError(self._problem)
        if self._warning:
            warn(self._warning)
        return self

    def __enter__(self) -> _Framework:
        return self

    def __exit__(self, *_: object) -> None: ...


def _framework(
    name: str, monkeypatch: pytest.MonkeyPatch, process: _Framework, python: str = sys.executable
) -> Finding:
    monkeypatch.setattr(doctor, "Process", process)
    worker = Worker(name, FRAMEWORKS[name].package, python=python)
    return doctor._framework(worker, Progress(quiet=True))


def test_a_framework_of_another_version_and_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy installs the pinned version: where it is installed, it has nothing to do."""
    found = _framework("torch", monkeypatch, _Framework({"framework": "PyTorch 1.13.1+cu117"}))
    assert not found.ok
    assert found.text.endswith("; tested with 2.13.0")
    assert found.fix == f"{sys.executable} -m pip install torch=={FRAMEWORKS['torch'].version}"
    tested = _framework("torch", monkeypatch, _Framework({"framework": "PyTorch 2.13.0+cpu"}))
    assert (tested.ok, tested.fix) == (True, "")


@pytest.mark.parametrize(
    "framework", [pytest.param(name, marks=pytest.mark.frameworks(name)) for name in FRAMEWORKS]
)
def test_the_command_that_installs_a_framework_gives_what_is_tested(framework: str) -> None:
    """Tried without a network: it finds everything installed, as the tested versions are."""
    command = [*shlex.split(FRAMEWORKS[framework].how_to_install()), "--no-index", "--no-deps"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "already satisfied" in finished.stdout


def test_missing_onednn_and_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = {"framework": "Jittor 1.3.11.0", "oneDNN": "none: convolutions are slow"}
    found = _framework("jittor", monkeypatch, _Framework(engine, "oneDNN 2.2 is not installed"))
    assert not found.ok
    assert "oneDNN 2.2 is not installed" in found.text
    for wheel in FRAMEWORKS["jittor"].companions:
        assert wheel in found.fix
    whole = _framework("jittor", monkeypatch, _Framework(engine | {"oneDNN": "2.2"}))
    assert (whole.ok, whole.fix) == (True, "")


def test_the_remedy_of_a_framework_is_of_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installing it again fixes no compiler, nor an interpreter that is not there."""
    missing = _Framework({}, problem="jittor is not installed: python -m pip install jittor")
    assert "pip install jittor==" in _framework("jittor", monkeypatch, missing).fix
    old = _Framework({}, problem="Jittor cannot be built: g++ 4.8.5 is too old")
    assert _framework("jittor", monkeypatch, old).fix == ""
    nowhere = _framework("jittor", monkeypatch, missing, python="/nowhere/python")
    assert nowhere.fix == "parity run --python jittor=/path/to/python"
