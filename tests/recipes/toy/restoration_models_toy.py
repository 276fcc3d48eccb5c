"""Toy: two convolutions and a skip connection, for the test of the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.models.model import Model
from restoration.models.spec import Spec, check_image


@dataclass(frozen=True, kw_only=True)
class ToySpec(Spec):
    """Toy. width: channels between its convolutions."""

    module: ClassVar[str] = "toy"
    network: ClassVar[str] = "Toy"
    inputs: ClassVar[tuple[str, ...]] = ("image",)
    outputs: ClassVar[tuple[str, ...]] = ("restored",)

    width: int = 16

    def __post_init__(self) -> None:
        self._require_count("width")

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        check_image(inputs["image"], name="image", channels=3, multiple=1, where=self.network)


MODELS = (
    Model(
        name="toy",
        title="Toy",
        source="written for a test",
        specs={"tiny": ToySpec(width=4), "published": ToySpec()},
        sample_inputs="blurred_photographs",
        picture="restored",
    ),
)
