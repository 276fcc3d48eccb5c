"""A loss by its name: a class of a framework's `losses`, and the arguments that it takes."""

from __future__ import annotations

import inspect
from typing import Any

from restoration.errors import InputError, suggest, unknown_name
from restoration.models.spec import Spec
from restoration.training.settings import LossSettings


def build_loss(losses: Any, spec: Spec, settings: LossSettings) -> Any:
    """The loss of a network: called with the network's outputs and the batch, both by name, it
    gives its value as "loss", and its terms.

    losses: the framework's module of losses.

    Raises:
        InputError: there is no such loss, or it takes no such argument.
    """
    known = [name for name, value in vars(losses).items() if _is_loss(name, value)]
    if settings.name not in known:
        raise unknown_name("loss", settings.name, known, where="loss.name of the recipe")
    made = getattr(losses, settings.name)
    given = dict(settings.settings) | ({"vgg": settings.vgg} if settings.vgg else {})
    arguments = list(inspect.signature(made.__init__).parameters)[2:]
    for name in given:
        if name not in arguments:
            raise InputError(
                f"argument {name!r} of {settings.name}",
                expected=", ".join(arguments) or "none",
                got=repr(given[name]),
                where="loss.settings of the recipe",
                next_step=suggest(name, arguments) if arguments else "leave it out",
            )
    return made(spec, **given)


def _is_loss(name: str, value: Any) -> bool:
    return name.endswith("Loss") and isinstance(value, type)
