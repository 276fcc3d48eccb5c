"""The data of a training run for each way of training; `open_task` finds the one of a model."""

from __future__ import annotations

from restoration.data.settings import DataSettings
from restoration.data.tasks.base import PictureTask
from restoration.data.tasks.clips import BlurredClipTask, FlowTask
from restoration.data.tasks.coordinates import CoordinatesTask
from restoration.data.tasks.enlarge import EnlargeTask, SameSizeTask
from restoration.data.tasks.objects import KernelPredictionTask, NonUniformTask
from restoration.data.tasks.pairs import LocalBlurTask, PairsTask
from restoration.errors import InputError
from restoration.models.continuous import ContinuousSpec
from restoration.models.encoder import EncoderSpec
from restoration.models.kernel_prediction import KernelPredictionSpec
from restoration.models.lmd_vit import LMDViTSpec
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.models.model import Model
from restoration.models.nimbusr import NIMBUSRSpec
from restoration.models.phaseformer import PhaseformerSpec
from restoration.models.pwc_flow import PWCFlowSpec
from restoration.models.self_blind_vsr import SelfBlindVSRSpec
from restoration.models.spec import Spec

_TASKS: tuple[tuple[type[Spec], type[PictureTask]], ...] = (
    (MIMOUNetSpec, PairsTask),
    (LMDViTSpec, LocalBlurTask),
    (PhaseformerSpec, PairsTask),
    (ContinuousSpec, CoordinatesTask),
    (SelfBlindVSRSpec, BlurredClipTask),
    (PWCFlowSpec, FlowTask),
    (NIMBUSRSpec, NonUniformTask),
    (KernelPredictionSpec, KernelPredictionTask),
)


def open_task(model: Model, spec: Spec, data: DataSettings, *, seed: int) -> PictureTask:
    """The data of a run of training, as a recipe says.

    Raises:
        InputError: keys that do not belong to the model or the kind of data, or a folder, list or
            database that is missing. What is wrong in the files, `Task.faults` lists.
    """
    if isinstance(spec, EncoderSpec):
        is_same_size = not spec.gives_features and spec.magnification == 1
        return (SameSizeTask if is_same_size else EnlargeTask)(model, spec, data, seed=seed)
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
