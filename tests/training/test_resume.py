"""A run that was interrupted goes on as if it had not been, in every bit."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from restoration.errors import ExitCode
from restoration.training.loggers import LOG, Loggers, read_log
from tests.training import warm
from tests.training.runs import command, curve, last_arrays, train

INTERRUPTED = 130

pytestmark = pytest.mark.frameworks("torch")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """In all processes: bits depend on the number of threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run that was never interrupted, and how many seconds it took."""
    output = tmp_path_factory.mktemp("whole") / "run"
    started = time.monotonic()
    done = train(output)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "12 steps" in done.stdout
    return output, time.monotonic() - started


def _killed(output: Path, after_s: float) -> None:
    """Train for some seconds, then end it as a power cut would."""
    process = subprocess.Popen(
        command(output, "--resume", "auto"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _agree(output: Path, whole: Path) -> None:
    done = train(output, "--resume", "auto")
    assert done.returncode == ExitCode.OK, done.stderr
    assert curve(output) == curve(whole)
    assert last_arrays(output) == last_arrays(whole)


def test_a_run_that_is_killed_twice_ends_as_the_whole_one(
    whole: tuple[Path, float], tmp_path: Path
) -> None:
    reference, seconds = whole
    _killed(tmp_path / "run", 0.6 * seconds)
    _killed(tmp_path / "run", 0.8 * seconds)
    _agree(tmp_path / "run", reference)


@pytest.fixture(scope="module")
def whole_seconds(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long a process that is warm takes for all of it."""
    for number in range(2):  # the first one waits for the others' parent
        started = time.monotonic()
        process = warm.started(tmp_path_factory.mktemp("warm") / f"{number}")
        process.join()
        assert process.exitcode == ExitCode.OK
    return time.monotonic() - started


def test_a_run_that_is_killed_before_its_first_checkpoint_begins_its_log_anew(
    tmp_path: Path,
) -> None:
    for _ in range(2):
        loggers = Loggers(tmp_path, title="run", first_step=0, steps=3, quiet=True)
        loggers.validated(0, {"cat": 20.0}, 20.0, "rgb")
        loggers.close()
    assert [row["step"] for row in read_log(tmp_path / LOG)] == [0]


@pytest.mark.goldens
@pytest.mark.parametrize("trial", range(50))
def test_runs_killed_at_any_moment_end_as_the_whole_one(
    whole: tuple[Path, float], whole_seconds: float, tmp_path: Path, trial: int
) -> None:
    output = tmp_path / "run"
    process = warm.started(output, "--resume", "auto")
    process.join(random.Random(trial).uniform(0.0, 1.0) * whole_seconds)
    process.kill()
    process.join()
    process = warm.started(output, "--resume", "auto")
    process.join()
    assert process.exitcode == ExitCode.OK, output.with_suffix(".txt").read_text()
    assert curve(output) == curve(whole[0])
    assert last_arrays(output) == last_arrays(whole[0])


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.goldens)]
)
def test_a_run_that_is_asked_to_stop_saves_and_says_how_to_go_on(
    whole: tuple[Path, float], tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "run"
    process = subprocess.Popen(
        command(output, "steps=100000"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "step 4 of" in line:
            break
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == INTERRUPTED
    last = said.strip().splitlines()[-1]
    assert "stopped after step" in last
    assert f"--output {output} --resume auto" in last
    # Steps before the end of the schedule have other rates; the run's own recipe has the rest.
    step = int(last.split("stopped after step ")[1].split()[0])
    assert (output / "checkpoints" / f"step_{step:08d}" / "state.json").is_file()


def test_a_folder_that_holds_a_run_is_not_trained_over(whole: tuple[Path, float]) -> None:
    before = last_arrays(whole[0])
    done = train(whole[0])
    assert done.returncode == ExitCode.BAD_INPUT
    assert "--resume auto" in done.stderr
    assert last_arrays(whole[0]) == before


@pytest.mark.goldens
def test_the_number_of_loader_processes_changes_nothing(
    whole: tuple[Path, float], tmp_path: Path
) -> None:
    done = train(tmp_path / "run", "workers=0")
    assert done.returncode == ExitCode.OK, done.stderr
    assert curve(tmp_path / "run") == curve(whole[0])


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = train(tmp_path / "file" / "run")
    assert done.returncode == ExitCode.BAD_INPUT
    assert "Traceback" not in done.stderr
    assert "choose another --output" in done.stderr


@pytest.mark.goldens
@pytest.mark.frameworks("torch", "jittor", "mindspore")
def test_a_run_goes_on_in_another_framework(whole: tuple[Path, float], tmp_path: Path) -> None:
    """PyTorch to MindSpore to Jittor and back, three steps each, within rounding."""
    source: list[str] = []
    for place, framework in enumerate(("torch", "mindspore", "jittor", "torch"), start=1):
        output = tmp_path / f"{place}_{framework}"
        stop = [f"steps={3 * place}", "schedule.name=constant"]
        done = train(output, *stop, *source, framework=framework)
        assert done.returncode == ExitCode.OK, done.stderr
        source = ["--resume", str(output)]
    alone = tmp_path / "alone"
    assert train(alone, "schedule.name=constant").returncode == ExitCode.OK
    found, expected = last_arrays(output), last_arrays(alone)
    assert found.keys() == expected.keys()
    for name, (kind, content) in expected.items():
        wanted = np.frombuffer(content, kind)
        other = np.frombuffer(found[name][1], kind)
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(other, wanted, atol=1e-3 * scale, rtol=0, err_msg=name)
