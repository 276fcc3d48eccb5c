"""Hyper-parameters of a network: one frozen dataclass per model, checked on construction.

A spec also carries what every framework must agree on about its network and cannot be read from
an array: the file and the class that implement it, and the names of its inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from restoration.errors import InputError
from restoration.models.laws import Rules


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of all specs.

    Class variables: `module` is the file in each `*_impl` package and `network` the class in it;
    `loss` is the class in `losses` that trains it, empty if there is none; `inputs` names the
    network's arguments in order, of which those after the first `required_inputs` may be left out.
    `tiling_caveat` says why a tile is not restored as the whole image is, empty if it is.
    `may_sit_out` has patterns of names of parameters that may take no part in a step of training,
    or in any; see `Trainer`.
    `checkpointed_block` is the class of the parts whose activations may be recomputed in training,
    `float32_block` the class of those that stay in float32 whatever the precision. What is a
    property here is a class variable where it does not depend on hyper-parameters.
    """

    module: ClassVar[str]
    network: ClassVar[str]
    loss: ClassVar[str] = ""
    inputs: ClassVar[tuple[str, ...]]
    required_inputs: ClassVar[int] = 1
    tiling_caveat: ClassVar[str] = ""
    may_sit_out: ClassVar[tuple[str, ...]] = ()
    checkpointed_block: ClassVar[str] = ""
    float32_block: ClassVar[str] = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the network's results, in order."""
        raise NotImplementedError

    @property
    def trained_outputs(self) -> tuple[str, ...]:
        """The results that the loss takes, before the target."""
        return self.outputs

    @property
    def scored(self) -> Spec:
        """The spec that the same weights restore pictures with, where training needs another."""
        return self

    @property
    def initialization(self) -> Mapping[str, Rules]:
        """Laws of first weights: "" the usual, then named variants. See `laws.py`."""
        return {}

    @property
    def size_multiple(self) -> int:
        """What the height and width of an input image must be multiples of."""
        return 1

    @property
    def smallest_side_px(self) -> int:
        """What a shorter side of an image is extended to before the network gets it."""
        return 1

    @property
    def magnification(self) -> int | None:
        """How many times as large as the image the result is; None for any factor."""
        return 1

    @property
    def graph_unsupported(self) -> Mapping[str, str]:
        """Per framework, the construct that its graph compiler cannot take."""
        return {}

    @property
    def decisions(self) -> Mapping[str, str]:
        """Outputs that are decisions, 1 or 0, each with the output that is its margin."""
        return {}

    def enforced(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Inputs that make a network take the decisions that another run came to."""
        return {}

    def training_noise(
        self, inputs: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """What is random in training beside the other inputs, which say how many images there are.

        Drop masks, drop paths, noise: empty for networks that have none.
        """
        return {}

    def to_dict(self) -> dict[str, Any]:
        """The hyper-parameters as plain values, for JSON; `spec_from_dict` reads them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {
            name: value.to_dict() if isinstance(value, Spec) else value
            for name, value in values.items()
        }
        return {"type": type(self).__name__, **plain}

    def require_loss(self) -> str:
        """The name of the loss.

        Raises:
            InputError: the model has none.
        """
        if not self.loss:
            raise InputError(
                f"training {self.network}",
                expected="a model with a loss in losses",
                got="none: its training was not published",
                where=f"restoration/models/{self.module}.py, {type(self).__name__}",
                next_step="train it with a loss of your own on the engine's network",
            )
        return self.loss

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Check names and shapes of arrays against this spec.

        Raises:
            InputError: an input is missing, unknown, or has a shape that the network cannot take.
        """
        missing = [name for name in self.inputs[: self.required_inputs] if name not in inputs]
        unknown = [name for name in inputs if name not in self.inputs]
        if missing or unknown:
            raise InputError(
                f"inputs of {self.network}",
                expected=", ".join(self.inputs),
                got=", ".join(inputs) or "none",
                where=f"missing {missing}, unknown {unknown}",
                next_step="give each array under the name the network uses",
            )

    def _require(self, field: str, holds: bool, expected: str) -> None:
        """Raise unless a hyper-parameter holds what the network needs."""
        if not holds:
            raise InputError(
                f"{type(self).__name__}.{field}",
                expected=expected,
                got=repr(getattr(self, field)),
                where="hyper-parameters of the model",
                next_step="see the class's docstring for what each one means",
            )

    def _require_one_of(self, field: str, *choices: str) -> None:
        """Raise unless a hyper-parameter is one of some words."""
        self._require(field, getattr(self, field) in choices, "one of " + ", ".join(choices))

    def _require_shape(self, name: str, array: np.ndarray, shape: tuple[Any, ...]) -> None:
        """Raise unless an input has a shape."""
        if tuple(array.shape) != shape:
            raise InputError(
                f"input {name!r}",
                expected="shape (" + ", ".join(map(str, shape)) + ")",
                got=str(tuple(array.shape)),
                where=self.network,
                next_step="see the docstring of the model's file for what each axis is",
            )

    def _require_count(self, *fields: str) -> None:
        """Raise unless each hyper-parameter named is a whole number of at least one."""
        for field in fields:
            value = getattr(self, field)
            is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            self._require(field, is_count, "a whole number of at least 1")


def has_counts(values: tuple[int, ...], length: int) -> bool:
    """Whether there is a certain number of whole numbers of at least one."""
    return len(values) == length and all(isinstance(v, int) and v >= 1 for v in values)


def check_image(image: np.ndarray, *, name: str, channels: int, multiple: int, where: str) -> None:
    """Check that an array is a batch of images (n, channels, h, w) with sides the network can take.

    Raises:
        InputError: wrong number of axes or channels, or a side that is no multiple of `multiple`.
    """
    if image.ndim != 4 or image.shape[1] != channels or 0 in image.shape:
        raise InputError(
            f"input {name!r}",
            expected=f"shape (n, {channels}, h, w), none of them 0",
            got=str(tuple(image.shape)),
            where=where,
            next_step="restoration.images.read_image gives (1, 3, h, w)",
        )
    height, width = image.shape[2:]
    if height % multiple or width % multiple:
        raise InputError(
            f"input {name!r}",
            expected=f"height and width multiples of {multiple}",
            got=f"{height}x{width}",
            where=where,
            next_step="Model.to_inputs extends an image, Model.to_image crops the result",
        )
