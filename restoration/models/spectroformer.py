"""Spectroformer: underwater enhancement by queries from several domains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from restoration.models.model import Model, PublishedWeights
from restoration.models.phaseformer import PhaseformerSpec


@dataclass(frozen=True, kw_only=True)
class SpectroformerSpec(PhaseformerSpec):
    """Spectroformer; hyper-parameters as of Phaseformer, its successor."""

    module: ClassVar[str] = "spectroformer"
    network: ClassVar[str] = "Spectroformer"
    outputs: ClassVar[tuple[str, ...]] = ("restored",)
    may_sit_out: ClassVar[tuple[str, ...]] = (  # nothing depends on them
        *("skip4.*", "up4.*", "up5.*", "enlarge.*", "high.*"),
        "*.attention.unused?.*",
    )
    tiling_caveat: ClassVar[str] = "its Fourier transforms are of the whole image"


MODELS = (
    Model(
        name="spectroformer",
        title="Spectroformer",
        source="Khan, Mishra, Mehta, Phutke, Vipparthi, Nandi, Murala: Spectroformer: Multi-Domain "
        "Query Cascaded Transformer Network for Underwater Image Enhancement, WACV 2024",
        specs={
            "tiny": SpectroformerSpec(blocks=(1, 1, 1, 1), hidden=(24, 48, 96, 192), refinement=1),
            "published": SpectroformerSpec(),
        },
        sample_inputs="blurred_photographs",
        published=(
            PublishedWeights(
                "netG_model_epoch_533.pth", "published", "final_model_AGSSF1", 2_530_193, 503
            ),
        ),
        picture="restored",
    ),
)
