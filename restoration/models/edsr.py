"""EDSR: super-resolution, and the features of continuous networks, by residual blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from restoration.models.encoder import EncoderModel, UpsamplingEncoderSpec
from restoration.models.model import PublishedWeights


@dataclass(frozen=True, kw_only=True)
class EDSRSpec(UpsamplingEncoderSpec):
    """EDSR; see `UpsamplingEncoderSpec` for the scale.

    width: channels; blocks: residual blocks (0 is allowed). residual_scale: factor of each block's
    branch.
    """

    module: ClassVar[str] = "edsr"
    network: ClassVar[str] = "EDSR"

    width: int = 64
    blocks: int = 16
    residual_scale: float = 1.0

    def __post_init__(self) -> None:
        self._require_count("width")
        self._require("blocks", isinstance(self.blocks, int) and self.blocks >= 0, "at least 0")
        self._require("residual_scale", self.residual_scale > 0, "a factor above 0")
        self._require_scale()

    @property
    def channels(self) -> int:
        return self.width


MODELS = (
    EncoderModel(
        name="edsr",
        title="EDSR",
        source="Lim, Son, Kim, Nah, Lee: Enhanced Deep Residual Networks for Single Image "
        "Super-Resolution, CVPR Workshops 2017, arXiv 1707.02921",
        specs={
            "tiny": EDSRSpec(width=8, blocks=2, scale=2),
            "published": EDSRSpec(),
            "published-x2": EDSRSpec(scale=2),
            "published-x3": EDSRSpec(scale=3),
            "published-x4": EDSRSpec(scale=4),
            "published-wide": EDSRSpec(width=256, blocks=32, residual_scale=0.1),
        },
        sample_inputs="normalized_photographs",
        published=(
            PublishedWeights("(encoder)", "published", "edsr-baseline", 1_220_440, 72),
            PublishedWeights("(x2)", "published-x2", "edsr-baseline-x2", 1_369_883, 76),
            PublishedWeights("(x3)", "published-x3", "edsr-baseline-x3", 1_554_523, 76),
            PublishedWeights("(x4)", "published-x4", "edsr-baseline-x4", 1_517_595, 78),
            PublishedWeights("(wide encoder)", "published-wide", "edsr", 38_362_392, 136),
        ),
        picture="features",
        no_picture="features; its specs of a scale, as published-x2, give a picture",
    ),
)
