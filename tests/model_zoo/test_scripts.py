"""`mindspore_impl/scripts/*.sh`: arguments, paths, exit codes, logs; two processes by msrun."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mindspore_impl import config
from restoration.training.loggers import LOG, read_log
from tests.backends import ROOT
from tests.model_zoo import tree
from tests.model_zoo.test_programs import SMALL, run, weights

SCRIPTS = ROOT / "mindspore_impl" / "scripts"
TRAINING = [
    f"run_{kind}_train_{d}.sh" for kind in ("standalone", "distribute") for d in ("gpu", "ascend")
]
EVALUATION = ["run_eval_gpu.sh", "run_eval_ascend.sh"]


def _script(name: str, *words: object, cwd: Path, **variables: str) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", str(SCRIPTS / name), *map(str, words)],
        cwd=cwd,
        env=os.environ | {"PATH": path} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_every_script_is_clean_to_shellcheck() -> None:
    found = shutil.which("shellcheck")
    assert found, "shellcheck is missing: apt-get install -y --no-install-recommends shellcheck"
    done = subprocess.run(
        [found, *map(str, sorted(SCRIPTS.glob("*.sh")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", TRAINING + EVALUATION)
def test_a_wrong_number_of_arguments_prints_the_usage(name: str, tmp_path: Path) -> None:
    for words in ([], ["only"], ["a", "b", "c", "d"], ["a", "--seed", "1"]):
        code, said = _script(name, *words, cwd=tmp_path)
        assert code == 1, words
        assert "Usage: " in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", TRAINING + EVALUATION)
def test_a_missing_folder_of_data_is_an_error(name: str, tmp_path: Path) -> None:
    code, said = _script(name, "nowhere", "out", cwd=tmp_path)
    assert code == 1
    assert f"DATASET={tmp_path / 'nowhere'} is not a folder" in said


@pytest.mark.parametrize("name", EVALUATION)
def test_a_missing_checkpoint_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    code, said = _script(name, "data", "no.ckpt", cwd=tmp_path)
    assert code == 1
    assert f"CKPT={tmp_path / 'no.ckpt'} is not a file" in said


@pytest.mark.parametrize("name", TRAINING + EVALUATION)
def test_paths_become_absolute_and_the_folder_of_logs_is_made_anew(
    name: str, tmp_path: Path
) -> None:
    """With a stand-in for the program, which prints what it is given."""
    stand_in = tmp_path / "stand-in"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    (tmp_path / "data").mkdir()
    (tmp_path / "a.ckpt").touch()
    logs = tmp_path / ("eval_logs" if "eval" in name else "logs")
    logs.mkdir()
    (logs / "old.log").touch()
    variables = {"PYTHON": str(stand_in), "MSRUN": str(stand_in), "WORKERS": "3"}
    code, said = _script(name, "data", "a.ckpt", "--seed", 7, cwd=tmp_path, **variables)
    assert code == 0, said
    log = logs / ("eval.log" if "eval" in name else "train.log")
    wait_for(log, "--seed 7", said)
    given = log.read_text()
    device = name.removesuffix(".sh").rpartition("_")[2]
    assert f"{device}_config.yaml --dataset_root {tmp_path}/data" in given
    assert f" {tmp_path}/a.ckpt " in given
    assert [path.name for path in logs.iterdir()] == [log.name]
    if "distribute" in name:
        assert "--worker_num=3 --local_worker_num=3" in given
        assert "--is_train_distributed True --learning_rate 0.0005" in given
    elif "train" in name:
        assert "--is_train_distributed False --learning_rate 0.0001" in given


def wait_for(log: Path, text: str, started: str) -> None:
    """Until a file says something, as long as the process runs that a script says it `started`."""
    process = started.partition("process ")[2].partition(":")[0]
    assert process.isdigit(), started
    is_running = True
    while is_running:
        is_running = _is_running(process)
        time.sleep(0.1)
        if log.exists() and text in log.read_text():
            return
    raise AssertionError(f"{log}: no {text!r}: {log.read_text() if log.exists() else 'no file'}")


def _is_running(process: str) -> bool:
    try:
        return ") Z" not in Path("/proc", process, "stat").read_text()  # one that has ended, too
    except OSError:
        return False


@pytest.mark.goldens
@pytest.mark.frameworks("mindspore")
def test_two_processes_take_the_steps_of_one_in_graph_mode(tmp_path: Path) -> None:
    data = tree.make(tmp_path)
    rate = ["--learning_rate", "0.0005"]
    done = run("train", "--dataset_root", data, "--ckpt_save_directory", tmp_path / "one", *SMALL,
               *rate)  # fmt: skip
    assert done.returncode == 0, done.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = ["--config_path", config.path_of("cpu"), *SMALL, "--train_batch_size", 1]
    code, said = _script("run_distribute_train_gpu.sh", data.name, "two", *words, cwd=tmp_path,
                         WORKERS="2", PORT=port)  # fmt: skip
    assert code == 0, said
    wait_for(tmp_path / "logs" / "worker_0.log", "trained mimo_unet: 4 steps", said)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert len(read_log(tmp_path / "two" / LOG)) >= 3
    for name, array in one.items():
        assert np.abs(array - two[name]).max() < 0.02 * 4 * 5e-4, name
