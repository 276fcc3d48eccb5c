"""Two processes that share a batch against one that has all of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backends import ROOT, Backend
from tests.training.one_of_several import SETTINGS, SPEC, STEPS, batch

PROGRAM = Path(__file__).with_name("one_of_several.py")


def _start(rank: int, port: int, steps: str, out: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }  # as torchrun sets it
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), "torch", steps, str(out)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run_two(steps: str, out: Path) -> list[tuple[int, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [_start(rank, port, steps, out) for rank in (0, 1)]
    try:
        said = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


@pytest.mark.frameworks("torch")
def test_two_processes_take_the_steps_of_one(
    backends: Callable[[str], Backend], tmp_path: Path
) -> None:
    ended = _run_two(f"{STEPS},{STEPS}", tmp_path / "two.npz")
    assert [code for code, _ in ended] == [0, 0], ended
    found = np.load(tmp_path / "two.npz")
    assert found["world"] == 2
    results, states = backends("torch").call(
        "training.stepping.run_steps", SPEC, SETTINGS, [[batch(step)] for step in range(STEPS)]
    )
    assert float(found["loss"]) == pytest.approx(results[-1].loss, rel=1e-5)
    assert float(found["norm"]) == pytest.approx(results[-1].gradient_norm, rel=1e-4)
    for name, array in states[-1].weights.items():
        moved = np.abs(found[name] - array).max()
        assert moved < 0.02 * STEPS * 1e-3, f"{name} is off by {moved}"


@pytest.mark.frameworks("torch")
def test_a_lost_process_ends_the_others_with_one_error(tmp_path: Path) -> None:
    (code, said), (lost, _) = _run_two(f"{STEPS},2", tmp_path / "two.npz")
    assert (code, lost) == (2, 0), said
    assert "process 0 of 2 has lost another one" in said
    assert "--resume auto" in said
    assert "Traceback" not in said
