"""Two processes that share a batch against one that has all of it, in each framework."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parity.judge.verdicts import BOUND
from parity.measure.weights import seeded_weights
from restoration.process.frameworks import FRAMEWORKS
from tests.backends import Backend
from tests.training.launching import PROCESSES, environment, launched
from tests.training.one_of_several import SETTINGS, SPEC, STEPS, batch

PROGRAM = Path(__file__).with_name("one_of_several.py")


def _run_two(framework: str, steps: str, folder: Path) -> tuple[int, str]:
    """The exit code, and what was said."""
    words = [str(PROGRAM), framework, steps, str(folder / "two.npz")]
    done = subprocess.run(
        launched(framework, words, folder / "logs"),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_two_processes_take_the_steps_of_one(
    backends: Callable[[str], Backend], framework: str, tmp_path: Path
) -> None:
    code, said = _run_two(framework, f"{STEPS},{STEPS}", tmp_path)
    assert code == 0, said
    found = np.load(tmp_path / "two.npz")
    rounding = 2.0**-24 if framework == "mindspore" else 2.0**-53
    np.testing.assert_allclose(found["total"], [1 / 3 + (1 + 1 / 3), PROCESSES], rtol=rounding)
    torch, own = backends("torch"), backends(framework)
    start = seeded_weights(torch.call("state", SPEC), (0, 0))
    given = ([SPEC] * STEPS, start, SETTINGS, [batch(step) for step in range(STEPS)])
    exact_results, _, exact = torch.call("train_steps", *given, "float64")
    results, _, alone = own.call("train_steps", *given, "float32")
    assert float(found["loss"]) == pytest.approx(exact_results[-1].loss, rel=1e-5)
    assert float(found["norm"]) == pytest.approx(results[-1].gradient_norm, rel=1e-4)
    own_error, error = (
        np.sqrt(sum(np.square(arrays[n] - exact[-1][n]).sum() for n in exact[-1]))
        for arrays in (alone[-1], found)
    )
    assert error <= BOUND * own_error, error / own_error


@pytest.mark.goldens
@pytest.mark.frameworks("jittor")
def test_a_process_that_ends_early_ends_all_of_mpirun(tmp_path: Path) -> None:
    """Which would wait for ever otherwise: the others for a sum, this one for them to end."""
    code, said = _run_two("jittor", f"{STEPS},2", tmp_path)
    assert code != 0
    assert not (tmp_path / "two.npz").exists()
    assert "Traceback" not in said
