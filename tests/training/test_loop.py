"""What the loop does around a step, on a trainer that is told what to find."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from restoration.data.tasks import open_task
from restoration.engine.contract import Network, StepResult, TrainingState
from restoration.engine.taps import Tap
from restoration.training import checkpoints, recipe, session
from restoration.training.checkpoints import CheckpointError, Progress
from restoration.training.loggers import LOG, read_log
from restoration.training.loop import Devices, Parts, Run, TrainingError
from restoration.training.recipe import Recipe
from tests.training.runs import QUICK

FINE = StepResult(loss=1.5, terms={"content": 1.0}, gradient_norm=2.0, updated=True)


class ToldTrainer:
    """A trainer of a network whose only weight counts steps.

    told: what its steps find, by number from 1.
    """

    def __init__(self, network: Network, told: Mapping[int, StepResult | Exception]):
        self.network, self.told, self.steps = network, told, 0
        self.factors: list[float] = []

    def step(self, batches: Sequence[Mapping[str, np.ndarray]], factor: float) -> StepResult:
        found = self.told.get(self.steps + 1, FINE)
        if isinstance(found, Exception):
            raise found
        self.steps += 1
        self.factors.append(factor)
        self.network.module["stem.weight"] = np.full(3, self.steps, np.float32)
        return found

    def averages(self) -> dict[str, np.ndarray]:
        return {}

    def state(self) -> TrainingState:
        return TrainingState(dict(self.network.module), {}, {}, {}, self.steps)


class ToldEngine:
    """An engine whose networks give back their input, darker by what they have learned."""

    name = "told"

    def build(self, spec: Any, execution: Any) -> Network:
        return Network({"stem.weight": np.zeros(3, np.float32)}, spec, execution)

    def state(self, network: Network) -> dict[str, np.ndarray]:
        return dict(network.module)

    def load(self, network: Network, state: Mapping[str, np.ndarray]) -> None:
        network.module.update(state)

    def run(self, network: Network, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        darker = 0.2 / max(float(network.module["stem.weight"][0]), 1)
        return {"full": inputs["image"] - np.float32(darker)}

    def run_tapped(self, network: Network, inputs: Any) -> tuple[Any, list[Tap]]:
        bad = np.array([np.nan], np.float32)
        good = np.ones(1, np.float32)
        taps = [("stem", good), ("decoder.conv1", bad), ("decoder", bad), ("", bad)]
        return {}, [Tap(module, 0, "out", 0, array) for module, array in taps]


def _run(
    folder: Path,
    told: Mapping[int, StepResult | Exception],
    *overrides: str,
    devices: Devices | None = None,
) -> tuple[Run, ToldTrainer]:
    plan: Recipe = recipe.read("mimo_unet:demo", [*QUICK, "workers=0", *overrides])
    engine = ToldEngine()
    network = engine.build(plan.the_spec(), plan.execution())
    trainer = ToldTrainer(network, told)
    folder.mkdir(exist_ok=True)
    task = open_task(plan.the_model(), plan.the_spec(), plan.data, seed=plan.seed)
    parts = Parts(
        plan,
        engine,  # type: ignore[arg-type]
        network,
        trainer,  # type: ignore[arg-type]
        task,
        session.make_loader(plan, workers=0),
        devices or Devices(),
    )
    return Run(parts, folder, progress=Progress(step=0, recipe={}), quiet=True), trainer


NAN = dataclasses.replace(FINE, loss=math.nan, gradient_norm=math.nan, updated=False)


def test_a_loss_that_is_not_finite_stops_with_the_files_and_the_first_module(
    tmp_path: Path,
) -> None:
    run, _ = _run(tmp_path, {5: NAN})
    with pytest.raises(TrainingError) as caught:
        run.train()
    text = str(caught.value)
    assert "step 5: " in text
    assert "what leaves decoder.conv1" in text
    assert any(name in text for name in ("astronaut", "rocket", "motorcycle", "tissue"))
    assert checkpoints.find(tmp_path) == tmp_path / "checkpoints" / "step_00000004"


def test_or_it_is_skipped_by_choice(tmp_path: Path) -> None:
    run, trainer = _run(tmp_path, {5: NAN}, "nonfinite=skip")
    result = run.train()
    assert result.is_finished
    assert trainer.steps == 12
    rows = [row for row in read_log(tmp_path / LOG) if "loss" in row]
    assert [row["step"] for row in rows if row.get("updated") is False] == [5]


def test_an_overflow_of_a_dynamic_loss_scale_is_no_fault(tmp_path: Path) -> None:
    overflow = dataclasses.replace(FINE, gradient_norm=math.inf, updated=False)
    run, _ = _run(tmp_path, {5: overflow}, "loss_scale=dynamic")
    assert run.train().is_finished


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_memory_that_does_not_suffice_names_crop_and_batch(
    tmp_path: Path, problem: Exception
) -> None:
    run, _ = _run(tmp_path, {3: problem}, "batch=4", "accumulate=2", "data.samples=8")
    with pytest.raises(TrainingError) as caught:
        run.train()
    text = str(caught.value)
    for words in ("step 3", "2 samples", "batch 4", "crop 16 px", "accumulate=N", "--probe-memory"):
        assert words in text


def test_other_errors_of_a_framework_are_not_called_memory(tmp_path: Path) -> None:
    run, _ = _run(tmp_path, {3: RuntimeError("shapes do not fit")})
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run.train()


def test_rates_follow_the_schedule_of_the_recipe(tmp_path: Path) -> None:
    overrides = ["schedule.name=multi_step", "schedule.milestones=[4]", "schedule.warmup=0"]
    overrides += ["optimizer.learning_rate=1e-3"]
    run, trainer = _run(tmp_path, {}, *overrides)
    run.train()
    assert trainer.factors == [1.0] * 4 + [0.5] * 8
    rows = [row for row in read_log(tmp_path / LOG) if "loss" in row]
    assert [row["rate"] for row in rows] == [1e-3] * 4 + [5e-4] * 8


def test_scores_are_those_of_the_protocol_and_the_best_is_kept(tmp_path: Path) -> None:
    run, _ = _run(tmp_path, {}, "checkpoints.keep=1", "validation.pictures=2")
    result = run.train()
    scored = [row for row in read_log(tmp_path / LOG) if "psnr_db" in row]
    assert [row["step"] for row in scored] == [0, 5, 10, 12]
    assert all(row["protocol"] == "rgb" for row in scored)
    assert scored[1]["psnr_db"] < scored[2]["psnr_db"] < scored[3]["psnr_db"]
    assert result.psnr_db == scored[3]["psnr_db"]
    assert (tmp_path / "checkpoints" / "best").resolve().name == "step_00000012"
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 8


def test_a_full_disk_ends_the_run_with_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write: Callable[..., None] = checkpoints.save_file
    run, trainer = _run(tmp_path, {})

    def save_file(*given: object, **options: object) -> None:
        if trainer.steps > 4:
            raise OSError(28, "No space left on device")
        write(*given, **options)

    monkeypatch.setattr(checkpoints, "save_file", save_file)
    with pytest.raises(CheckpointError, match="No space left"):
        run.train()
    assert checkpoints.find(tmp_path) == tmp_path / "checkpoints" / "step_00000003"


def test_devices_score_each_held_out_picture_once_and_the_first_writes(tmp_path: Path) -> None:
    told: dict[tuple[int, int], np.ndarray] = {}

    def scored(rank: int, world: int, pictures: int) -> np.ndarray:
        """The scores that a device finds itself, 0 for those of others."""

        def total(numbers: np.ndarray) -> np.ndarray:
            told[rank, world] = numbers
            return numbers

        devices = Devices(rank, world, total)
        run, _ = _run(tmp_path / f"{rank}", {}, f"validation.pictures={pictures}", devices=devices)
        run._score(None)
        return told[rank, world]

    alone = scored(0, 1, 0)
    assert len(alone) > 1
    assert alone.all()
    first, second = scored(0, 2, 0), scored(1, 2, 0)
    assert first.any()
    assert second.any()
    assert not (first * second).any()
    np.testing.assert_array_equal(first + second, alone)
    first, second = scored(0, 2, 100), scored(1, 2, 100)
    np.testing.assert_array_equal(first, alone)
    assert len(list((tmp_path / "0").rglob("*.png"))) == len(alone)
    assert not list((tmp_path / "1").rglob("*.png"))
