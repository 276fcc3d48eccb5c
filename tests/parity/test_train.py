"""`parity train`: frameworks that learn alike agree; one that does not is caught at its step."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from parity.commands import train as train_command
from parity.commands.train import recipe_of
from parity.judge.errors import Error, norms_of
from parity.judge.steps import Held, judge_steps
from parity.judge.verdicts import Verdict
from parity.measure import steps
from parity.report.progress import Progress
from restoration.engine.contract import TrainingState
from restoration.errors import ExitCode
from restoration.models.registry import MODELS
from restoration.process import arrays
from restoration.process.frameworks import FRAMEWORKS, REFERENCE
from restoration.process.launch import Worker
from restoration.training import recipe as recipes
from restoration.training.session import open_data
from tests.backends import ROOT

SMALL = (
    "--set", "data.crop_px=16", "--set", "batch=2", "--set", "settings.width=4",
    "--set", "data.samples=4", "--steps", "4", "--quiet", "--json",
)  # fmt: skip

# PyTorch again, whose rate is a thousandth too large from its third step on.
ENGINE = """
from torch_impl.engine import TorchEngine, devices


class HastyTrainer:
    def __init__(self, trainer):
        self._trainer, self._steps = trainer, 0

    def step(self, batches, factor=1.0):
        self._steps += 1
        return self._trainer.step(batches, factor * (1.001 if self._steps >= 3 else 1.0))

    def __getattr__(self, name):
        return getattr(self._trainer, name)


class HastyEngine(TorchEngine):
    name = "hasty"

    def trainer(self, network, settings):
        return HastyTrainer(super().trainer(network, settings))


ENGINE = HastyEngine
"""


def _train(folder: Path, *words: str, path: Path | None = None) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "parity", "train", *words, *SMALL, "--runs", str(folder)],
        cwd=ROOT,
        env=os.environ | ({"PYTHONPATH": str(path)} if path else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    "framework",
    [
        pytest.param(name, marks=pytest.mark.frameworks("torch", name))
        for name in FRAMEWORKS
        if name != REFERENCE
    ],
)
def test_frameworks_take_the_same_steps(framework: str, tmp_path: Path) -> None:
    code, result = _train(tmp_path, "mimo_unet", "--frameworks", framework)
    (row,) = result["rows"]
    assert (code, row["verdict"]) == (ExitCode.OK, "agree"), row
    assert row["compared"] == row["expected"]
    names = {array["name"].split("/")[2] for array in row["arrays"]}
    assert names == {"loss", "gradient_norm", "rate", "terms", "weights", "averages", "moments"}


@pytest.mark.frameworks("torch")
def test_a_rate_that_is_a_thousandth_off_is_seen_at_its_step(tmp_path: Path) -> None:
    package = tmp_path / "packages" / "hasty_impl"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "runtime.py").write_text("from torch_impl.runtime import prepare\n")
    (package / "engine.py").write_text(ENGINE)
    code, result = _train(
        tmp_path / "runs",
        *("mimo_unet", "--frameworks", "torch", "--engine", "hasty=hasty_impl", "--keep"),
        path=package.parent,
    )
    (row,) = result["rows"]
    assert (code, row["verdict"]) == (ExitCode.DIFFERENT, "differ")
    assert "leaves the reference at step 3, " in row["fault"]
    differing = [array for array in row["arrays"] if array["verdict"] == "differ"]
    assert all(int(array["name"].split("/")[1]) >= 3 for array in differing)
    assert any(array["name"].startswith("step/3/weights/") for array in differing)
    (kept,) = (tmp_path / "runs").glob("*/mimo_unet/hasty.safetensors")
    with arrays.reading(kept) as found:
        assert {array["name"] for array in row["arrays"]} == set(found.names)


@pytest.mark.parametrize("model", MODELS)
def test_what_is_trained_of_a_model_suits_the_data_and_loss_of_its_demo(model: str) -> None:
    plan = recipe_of(model, None, ["workers=0"])
    spec = plan.the_spec()
    assert plan.spec.startswith("tiny")
    assert set(open_data(plan).sample(0, 0)) & set(spec.inputs)
    if plan.loss.name == "BlindVideoLoss":
        assert "restored_reduced" in spec.outputs


@pytest.mark.parametrize(
    ("name", "verdict"), [("second", Verdict.AGREE), ("first", Verdict.DIFFER)]
)
def test_means_of_squares_may_be_zero_where_adam_does_not_feel_it(
    name: str, verdict: Verdict, tmp_path: Path
) -> None:
    """MindSpore sets numbers to zero that are smaller than float32's smallest normal one."""
    key = f"step/1/moments/stem.weight.{name}"
    exact = np.array([1e-36, 1e-38, 1e-39])
    arrays.write(tmp_path / "truth.safetensors", {key: exact})
    arrays.write(tmp_path / "port.safetensors", {key: np.array([1e-36, 0, 0], np.float32)})
    with (
        arrays.reading(tmp_path / "truth.safetensors") as truth,
        arrays.reading(tmp_path / "port.safetensors") as port,
    ):
        norms, noise = {key: norms_of(exact)}, {key: norms_of(exact * 1e-7)}
        judged = judge_steps(port, truth, norms, noise, eps=1e-8)
    assert judged.verdict is verdict


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("moments/high.weight.first", 0.0, Verdict.AGREE),
        ("moments/high.weight.first", 1e-30, Verdict.INCOMPLETE),
        ("weights/high.weight", 0.0, Verdict.INCOMPLETE),
    ],
)
def test_moments_that_no_gradient_has_reached_are_zeros_in_ports(
    name: str, value: float, verdict: Verdict
) -> None:
    """PyTorch has none of them, as of Phaseformer's larger output where a loss asks for one."""
    key = "step/1/moments/low.weight.first"
    exact = np.array([1.0, 2.0])
    truth = Held({key: exact})
    port = Held({key: exact.astype(np.float32), f"step/1/{name}": np.array([0, value])})
    norms, noise = {key: norms_of(exact)}, {key: norms_of(exact * 1e-7)}
    assert judge_steps(port, truth, norms, noise).verdict is verdict


