"""The one protocol: a process that answers, fails, crashes, hangs or never starts."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from restoration.errors import InputError, UnavailableError
from restoration.process import arrays
from restoration.process.launch import EndedError, FailedError, Process, Worker

RUNTIME = """
import os, sys
def prepare(device, *, report, warn):
    print("a framework greets")
    os.write(1, b"from C\\n")
    report(f"preparing for {device}")
    warn("this build is slow")
"""
ENGINE = """
class ENGINE:
    def __init__(self, *, device="cpu", dtype="float32"):
        self.device, self.dtype = device, dtype
    def describe(self):
        return {"toy": "1.0", "device": self.device}
def devices():
    return ["cpu"]
"""
WORK = """
import os, pathlib, signal, subprocess, sys, time
from restoration.errors import InputError
from restoration.process import arrays
def dtype_of(session, *, dtype):
    session.report("looking")
    return session.make_engine(dtype=dtype).dtype
def double(session, *, source, target):
    with arrays.reading(source) as file:
        arrays.write(pathlib.Path(target), {name: 2 * file[name] for name in file.names})
def shout(session):
    print('{"kind": "done", "text": "", "data": {"result": "forged"}}')
    os.system('echo \\'{"kind": "done", "data": {"result": "forged by a child"}}\\'')
    return sys.stdin.read() + "quiet"
def wrong_input(session):
    raise InputError("image", expected="one", got="none", where="x.png", next_step="give one")
def broken(session):
    raise RuntimeError("no kernel for this operator\\nand much more text")
def unspeakable(session):
    return object()
def variable(session, *, name):
    return os.environ.get(name)
def abort(session): os.abort()
def kill(session): os.kill(os.getpid(), signal.SIGKILL)
def leave(session):
    print("the library gave up", file=sys.stderr)
    os._exit(7)
def sleep(session): time.sleep(600)
def child(session):
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid
"""


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a framework of a few lines, and what it is asked for."""
    folder = tmp_path_factory.mktemp("toys")
    (folder / "toy_impl").mkdir()
    (folder / "toy_impl" / "__init__.py").write_text("")
    (folder / "toy_impl" / "runtime.py").write_text(RUNTIME)
    (folder / "toy_impl" / "engine.py").write_text(ENGINE)
    (folder / "toy_work.py").write_text(WORK)
    return str(folder)


@pytest.fixture
def toy(toys: str) -> Worker:
    return Worker("toy", "toy_impl", path=[toys])


