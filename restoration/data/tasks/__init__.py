"""The data of a training run for each way of training; `open_task` finds the one of a model."""

from __future__ import annotations

from restoration.data.settings import DataSettings
from restoration.data.tasks.base import PictureTask
from restoration.data.tasks.pairs import LocalBlurTask, PairsTask
from restoration.errors import InputError
from restoration.models.lmd_vit import LMDViTSpec
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.models.model import Model
from restoration.models.phaseformer import PhaseformerSpec
from restoration.models.spec import Spec

_TASKS: tuple[tuple[type[Spec], type[PictureTask]], ...] = (
    (MIMOUNetSpec, PairsTask),
    (LMDViTSpec, LocalBlurTask),
    (PhaseformerSpec, PairsTask),
)


def open_task(model: Model, spec: Spec, data: DataSettings, *, seed: int) -> PictureTask:
    """The data of a run of training, as a recipe says.

    Raises:
        InputError: keys that do not belong to the model or the kind of data, or a folder, list or
            database that is missing. What is wrong in the files, `Task.faults` lists.
    """
    for kind, task in _TASKS:
        if isinstance(spec, kind):
            return task(model, spec, data, seed=seed)
    raise InputError(
        f"data of {model.name}",
        expected="a model that can be trained",
        got=type(spec).__name__,
        where="restoration/data/tasks",
        next_step="choose another model or spec; train --list names all recipes",
    )
