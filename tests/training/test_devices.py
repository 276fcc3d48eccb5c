"""A run on two processes that torchrun starts, as users start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from restoration.errors import ExitCode
from restoration.training import checkpoints, recipe
from tests.training.runs import QUICK, command, curve, train

pytestmark = pytest.mark.frameworks("torch")


def _torchrun(output: Path, *words: str) -> list[str]:
    program = command(output, *words)[1:]  # without the interpreter
    return [
        sys.executable,
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *program,
    ]


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def test_two_processes_learn_what_one_does_and_only_one_writes(tmp_path: Path) -> None:
    plan = ("data.samples=6", "steps=5")  # every batch has a sample for each
    alone = train(tmp_path / "one", *plan)
    assert alone.returncode == ExitCode.OK, alone.stderr
    both = subprocess.run(
        _torchrun(tmp_path / "two", *plan),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert both.returncode == ExitCode.OK, both.stderr
    assert both.stdout.count("trained mimo_unet") == 1
    one, two = curve(tmp_path / "one"), curve(tmp_path / "two")
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for expected, found in zip(one, two, strict=True):
        name = "loss" if "loss" in expected else "psnr_db"
        assert found[name] == pytest.approx(expected[name], rel=1e-4)


def test_a_lost_process_ends_the_run_with_an_error_and_a_checkpoint(tmp_path: Path) -> None:
    output = tmp_path / "run"
    with subprocess.Popen(
        _torchrun(output, "data.samples=6", "steps=100000", "validation.every=100000"),
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "step 4 of" in line:
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [pid for pid in children if b"torch_impl.train" in _words(pid)]
        os.kill(int(workers[-1]), signal.SIGKILL)
        started = time.monotonic()
        said += process.stderr.read()
        process.wait(60)
        assert time.monotonic() - started < 60
    assert process.returncode != ExitCode.OK
    assert "--resume auto" in said, said
    plan = recipe.read("mimo_unet:demo", QUICK)
    progress, _ = checkpoints.load(output, model="mimo_unet", spec=plan.the_spec())
    assert progress.step >= 3


def _words(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
