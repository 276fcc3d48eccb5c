"""Encoders: networks that give features of a picture, or with an upsampler the enlarged picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.images import tiling
from restoration.models.model import Model
from restoration.models.spec import Spec, check_image


class EncoderSpec(Spec):
    """Base of the networks that give a map of features, or with a scale an enlarged image."""

    inputs: ClassVar[tuple[str, ...]] = ("image",)
    outputs: ClassVar[tuple[str, ...]] = ("features",)

    @property
    def channels(self) -> int:
        """How many channels the features have."""
        raise NotImplementedError

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        check_image(inputs["image"], name="image", channels=3, multiple=1, where=self.network)


@dataclass(frozen=True, kw_only=True)
class UpsamplingEncoderSpec(EncoderSpec):
    """Base of encoders that may end with an upsampler of their own.

    scale: 1 for features, or 2, 3, 4 for an image enlarged as often.
    """

    scale: int = 1

    @property
    def magnification(self) -> int:
        return self.scale

    @property
    def factors(self) -> tuple[int, ...]:
        """By how much each step of the upsampler enlarges."""
        return {1: (), 2: (2,), 3: (3,), 4: (2, 2)}[self.scale]

    def _require_scale(self) -> None:
        self._require("scale", self.scale in (1, 2, 3, 4), "1, 2, 3 or 4")


class EncoderModel(Model):
    """A picture goes in as [-1, 1]; an enlarged one comes out so."""

    def _inputs(self, spec: Spec, image: np.ndarray, scale: float | None, given: Arrays) -> Arrays:
        extended = tiling.pad_to_multiple(image, spec.size_multiple, spec.smallest_side_px)
        return {"image": 2 * extended - 1}

    def no_picture_of(self, spec: Spec) -> str:
        return "" if spec.magnification != 1 else self.no_picture

    def _image(
        self, spec: Spec, outputs: Mapping[str, np.ndarray], height: int, width: int
    ) -> np.ndarray:
        return (outputs[self.picture][..., :height, :width] + 1) / 2
