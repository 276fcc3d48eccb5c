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

MEAN = tuple(float(np.float32(value)) for value in (0.4488, 0.4371, 0.4040))
"""The mean color of DIV2K, as published networks have it: rounded to float32."""


class EncoderSpec(Spec):
    """Base of the networks that give a map of features, or with a scale an enlarged image."""

    inputs: ClassVar[tuple[str, ...]] = ("image",)
    outputs: ClassVar[tuple[str, ...]] = ("features",)

    image_channels: ClassVar[int] = 3
    """How many channels a picture has, 3 or 1; a field where the network can be of both kinds."""

    @property
    def channels(self) -> int:
        """How many channels the features have."""
        raise NotImplementedError

    @property
    def gives_features(self) -> bool:
        """Whether the output is features, not a picture."""
        raise NotImplementedError

    @property
    def intensities(self) -> tuple[float, float]:
        """Black and white, as pictures of the network have them."""
        return -1.0, 1.0

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        check_image(
            inputs["image"],
            name="image",
            channels=self.image_channels,
            multiple=1,
            where=self.network,
        )


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
    def gives_features(self) -> bool:
        return self.scale == 1

    @property
    def factors(self) -> tuple[int, ...]:
        """By how much each step of the upsampler enlarges."""
        return {1: (), 2: (2,), 3: (3,), 4: (2, 2)}[self.scale]

    def _require_scale(self) -> None:
        self._require("scale", self.scale in (1, 2, 3, 4), "1, 2, 3 or 4")


class EncoderModel(Model):
    """A picture goes in with the intensities of the spec; a restored one comes out so.

    A network of gray pictures restores each channel of a picture by itself.
    """

    def _inputs(self, spec: Spec, image: np.ndarray, scale: float | None, given: Arrays) -> Arrays:
        assert isinstance(spec, EncoderSpec)
        extended = tiling.pad_to_multiple(image, spec.size_multiple, spec.smallest_side_px)
        black, white = spec.intensities
        pictures = extended.reshape(-1, spec.image_channels, *extended.shape[2:])
        return {"image": (white - black) * pictures + black}

    def no_picture_of(self, spec: Spec) -> str:
        assert isinstance(spec, EncoderSpec)
        return self.no_picture if spec.gives_features else ""

    def _image(
        self, spec: Spec, outputs: Mapping[str, np.ndarray], height: int, width: int
    ) -> np.ndarray:
        assert isinstance(spec, EncoderSpec)
        (pictures,) = outputs.values()
        black, white = spec.intensities
        images = pictures.reshape(-1, 3, *pictures.shape[2:])
        return (images[..., :height, :width] - black) / (white - black)
