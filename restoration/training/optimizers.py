"""What trainers of all frameworks agree on: who is trained at what rate, and the rules of a step.

The names of a network's parameters are the suite's; a loss's own are under "loss.".
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from restoration.engine.contract import TrainingState
from restoration.engine.state import check_state
from restoration.errors import InputError
from restoration.models.spec import Spec
from restoration.training.settings import AverageSettings, OptimizerSettings, TrainerSettings

LOSS = "loss."
"""What names of a loss's own parameters begin with."""

FIRST_SCALE = 2.0**16
SCALE_PERIOD = 2000  # steps after which a dynamic loss scale is tried at twice the size
_NORM_EPS = 1e-6  # PyTorch's, so that a norm of zero scales nothing


@dataclass(frozen=True)
class Group:
    """Parameters that share a rate, in the order of the network."""

    names: tuple[str, ...]
    learning_rate: float
    weight_decay: float


def groups(names: Sequence[str], settings: OptimizerSettings) -> list[Group]:
    """All parameters that are not frozen, each in the first group that matches it.

    The last group is that of all others, if there are any.

    Raises:
        InputError: a pattern that matches no parameter, with the nearest name.
    """
    trained = [name for name in names if name not in frozen(names, settings)]
    found = []
    for group in settings.groups:
        matched = _matched(group.match, names, "optimizer.groups")
        decay = settings.weight_decay if group.weight_decay is None else group.weight_decay
        mine = tuple(name for name in trained if name in matched)
        trained = [name for name in trained if name not in matched]
        found.append(Group(mine, group.learning_rate, decay))
    found.append(Group(tuple(trained), settings.learning_rate, settings.weight_decay))
    return [group for group in found if group.names]


def frozen(names: Sequence[str], settings: OptimizerSettings) -> set[str]:
    """The parameters that stay as they are.

    Raises:
        InputError: a pattern that matches no parameter, with the nearest name.
    """
    return {
        name for pattern in settings.freeze for name in _matched(pattern, names, "optimizer.freeze")
    }


def _matched(pattern: str, names: Sequence[str], where: str) -> set[str]:
    matched = {name for name in names if fnmatchcase(name, pattern)}
    if not matched:
        known = {*names, *(".".join([*name.split(".")[:1], "*"]) for name in names if "." in name)}
        near = difflib.get_close_matches(pattern, sorted(known), n=1, cutoff=0)
        raise InputError(
            f"pattern {pattern!r}",
            expected="one that matches the name of a parameter",
            got=f"none among {len(names)}",
            where=where,
            next_step=f"did you mean {near[0]!r}?" if near else "the network has no parameters",
        )
    return matched


def takes_part(spec: Spec, name: str, *, is_zero: bool) -> bool:
    """Whether a parameter takes part in a step. is_zero: its gradient is zero everywhere."""
    return not is_zero or not any(fnmatchcase(name, pattern) for pattern in spec.may_sit_out)


def clip_factor(norm: float, largest: float | None) -> float:
    """What gradients of a 2-norm are multiplied by, at most 1; PyTorch's `clip_grad_norm_`."""
    return 1.0 if largest is None else min(1.0, largest / (norm + _NORM_EPS))


def kept_share(settings: AverageSettings, step: int) -> float:
    """How much of the averaged weights is kept in a step, counted from 1."""
    if not settings.warmup:
        return settings.decay
    return min(settings.decay, (1 + step) / (10 + step))


def first_scale(settings: TrainerSettings) -> float:
    """What the loss is multiplied by at the start."""
    if settings.loss_scale == "dynamic":
        return FIRST_SCALE
    return 1.0 if settings.loss_scale is None else settings.loss_scale


def next_scale(settings: TrainerSettings, scale: float, step: int, *, finite: bool) -> float:
    """The loss scale after a step, counted from 1.

    A dynamic one is halved where gradients were not finite, and doubled now and then, so that it
    needs to know nothing of earlier steps.
    """
    if settings.loss_scale != "dynamic":
        return scale
    if not finite:
        return max(scale / 2, 1.0)
    return scale if step % SCALE_PERIOD else scale * 2


def is_finite(loss: float, norm: float) -> bool:
    """Whether a step may change anything."""
    return math.isfinite(loss) and math.isfinite(norm)


def moment_names(settings: OptimizerSettings) -> tuple[str, ...]:
    """What the optimizer keeps of each parameter."""
    if settings.name == "sgd":
        return ("first",) if settings.momentum else ()
    return ("first", "second")


def check_training_state(
    state: TrainingState,
    settings: TrainerSettings,
    shapes: Mapping[str, tuple[int, ...]],
    trained: Sequence[str],
    *,
    network: str,
) -> None:
    """Check that a training state fits a trainer, before anything of it is loaded.

    shapes: of parameters and buffers, the loss's own under "loss.". trained: what the optimizer
    moves; any of it may have no moments, having taken no step.

    Raises:
        InputError: lists every missing (-), unexpected (+) and misshapen (~) entry.
    """
    check_state(shapes, state.weights, network=network)
    if settings.average is not None:
        averaged = {name: shape for name, shape in shapes.items() if not name.startswith(LOSS)}
        check_state(averaged, state.averages, network=f"{network}, averaged")
    else:
        check_state({}, state.averages, network=f"{network}, averaged")
    moments = {
        f"{name}.{moment}": shapes[name]
        for name in trained
        if name in state.counts
        for moment in moment_names(settings.optimizer)
    }
    check_state(moments, state.moments, network=f"{network}, moments of {settings.optimizer.name}")
