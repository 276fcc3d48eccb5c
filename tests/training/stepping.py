"""What tests of trainers have a framework do, inside its own process; see `tests/backends.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from parity.measure.weights import seeded_weights
from restoration.arrays import Arrays
from restoration.engine.contract import StepResult, TrainingState
from restoration.engine.execution import PLAIN, Execution
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.models.spec import Spec
from restoration.training.optimizers import groups
from restoration.training.recipe import Recipe
from restoration.training.session import make_trainer
from restoration.training.settings import OptimizerSettings, TrainerSettings
from tests import work


@dataclass(frozen=True, kw_only=True)
class QuietSpec(MIMOUNetSpec):
    """A network of which any part may take no part in a step."""

    may_sit_out: ClassVar[tuple[str, ...]] = ("*",)


def run_steps(
    spec: Spec,
    settings: TrainerSettings,
    batches: list[list[Arrays]],
    state: TrainingState | None = None,
    execution: Execution = PLAIN,
) -> tuple[list[StepResult], list[TrainingState]]:
    """Results of steps, each of parts, and the state before the first and after each."""
    engine = work._module("engine").ENGINE()
    network = engine.build(spec, execution)
    engine.load(network, seeded_weights(engine.state(network), (0, 0)))
    trainer = engine.trainer(network, settings)
    if state is not None:
        trainer.load(state)
    results, states = [], [trainer.state()]
    for parts in batches:
        results.append(trainer.step(parts))
        states.append(trainer.state())
    return results, states


def optimized(
    settings: OptimizerSettings,
    start: Mapping[str, np.ndarray],
    gradients: list[Mapping[str, np.ndarray]],
    factors: list[float],
) -> list[Arrays]:
    """Parameters after each step of the framework's optimizer by itself."""
    parameters = {name: _parameter(name, array) for name, array in start.items()}
    optimizer = work._module("optimizers").Optimizer(
        parameters, groups(list(parameters), settings), settings
    )
    found = []
    for named, factor in zip(gradients, factors, strict=True):
        tensors = {name: work._tensor(array) for name, array in named.items()}
        optimizer.step(tensors, factor)
        found.append({name: _numpy(value) for name, value in parameters.items()})
    return found


def _parameter(name: str, array: np.ndarray) -> Any:
    tensor = work._tensor(array)
    if work.engine_name() == "torch":
        return tensor.requires_grad_()
    if work.engine_name() == "mindspore":
        from mindspore import Parameter

        return Parameter(tensor, name=name)
    return tensor


def _numpy(value: Any) -> np.ndarray:
    array: np.ndarray = work._module("arrays").to_numpy(value)
    return array


def first_step(recipe: Recipe, parts: list[Arrays]) -> StepResult:
    """The first step of a recipe on given parts of a batch."""
    engine = work._module("engine").ENGINE()
    _, trainer = make_trainer(engine, recipe, None)
    return trainer.step(parts)


def save_as_pth(path: str, arrays: Arrays, is_legacy: bool) -> None:
    """As PyTorch saves a network's state, or did before 1.6."""
    import torch

    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    torch.save(state, path, _use_new_zipfile_serialization=not is_legacy)
