"""LTE: a continuous picture by local Fourier features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from restoration.models.continuous import TINY_ENCODER, ContinuousSpec, continuous_model


@dataclass(frozen=True, kw_only=True)
class LTESpec(ContinuousSpec):
    """LTE.

    hidden: hidden layers of the render network. frequencies: channels of the Fourier features.
    pairing: how they are the frequencies of y and x: "interleaved", or "halves" (lte-fast).
    """

    module: ClassVar[str] = "lte"
    network: ClassVar[str] = "LTE"
    has_skip: ClassVar[bool] = True

    hidden: tuple[int, ...] = (256, 256, 256)
    chunk: int = 4096
    frequencies: int = 256
    pairing: str = "interleaved"

    def __post_init__(self) -> None:
        self._require_encoder()
        self._require("hidden", bool(self.hidden) and min(self.hidden) >= 1, "widths of layers")
        self._require_count("frequencies")
        self._require("frequencies", self.frequencies % 2 == 0, "an even number: sines and cosines")
        self._require_one_of("pairing", "interleaved", "halves")

    @property
    def neighbors(self) -> int:
        return 4


_SOURCE = (
    "Lee, Jin: Local Texture Estimator for Implicit Representation Function, CVPR 2022, "
    "arXiv 2111.08918"
)

MODELS = (
    continuous_model(
        "lte",
        title="LTE",
        source=_SOURCE,
        tiny=LTESpec(encoder=TINY_ENCODER, hidden=(12, 12), frequencies=12),
        published=lambda _name, encoder: LTESpec(encoder=encoder),
        sizes={"edsr-b": (1_714_267, 85), "rdn": (22_467_779, 309), "swinir": (12_096_871, 557)},
    ),
    continuous_model(
        "lte_fast",
        title="LTE, fast form",
        source=_SOURCE,
        tiny=LTESpec(encoder=TINY_ENCODER, hidden=(12, 12), frequencies=12, pairing="halves"),
        published=lambda _name, encoder: LTESpec(encoder=encoder, pairing="halves"),
        sizes={"edsr-b": (1_714_267, 85)},
    ),
)
