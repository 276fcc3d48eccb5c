"""SwinIR: the features of continuous networks, by attention in shifted windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.errors import InputError
from restoration.models.encoder import EncoderModel, EncoderSpec
from restoration.models.model import PublishedWeights


@dataclass(frozen=True, kw_only=True)
class SwinIRSpec(EncoderSpec):
    """SwinIR.

    width: channels of the tokens. depths, heads: blocks and attention heads of each group. window:
    side of the attention's windows. mlp_ratio: how much wider an MLP's hidden layer is. merge:
    "1conv" or "3conv", what ends a group. drop_path: probability that the last block is left out in
    training; those before it less. keep_padding: give features as large as the image extended to
    multiples of the window, as the authors' code does, which then places them wrongly; only to
    reproduce it.
    """

    module: ClassVar[str] = "swinir"
    network: ClassVar[str] = "SwinIR"

    width: int = 180
    depths: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    heads: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    window: int = 8
    mlp_ratio: float = 2.0
    merge: str = "1conv"
    drop_path: float = 0.1
    keep_padding: bool = False

    def __post_init__(self) -> None:
        self._require_count("width", "window")
        self._require("depths", bool(self.depths) and min(self.depths) >= 1, "a count per group")
        self._require(
            "heads",
            len(self.heads) == len(self.depths)
            and all(count >= 1 and self.width % count == 0 for count in self.heads),
            f"one divisor of the width, {self.width}, per group",
        )
        self._require("mlp_ratio", self.mlp_ratio > 0, "a factor above 0")
        self._require_one_of("merge", "1conv", "3conv")
        self._require(
            "width", self.merge == "1conv" or self.width % 4 == 0, "a multiple of 4 with '3conv'"
        )
        self._require("drop_path", 0 <= self.drop_path < 1, "a probability in [0, 1)")

    @property
    def channels(self) -> int:
        return 64

    @property
    def smallest_side_px(self) -> int:
        return self.window // 2 + 1

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        height, width = inputs["image"].shape[2:]
        if any(-side % self.window >= side for side in (height, width)):
            raise InputError(
                "input 'image'",
                expected=f"sides of which each exceeds what it lacks to a multiple of "
                f"{self.window}",
                got=f"{height}x{width}",
                where=self.network,
                next_step="extend the image first, as Model.to_inputs does",
            )


MODELS = (
    EncoderModel(
        name="swinir",
        title="SwinIR",
        source="Liang, Cao, Sun, Zhang, Van Gool, Timofte: SwinIR: Image Restoration Using Swin "
        "Transformer, ICCV Workshops 2021, arXiv 2108.10257",
        specs={
            "tiny": SwinIRSpec(width=12, depths=(2, 2), heads=(2, 3), window=4),
            "published": SwinIRSpec(),
        },
        sample_inputs="normalized_photographs",
        published=(PublishedWeights("(encoder)", "published", "swinir", 11_603_044, 544),),
        no_picture="features",
    ),
)