def test_drift_is_that_of_weights_moved_by_units_of_float32(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also past ties, which count only where they do more than move everything that far."""
    moves = []

    class Run:
        def __init__(self, engine: Any, recipe: Any, init: Any = None):
            weights = {"weight": np.array([1.0, 3.0])} if init is None else init
            self.start = {name: array.astype(engine.dtype) for name, array in weights.items()}

        def steps(self, *_: Any) -> Iterator[tuple[str, np.ndarray]]:
            weight = self.start["weight"]
            moves.append(np.abs(weight - [1, 3]) / np.spacing(np.float32([1, 3])))
            kink = np.where(moves[-1] > 8, 1, 0).astype(weight.dtype)  # as of a ReLU at zero
            yield from {"step/1/weights/a": weight, "step/1/weights/b": weight + kink}.items()

    def make_engine(dtype: str = "float32") -> SimpleNamespace:
        runs = {"plain": contextlib.nullcontext()}
        return SimpleNamespace(dtype=dtype, variations=lambda: runs, describe=dict)

    monkeypatch.setattr(steps, "_Run", Run)
    monkeypatch.setattr(steps, "_batches", lambda *_: [])
    session: Any = SimpleNamespace(make_engine=make_engine, report=None)
    recipe = recipes.to_plain(recipe_of("mimo_unet", None, []))
    found = steps.measure_reference(session, recipe=recipe, steps=1, folder=str(tmp_path))
    np.testing.assert_array_equal([move[1] for move in moves], [0, 0, 1, 1, 1, 16, 16])
    ulp = 2.0**-22
    assert found["noise"]["step/1/weights/a"].max == ulp
    assert found["noise"]["step/1/weights/b"].max == pytest.approx(1, abs=16 * ulp)
    moves.clear()
    more = steps.measure_more(
        session,
        recipe=recipe,
        steps=1,
        folder=str(tmp_path),
        runs=2,
        noise=dict.fromkeys(found["noise"], (ulp, ulp)),
    )
    np.testing.assert_array_equal([move[1] for move in moves], [1, 1, 16, 16])
    assert [norms.max > 0.5 for norms in more["noise"].values()] == [False, True]


@pytest.mark.parametrize(
    ("more", "beside", "verdict"),
    [(0.5, 0.0, Verdict.AGREE), (1e-3, 0.5, Verdict.AGREE), (1e-3, 1e-3, Verdict.DIFFER)],
)
def test_a_kink_that_a_port_meets_is_looked_for_in_more_runs(
    more: float, beside: float, verdict: Verdict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In those of the reference, and then in those from where the port stood."""
    name, asked = "step/2/weights/a", []
    answers = {
        "measure_reference": {
            "sizes": {name: 1},
            "norms": {name: (1, 1)},
            "noise": {name: (1e-7, 1e-7)},
            "digests": ["same"],
        },
        "measure_port": {
            "errors": {name: astuple(Error(1.0, 1.0))},
            "digests": ["same"],
            "seconds": 1.0,
            "peak_mb": 1.0,
        },
        "measure_more": {"noise": {name: (more, more)}},
        "measure_beside": {"noise": {name: (max(more, beside),) * 2}},
        "measure_state": {},
    }

    def ask(_: Any, worker: Worker, function: str, **given: Any) -> dict[str, Any]:
        asked.append((worker.framework, function, given.get("before")))
        return answers[function]

    monkeypatch.setattr(train_command._Plan, "_ask", ask)
    result = train_command.train(
        {"mimo_unet": recipe_of("mimo_unet", None, [])},
        Worker("torch", "torch_impl"),
        [Worker("jittor", "jittor_impl")],
        steps=2,
        runs_folder=tmp_path,
        progress=Progress(quiet=True),
    )
    assert [row.verdict for row in result.rows] == [verdict]
    expected = [
        *(("torch", "measure_reference", None), ("jittor", "measure_port", None)),
        *(("torch", "measure_more", None), ("jittor", "measure_state", 2)),
        ("torch", "measure_beside", 2),
    ]
    assert asked == expected[: 3 if more == 0.5 else 5]


def test_runs_from_where_a_port_stood_count_by_how_far_they_come_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A port that stands far from the truth is not excused by it."""

    class Run:
        def __init__(self, engine: Any, recipe: Any, init: Any = None, state: Any = None):
            self.start = {"weight": np.ones(3, np.float32)}
            self._weights = state.weights["weight"] if state else self.start["weight"]
            self.trainer = SimpleNamespace(
                state=lambda: TrainingState({"weight": np.float32([9, 9, 9])}, {}, {}, {}, 1)
            )

        def steps(self, *_: Any) -> Iterator[tuple[str, np.ndarray]]:
            yield "step/2/weights/a", self._weights
            yield "step/2/weights/b", np.where(self._weights > 9, np.float32(5), self._weights)

    monkeypatch.setattr(steps, "_Run", Run)
    monkeypatch.setattr(steps, "_batches", lambda *_: [])
    session: Any = SimpleNamespace(
        make_engine=lambda: SimpleNamespace(describe=dict), report=lambda _: None
    )
    recipe = recipes.to_plain(recipe_of("mimo_unet", None, []))
    arrays.write(tmp_path / "decisions.safetensors", {"none": np.zeros(0)})
    given = {"recipe": recipe, "steps": 2, "folder": str(tmp_path), "before": 2}
    state = str(tmp_path / "state.safetensors")
    steps.measure_state(session, **given, state=state)
    noise = {f"step/2/weights/{name}": (0.0, 0.0) for name in "ab"}
    found = steps.measure_beside(session, **given, state=state, noise=noise)["noise"]
    assert found["step/2/weights/a"].max == np.spacing(np.float32(9))
    assert found["step/2/weights/b"].max == 4


def test_the_table_of_steps_is_made_from_what_is_kept(tmp_path: Path) -> None:
    from docs.make_steps_table import PAGE, merged, page, read

    kept = read()
    assert page(kept) == PAGE.read_text("utf-8"), "python docs/make_steps_table.py writes it anew"
    assert kept.keys() <= MODELS.keys()
    array = {"name": "step/3/moments/a.first", "ratio": 20.0}
    row = {"model": "lte", "framework": "jittor", "verdict": "differ", "arrays": [array]}
    row |= {"worst_ratio": 20.0, "worst_array": array["name"], "compared": 9}
    (tmp_path / "x.json").write_text(json.dumps({"rows": [row]}))
    found = merged(kept, [tmp_path / "x.json"])
    assert "differ: 20.00, step 3, moments a.first" in page(found)
    assert [name for name in kept if name != "lte"] == [name for name in found if name != "lte"]


@pytest.mark.goldens
def test_all_models_take_the_same_steps_in_all_frameworks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "parity", "train", "--steps", "20", "--runs", str(tmp_path)],
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == ExitCode.OK