def _is_alive(pid: int) -> bool:
    """A dead process that nobody waited for does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _is_gone(pid: int) -> bool:
    """Whether a process ends within a moment."""
    for _ in range(100):
        if not _is_alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_it_says_what_it_is_and_answers(toy: Worker, tmp_path: Path) -> None:
    shown: list[str] = []
    warnings: list[str] = []
    with Process(toy, tmp_path, show=shown.append, warn=warnings.append) as process:
        assert process.engine == {"toy": "1.0", "device": "cpu"}
        assert process.devices == ["cpu"]
        for dtype in ("float32", "float64"):
            found = process.call("toy_work:dtype_of", {"dtype": dtype}, about=f"case {dtype}")
            assert found == dtype
    assert shown == [
        "starting", "preparing for cpu", "case float32: looking", "case float64: looking",
    ]  # fmt: skip
    assert warnings == ["this build is slow"]
    assert "a framework greets" in (tmp_path / "log.txt").read_text()
    assert _is_gone(process.pid)


def test_arrays_travel_in_files(toy: Worker, tmp_path: Path) -> None:
    whole = {"a": np.arange(6, dtype=np.float64).reshape(2, 3), "b": np.zeros((0, 2), np.int32)}
    source, target = tmp_path / "source.safetensors", tmp_path / "target.safetensors"
    arrays.write(source, whole)
    with Process(toy, tmp_path) as process:
        process.call("toy_work:double", {"source": str(source), "target": str(target)})
    with arrays.reading(target) as file:
        assert file["a"].tolist() == [[0, 2, 4], [6, 8, 10]]
        assert (file["b"].shape, file["b"].dtype) == ((0, 2), np.int32)


def test_what_is_printed_is_no_answer_and_its_input_is_empty(toy: Worker, tmp_path: Path) -> None:
    with Process(toy, tmp_path) as process:
        assert process.call("toy_work:shout") == "quiet"
    log = (tmp_path / "log.txt").read_text()
    for words in ("from C", '"forged"', "forged by a child"):
        assert words in log


def test_a_failure_is_told_and_the_process_lives_on(toy: Worker, tmp_path: Path) -> None:
    with Process(toy, tmp_path) as process:
        with pytest.raises(InputError) as caught:
            process.call("toy_work:wrong_input")
        assert str(caught.value) == "image: expected one, got none (x.png); give one"
        with pytest.raises(FailedError) as failed:
            process.call("toy_work:broken")
        assert str(failed.value) == "RuntimeError: no kernel for this operator"
        with pytest.raises(FailedError, match="object is not JSON serializable"):
            process.call("toy_work:unspeakable")
        with pytest.raises(FailedError, match="no attribute 'nothing'"):
            process.call("toy_work:nothing")
        with pytest.raises(FailedError, match="no_such_work is not installed"):
            process.call("no_such_work:f")
        assert process.call("toy_work:dtype_of", {"dtype": "float32"}) == "float32"
    assert "and much more text" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("abort", "ended by SIGABRT; its output is in"),
        ("kill", "ended by SIGKILL (the system kills a process so when memory runs out)"),
        ("leave", "ended with status 7: the library gave up; its output is in"),
        ("sleep", "no sign of life for 1 s (--timeout): ended"),
    ],
)
def test_why_it_ended_is_told(toys: str, tmp_path: Path, function: str, text: str) -> None:
    worker = Worker("toy", "toy_impl", path=[toys], silence_s=1.0)
    with Process(worker, tmp_path) as process:
        assert process.is_running
        for _ in range(2):  # asked again it tells the same
            with pytest.raises(EndedError) as caught:
                process.call(f"toy_work:{function}")
            assert text in str(caught.value)
            assert str(tmp_path / "log.txt") in str(caught.value)
        assert not process.is_running
    assert _is_gone(process.pid)


def test_nothing_that_it_started_is_left(toy: Worker, tmp_path: Path) -> None:
    with Process(toy, tmp_path) as process:
        child = process.call("toy_work:child")
        assert _is_alive(child)
    assert _is_gone(child)


def test_an_interrupt_ends_it_at_once(toy: Worker, tmp_path: Path) -> None:
    def interrupt(text: str) -> None:
        if "looking" in text:
            raise KeyboardInterrupt

    with Process(toy, tmp_path, show=interrupt) as process:
        with pytest.raises(KeyboardInterrupt):
            process.call("toy_work:dtype_of", {"dtype": "float32"})
        assert _is_gone(process.pid)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("import mindspore_of_nobody", f"{sys.executable} -m pip install mindspore_of_nobody"),
        (
            "raise ModuleNotFoundError(name='torch')",
            f"torch is not installed: {sys.executable} -m pip install torch==2.13.0",
        ),
        ("raise OSError('libcudart.so: not found')", "OSError: libcudart.so: not found"),
        ("import os; os.abort()", "the worker was ended by SIGABRT"),
    ],
)
def test_a_framework_that_cannot_start_is_told(tmp_path: Path, error: str, text: str) -> None:
    (tmp_path / "bad_impl").mkdir()
    text_of_runtime = f"def prepare(device, *, report, warn):\n    {error}\n"
    (tmp_path / "bad_impl" / "runtime.py").write_text(text_of_runtime)
    with pytest.raises(UnavailableError) as caught:
        Process(Worker("bad", "bad_impl", path=[str(tmp_path)]), tmp_path / "scratch")
    assert text in str(caught.value)


def test_an_absent_package_or_interpreter_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"ghost_impl cannot be imported by .*PYTHONPATH"):
        Process(Worker("ghost", "ghost_impl"), tmp_path)
    with pytest.raises(UnavailableError, match="/nowhere/python cannot be started: No such file"):
        Process(Worker("torch", "torch_impl", python="/nowhere/python"), tmp_path)


def test_its_folder_is_kept_only_if_an_error_speaks_of_it(
    toy: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Process(toy) as process:
        process.call("toy_work:dtype_of", {"dtype": "float32"})
    with pytest.raises(UnavailableError):
        Process(Worker("ghost", "ghost_impl"))
    with pytest.raises(UnavailableError):
        Process(Worker("ghost", "ghost_impl", python="/nowhere/python"))
    assert list(tmp_path.iterdir()) == []
    with Process(toy) as process, pytest.raises(EndedError) as caught:
        process.call("toy_work:leave")
    (folder,) = tmp_path.iterdir()
    assert str(folder / "log.txt") in str(caught.value)


def test_variables_and_the_interpreter_are_those_that_were_asked_for(
    toys: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also an interpreter by a path from here, though the process works elsewhere."""
    other = tmp_path / "bin" / "other"
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\nexport WHICH=other\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    worker = Worker(
        "toy", "toy_impl", python="bin/other", path=[toys], environment={"OMP_NUM_THREADS": "1"}
    )

    def ask(process: Process, name: str) -> Any:
        return process.call("toy_work:variable", {"name": name})

    with Process(worker, tmp_path / "scratch") as process:
        assert ask(process, "WHICH") == "other"
        assert ask(process, "OMP_NUM_THREADS") == "1"
        assert ask(process, "OMP_WAIT_POLICY") == "PASSIVE"
        assert ask(process, "PYTHONPATH").split(os.pathsep)[0] == toys


def test_a_process_without_a_framework(toys: str, tmp_path: Path) -> None:
    with Process(Worker("none", "", path=[toys]), tmp_path) as process:
        assert process.engine == {}
        assert process.call("toy_work:variable", {"name": "NO_SUCH_VARIABLE"}) is None
