"""Modes of execution: what a network may give up where memory or time is short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from restoration.errors import InputError, UnavailableError

PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class Execution:
    """A mode of execution.

    precision: of matrix products and convolutions; weights, decisions and results stay float32.
    is_whole: of every operator of the network instead; weights and results stay float32.
    per_sample: images of a batch go through the network one by one. checkpointing: in training,
    blocks compute their activations again instead of keeping them. is_graph: the network, with its
    loss in training, is compiled as a whole, anew for each size, by MindSpore alone. max_side_px:
    longest side of an image; a larger one is reduced.
    """

    precision: str = "float32"
    is_whole: bool = False
    per_sample: bool = False
    checkpointing: bool = False
    is_graph: bool = False
    max_side_px: int | None = None

    def __post_init__(self) -> None:
        for field, value, holds, expected in (
            ("precision", self.precision, self.precision in PRECISIONS, ", ".join(PRECISIONS)),
            (
                "max_side_px",
                self.max_side_px,
                self.max_side_px is None or self.max_side_px >= 1,
                "a number of pixels of at least 1, or none",
            ),
        ):
            if not holds:
                raise InputError(
                    f"Execution.{field}",
                    expected=expected,
                    got=repr(value),
                    where="mode of execution",
                    next_step="see restoration.engine.execution.Execution",
                )


PLAIN = Execution()


def check_is_mindspores(execution: Execution, title: str) -> None:
    """Raise UnavailableError for what no other framework does here; title: the framework's."""
    for key, is_set in (("precision_whole", execution.is_whole), ("graph", execution.is_graph)):
        if is_set:
            raise UnavailableError(
                f"{title}: expected a recipe without {key}, got one with it, which MindSpore alone "
                f"does; set {key}=false, or train with python -m mindspore_impl.train"
            )


LOW_MEMORY: Mapping[str, Execution] = {
    "torch": Execution(precision="bfloat16", per_sample=True, checkpointing=True, max_side_px=256),
    "jittor": Execution(per_sample=True, max_side_px=256),
    "mindspore": Execution(precision="float16", per_sample=True, max_side_px=256),
}
"""What saves memory, as far as each framework can on CPU; LMD-ViT has a smaller spec beside it."""
