"""RDN: super-resolution, and the features of continuous networks, by residual dense blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from restoration.models.encoder import EncoderModel, UpsamplingEncoderSpec
from restoration.models.model import PublishedWeights


@dataclass(frozen=True, kw_only=True)
class RDNSpec(UpsamplingEncoderSpec):
    """RDN; see `UpsamplingEncoderSpec` for the scale.

    width: channels between blocks. blocks: dense blocks, each of `convolutions` convolutions, which
    adds `growth` channels. The paper's "B" is the default, its "A" is blocks 20, convolutions 6,
    growth 32.
    """

    module: ClassVar[str] = "rdn"
    network: ClassVar[str] = "RDN"

    width: int = 64
    growth: int = 64
    blocks: int = 16
    convolutions: int = 8

    def __post_init__(self) -> None:
        self._require_count("width", "growth", "blocks", "convolutions")
        self._require_scale()

    @property
    def channels(self) -> int:
        return self.width


MODELS = (
    EncoderModel(
        name="rdn",
        title="RDN",
        source="Zhang, Tian, Kong, Zhong, Fu: Residual Dense Network for Image Super-Resolution, "
        "CVPR 2018, arXiv 1802.08797",
        specs={
            "tiny": RDNSpec(width=8, growth=4, blocks=3, convolutions=3, scale=2),
            "published": RDNSpec(),
            "published-x2": RDNSpec(scale=2),
            "published-x3": RDNSpec(scale=3),
            "published-x4": RDNSpec(scale=4),
        },
        sample_inputs="normalized_photographs",
        published=(
            PublishedWeights("(encoder)", "published", "rdn", 21_973_952, 296),
            PublishedWeights("(x2)", "published-x2", "rdn-x2", 22_123_395, 300),
            PublishedWeights("(x3)", "published-x3", "rdn-x3", 22_308_035, 300),
            PublishedWeights("(x4)", "published-x4", "rdn-x4", 22_271_107, 302),
        ),
        picture="features",
        no_picture="features; its specs of a scale, as published-x2, give a picture",
    ),
)
