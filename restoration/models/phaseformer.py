"""Phaseformer: underwater restoration by attention on the phase of spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.models.laws import Rule, Rules
from restoration.models.model import Model, PublishedWeights
from restoration.models.spec import Spec, check_image, has_counts


@dataclass(frozen=True, kw_only=True)
class PhaseformerSpec(Spec):
    """Phaseformer.

    width: channels at full resolution; two, four, eight times as many at half, quarter, eighth.
    blocks, heads, hidden: per resolution, the number of transformer blocks, of attention heads, and
    the width of the feed-forward part. refinement: blocks after the decoder.
    """

    module: ClassVar[str] = "phaseformer"
    initialization: ClassVar[Mapping[str, Rules]] = {
        "xavier": (Rule("*.weight", "xavier", axes=4), Rule("*.bias", "zeros", axes=4))
    }
    network: ClassVar[str] = "Phaseformer"
    inputs: ClassVar[tuple[str, ...]] = ("image",)
    outputs: ClassVar[tuple[str, ...]] = ("low", "high")
    tiling_caveat: ClassVar[str] = "its attention and its phases are of the whole image"
    size_multiple: ClassVar[int] = 8
    may_sit_out: ClassVar[tuple[str, ...]] = ("gate4.*", "up4.*")  # nothing depends on them

    width: int = 16
    blocks: tuple[int, ...] = (2, 3, 3, 4)
    heads: tuple[int, ...] = (1, 2, 4, 8)
    hidden: tuple[int, ...] = (42, 85, 170, 340)
    refinement: int = 4

    def __post_init__(self) -> None:
        self._require_count("width", "refinement")
        self._require("width", self.width % 2 == 0, "an even number")
        for field in ("blocks", "heads", "hidden"):
            self._require(field, has_counts(getattr(self, field), 4), "four counts")
        divides = all(
            width % heads == 0 for width, heads in zip(self.widths, self.heads, strict=True)
        )
        self._require("heads", divides, f"divisors of the widths {self.widths}")

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels at full, half, quarter, eighth resolution."""
        return self.width, 2 * self.width, 4 * self.width, 8 * self.width

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        check_image(
            inputs["image"], name="image", channels=3, multiple=self.size_multiple,
            where=self.network,
        )  # fmt: skip


MODELS = (
    Model(
        name="phaseformer",
        title="Phaseformer",
        source="Khan, Negi, Kulkarni, Phutke, Vipparthi, Murala: Phaseformer: Phase-based "
        "Attention Mechanism for Underwater Image Restoration and Beyond, WACV 2025, "
        "arXiv 2412.01456",
        specs={
            "tiny": PhaseformerSpec(blocks=(1, 1, 1, 1), hidden=(24, 48, 96, 192), refinement=1),
            "published": PhaseformerSpec(),
        },
        sample_inputs="blurred_photographs",
        published=(PublishedWeights("best.pth", "published", "phaseformer", 1_783_800, 282),),
        picture="low",
    ),
)
