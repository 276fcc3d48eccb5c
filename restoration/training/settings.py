"""What a framework's trainer is told: the loss, the optimizer, the averaged weights, the precision.

Plain dataclasses, checked when a recipe is read (`recipe.py`); a framework needs nothing else to
train. The text below a field is its help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

# For pydantic, which reads these from a recipe: unknown keys are errors, docstrings are help.
STRICT = {"extra": "forbid", "use_attribute_docstrings": True}


def require(settings: object, **rules: tuple[bool, str]) -> None:
    """Raise ValueError with a line for each value that cannot be: "key: expected ..., got ...".

    rules: by key, whether its value can be, and what is expected.
    """
    faults = [
        f"{key}: expected {expected}, got {getattr(settings, key)!r}"
        for key, (holds, expected) in rules.items()
        if not holds
    ]
    if faults:
        raise ValueError("\n".join(faults))


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The loss: a class of `losses`, the same in each framework, and its arguments."""

    __pydantic_config__: ClassVar[Any] = STRICT

    name: str
    """The class in losses, as MultiScaleLoss."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments, as {spectral_weight: 0.1}."""
    vgg: str = ""
    """File of VGG weights for a perceptual term; published ones: torchvision's vgg19."""


@dataclass(frozen=True, kw_only=True)
class GroupSettings:
    """Parameters with a rate of their own."""

    __pydantic_config__: ClassVar[Any] = STRICT

    match: str
    """Pattern of names with * and ?, as "flow.*"; the first group that matches has it."""
    learning_rate: float
    """The rate at the start, before the schedule's factor."""
    weight_decay: float | None = None
    """Instead of the optimizer's, if given."""

    def __post_init__(self) -> None:
        require(self, learning_rate=(self.learning_rate >= 0, "a number of at least 0"))


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """The optimizer."""

    __pydantic_config__: ClassVar[Any] = STRICT

    name: Literal["adam", "adamw", "sgd"] = "adam"
    """adam: decay, if any, is added to gradients; adamw: parameters are decayed by themselves."""
    learning_rate: float = 1e-4
    """The rate at the start, before the schedule's factor."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of adam and adamw: how much of their means of gradients and of squares is kept."""
    eps: float = 1e-8
    """Of adam and adamw: added to the root after the bias correction, as PyTorch does."""
    momentum: float = 0.0
    """Of sgd."""
    weight_decay: float = 0.0
    """Decay of parameters."""
    clip_norm: float | None = None
    """The largest 2-norm of all gradients of the network together; larger ones are scaled."""
    groups: tuple[GroupSettings, ...] = ()
    """Parameters with rates of their own."""
    freeze: tuple[str, ...] = ()
    """Patterns of names of parameters that stay as they are."""

    def __post_init__(self) -> None:
        above = "a number above 0"
        require(
            self,
            learning_rate=(self.learning_rate > 0, above),
            betas=(all(0 <= beta < 1 for beta in self.betas), "two numbers in [0, 1)"),
            eps=(self.eps > 0, above),
            momentum=(0 <= self.momentum < 1, "a number in [0, 1)"),
            weight_decay=(self.weight_decay >= 0, "a number of at least 0"),
            clip_norm=(self.clip_norm is None or self.clip_norm > 0, f"{above}, or none"),
        )


@dataclass(frozen=True, kw_only=True)
class AverageSettings:
    """Averages of weights over steps (EMA)."""

    __pydantic_config__: ClassVar[Any] = STRICT

    decay: float = 0.999
    """How much of the average is kept in a step."""
    warmup: bool = True
    """The first steps keep less: min(decay, (1 + step) / (10 + step))."""

    def __post_init__(self) -> None:
        require(self, decay=(0 <= self.decay < 1, "a number in [0, 1)"))


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """All that a trainer is told."""

    loss: LossSettings
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    average: AverageSettings | None = None
    loss_scale: float | Literal["dynamic"] | None = None
    """What losses are multiplied by before gradients are taken, at float16."""
