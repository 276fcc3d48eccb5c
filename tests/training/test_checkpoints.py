"""Checkpoints appear whole or not at all, and say what does not fit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restoration.engine.contract import TrainingState
from restoration.errors import InputError
from restoration.models.registry import find
from restoration.training import checkpoints
from restoration.training.checkpoints import CheckpointError, Progress
from weights_convert.checkpoints.loading import load_weights
from weights_convert.checkpoints.schemas import registered

MODEL = find("mimo_unet")
SPEC = MODEL.spec("tiny")


def _state(step: int) -> TrainingState:
    rng = np.random.default_rng(step)
    a, b = rng.standard_normal((2, 3)), rng.standard_normal(4).astype(np.float32)
    return TrainingState(
        weights={"a.weight": a, "b.bias": b, "loss.w4": b[:2]},
        averages={"a.weight": a + 1, "b.bias": b + 1},
        moments={"a.weight.first": a * 2, "a.weight.second": a * a, "loss.w4.first": b[:2] * 3},
        counts={"a.weight": step, "loss.w4": 2},
        step=step,
        loss_scale=512.0,
    )


def _save(run: Path, step: int, *, best: int | None = None, keep: int = 3) -> Path:
    progress = Progress(
        step=step, recipe={"model": "mimo_unet"}, scores_db=(20.5,), best_db=20.5, best_step=best
    )
    return checkpoints.save(run, progress, _state(step), model="mimo_unet", spec=SPEC, keep=keep)


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = _save(tmp_path, 7, best=7)
    progress, state = checkpoints.load(path, model="mimo_unet", spec=SPEC)
    expected = _state(7)
    for kind in ("weights", "averages", "moments"):
        found, wanted = getattr(state, kind), getattr(expected, kind)
        assert found.keys() == wanted.keys()
        for name, array in wanted.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
    assert (state.counts, state.step, state.loss_scale) == (expected.counts, 7, 512.0)
    assert (progress.step, progress.scores_db, progress.best_step) == (7, (20.5,), 7)


def test_the_last_ones_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in (10, 20, 30, 40, 50):
        _save(tmp_path, step, best=10, keep=2)
    folder = tmp_path / checkpoints.FOLDER
    kept = sorted(entry.name for entry in folder.iterdir() if not entry.is_symlink())
    assert kept == ["step_00000010", "step_00000040", "step_00000050"]
    assert (folder / "last").resolve().name == "step_00000050"
    assert (folder / "best").resolve().name == "step_00000010"
    assert checkpoints.find(tmp_path) == folder / "step_00000050"


def test_weights_of_a_checkpoint_are_read_like_any_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(entry.shape).astype(np.float32)
        for name, entry in registered("mimo_unet")[SPEC].items()
    }
    state = replace(_state(1), weights=weights, averages={}, moments={}, counts={})
    path = checkpoints.save(
        tmp_path,
        Progress(step=1, recipe={}),
        state,
        model="mimo_unet",
        spec=SPEC,
        keep=1,
    )
    found = load_weights(path / checkpoints.WEIGHTS)
    assert (found.model, found.spec) == ("mimo_unet", SPEC)
    assert all(np.array_equal(found.arrays[name], array) for name, array in weights.items())


@pytest.mark.parametrize(
    ("model", "spec", "words"),
    [
        ("mimo_unet_plus", SPEC, ("mimo_unet_plus", "one of mimo_unet", "--init")),
        ("mimo_unet", replace(SPEC, width=16), ("width 8 for 16", "recipe.yaml")),
    ],
)
def test_a_checkpoint_of_something_else_is_refused_by_name(
    tmp_path: Path, model: str, spec: object, words: tuple[str, ...]
) -> None:
    path = _save(tmp_path, 1)
    with pytest.raises(InputError) as caught:
        checkpoints.load(path, model=model, spec=spec)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("name", [checkpoints.WEIGHTS, checkpoints.MOMENTS, "state.json"])
def test_a_truncated_file_is_said(tmp_path: Path, name: str) -> None:
    path = _save(tmp_path, 1)
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=name):
        checkpoints.load(path, model="mimo_unet", spec=SPEC)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path, 1)
    content = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps(content | {"version": 99}))
    with pytest.raises(InputError, match="update the suite"):
        checkpoints.load(path, model="mimo_unet", spec=SPEC)


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a checkpoint, with state"):
        checkpoints.load(tmp_path, model="mimo_unet", spec=SPEC)


def test_a_full_disk_leaves_the_checkpoints_before_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _save(tmp_path, 1)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*--resume auto"):
        _save(tmp_path, 2)
    folder = tmp_path / checkpoints.FOLDER
    assert [entry.name for entry in folder.iterdir() if not entry.is_symlink()] == ["step_00000001"]
    checkpoints.load(tmp_path, model="mimo_unet", spec=SPEC)


def test_a_run_for_a_file_of_weights_leads_to_those_of_its_best_checkpoint(tmp_path: Path) -> None:
    path = _save(tmp_path, 7, best=7)
    weights = ("averages.safetensors", "weights.safetensors")
    for folder, named in ((tmp_path, path.parent / "best" / weights[0]), (path, path / weights[0])):
        with pytest.raises(InputError) as caught:
            load_weights(folder)
        assert str(caught.value).endswith(f", as {named}")
    assert f"got a folder with {', '.join(weights)} (" in str(caught.value)


_SAVING = """
import sys
from pathlib import Path
from tests.training.test_checkpoints import _save
_save(Path(sys.argv[1]), 1, keep=1)
print("saved", flush=True)  # from here on there is a whole one at every moment
for step in range(2, 100_000):
    _save(Path(sys.argv[1]), step, keep=1)
"""


@pytest.mark.parametrize("trial", range(4))
def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint(
    tmp_path: Path, trial: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SAVING, str(tmp_path)], stdout=subprocess.PIPE, cwd=os.getcwd()
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05 + 0.037 * trial)
    process.send_signal(signal.SIGKILL)
    process.wait()
    progress, state = checkpoints.load(tmp_path, model="mimo_unet", spec=SPEC)
    assert np.array_equal(state.weights["a.weight"], _state(progress.step).weights["a.weight"])
    checkpoints.clean(tmp_path)
    assert not list((tmp_path / checkpoints.FOLDER).glob(".*"))
