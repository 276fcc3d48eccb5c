"""MIMO-UNet and MIMO-UNet+: deblurring at three resolutions at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.errors import InputError
from restoration.models.model import Model, PublishedWeights
from restoration.models.spec import Spec, check_image


@dataclass(frozen=True, kw_only=True)
class MIMOUNetSpec(Spec):
    """MIMO-UNet and MIMO-UNet+.

    width: channels at full resolution; twice and four times as many at half and quarter.
    blocks: residual blocks per stage.
    skip_dropout: probability that a channel of a fused skip is dropped in training (MIMO-UNet+).
    resize: how features are enlarged, "nearest" (the paper) or "asymmetric" (bilinear without
        half-pixel centers, for weights trained by the MindSpore model zoo's port).
    """

    module: ClassVar[str] = "mimo_unet"
    network: ClassVar[str] = "MIMOUNet"
    loss: ClassVar[str] = "MultiScaleLoss"
    inputs: ClassVar[tuple[str, ...]] = ("image", "skip_mask1", "skip_mask2")
    outputs: ClassVar[tuple[str, ...]] = ("quarter", "half", "full")
    size_multiple: ClassVar[int] = 4

    width: int = 32
    blocks: int = 8
    skip_dropout: float = 0.0
    resize: str = "nearest"

    def __post_init__(self) -> None:
        self._require_count("width", "blocks")
        self._require(
            "width", self.width % 2 == 0, "an even number: half of it feeds the smallest branch"
        )
        self._require("skip_dropout", 0 <= self.skip_dropout < 1, "a probability in [0, 1)")
        self._require(
            "resize", self.resize in ("nearest", "asymmetric"), "'nearest' or 'asymmetric'"
        )

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        image = inputs["image"]
        check_image(
            image, name="image", channels=3, multiple=self.size_multiple, where=self.network
        )
        for level in (1, 2):
            mask = inputs.get(f"skip_mask{level}")
            shape = (image.shape[0], level * self.width, 1, 1)
            if mask is not None and mask.shape != shape:
                raise InputError(
                    f"input 'skip_mask{level}'",
                    expected=f"shape {shape}: one factor per sample and channel",
                    got=str(tuple(mask.shape)),
                    where=self.network,
                    next_step="leave it out to keep every channel",
                )

    def training_noise(
        self, inputs: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Channel dropout of the fused skips, as factors, the half resolution's drawn first."""
        if not self.skip_dropout:
            return {}
        kept = 1 - self.skip_dropout
        masks = {}
        for level in (2, 1):
            shape = (len(inputs["image"]), level * self.width, 1, 1)
            masks[f"skip_mask{level}"] = ((rng.random(shape) < kept) / kept).astype(np.float32)
        return masks


_SOURCE = (
    "Cho, Ji, Hong, Jung, Ko: Rethinking Coarse-to-Fine Approach in Single Image Deblurring, "
    "ICCV 2021, arXiv 2108.05054"
)

MODELS = (
    Model(
        name="mimo_unet",
        title="MIMO-UNet",
        source=_SOURCE,
        specs={"tiny": MIMOUNetSpec(width=8, blocks=1), "published": MIMOUNetSpec()},
        sample_inputs="blurred_photographs",
        published=(PublishedWeights("MIMO-UNet.pkl", "published", "MIMO-UNet", 6_807_171, 244),),
        picture="full",
    ),
    Model(
        name="mimo_unet_plus",
        title="MIMO-UNet+",
        source=_SOURCE,
        specs={
            "tiny": MIMOUNetSpec(width=8, blocks=2, skip_dropout=0.1),
            "published": MIMOUNetSpec(blocks=20, skip_dropout=0.1),
        },
        sample_inputs="blurred_photographs",
        published=(
            PublishedWeights("MIMO-UNetPlus.pkl", "published", "MIMO-UNet+", 16_107_651, 532),
        ),
        picture="full",
    ),
)
