"""A run on two processes that torchrun, mpirun or msrun starts, as users start it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from restoration.errors import ExitCode
from restoration.process.frameworks import FRAMEWORKS
from restoration.training import checkpoints, recipe
from tests.training.launching import environment, launched, said_by
from tests.training.runs import QUICK, command, curve, train

FRAMEWORK = pytest.mark.parametrize(
    "framework",
    [
        pytest.param(name, marks=[] if name == "torch" else pytest.mark.goldens)
        for name in FRAMEWORKS
    ],
)
SIX_SAMPLES = "data.samples=6"  # every batch has a sample for each of two


def _on_two(framework: str, output: Path, *words: str) -> list[str]:
    program = command(output, *words, framework=framework)[1:]  # without the interpreter
    return launched(framework, program, output.parent / "logs")


@FRAMEWORK
def test_two_processes_learn_what_one_does_and_only_one_writes(
    framework: str, tmp_path: Path
) -> None:
    plan = (SIX_SAMPLES, "steps=5", "validation.pictures=1")
    alone = train(tmp_path / "one", *plan, framework=framework)
    assert alone.returncode == ExitCode.OK, alone.stderr
    both = subprocess.run(
        _on_two(framework, tmp_path / "two", *plan),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    said = said_by(framework, both.stdout, tmp_path / "logs")
    assert both.returncode == ExitCode.OK, said + both.stderr
    assert said.count("trained mimo_unet") == 1
    one, two = curve(tmp_path / "one"), curve(tmp_path / "two")
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for expected, found in zip(one, two, strict=True):
        name = "loss" if "loss" in expected else "psnr_db"
        assert found[name] == pytest.approx(expected[name], rel=1e-4)
        if name == "psnr_db":
            assert found["pictures"] == pytest.approx(expected["pictures"], rel=1e-4)
    for kind in ("weights", "averages"):
        expected, found = (
            load_file(tmp_path / run / "checkpoints" / "last" / f"{kind}.safetensors")
            for run in ("one", "two")
        )
        for name, array in expected.items():
            assert np.abs(found[name] - array).max() < 0.02 * 5 * 1e-3, name
    names = [
        sorted(str(path.relative_to(run)) for path in run.rglob("*") if "events" not in path.name)
        for run in (tmp_path / "one", tmp_path / "two")
    ]
    assert names[0] == names[1]


@FRAMEWORK
def test_a_lost_process_ends_the_run_with_an_error_and_a_checkpoint(
    framework: str, tmp_path: Path
) -> None:
    output, said = tmp_path / "run", tmp_path / "said.txt"
    words = (SIX_SAMPLES, "steps=100000", "validation.every=100000")
    with (
        said.open("w") as sink,
        subprocess.Popen(
            _on_two(framework, output, *words),
            cwd=tmp_path,
            env=environment(),
            stdout=sink,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        end = time.monotonic() + 300
        while not (output / "checkpoints" / "last").exists():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < end, said.read_text()
            time.sleep(0.1)
        workers = [pid for pid in _below(process.pid) if f"{framework}_impl.train" in _words(pid)]
        os.kill(_of_rank(1, workers), signal.SIGKILL)
        process.wait(300)
    assert process.returncode != ExitCode.OK
    printed = said.read_text()
    assert ERRORS[framework] in printed, printed
    assert printed.count("Traceback") <= FRAMES[framework]
    plan = recipe.read("mimo_unet:demo", QUICK)
    progress, _ = checkpoints.load(output, model="mimo_unet", spec=plan.the_spec())
    assert progress.step >= 3


ERRORS = {
    "torch": "--resume auto",
    "jittor": "exited on signal 9",
    "mindspore": "There's worker exits with exception",
}
"""What is said: by our process in PyTorch, by mpirun and msrun else, which end ours at once."""

FRAMES = {"torch": 1, "jittor": 0, "mindspore": 2}
"""Tracebacks of torchrun's and msrun's own."""

RANKS = ("RANK=", "OMPI_COMM_WORLD_RANK=", "RANK_ID=")


def _below(pid: int) -> list[int]:
    """All processes that a process has started, and those that they have."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return children + [one for child in children for one in _below(child)]


def _words(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def _of_rank(rank: int, pids: list[int]) -> int:
    for pid in pids:
        variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        is_scheduler = "MS_ROLE=MS_SCHED" in variables
        if not is_scheduler and any(f"{name}{rank}" in variables for name in RANKS):
            return pid
    raise AssertionError(f"none of {pids} has the number {rank}")
