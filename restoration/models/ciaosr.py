"""CiaoSR: a continuous picture by attention within attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.models.continuous import (
    NUDGE,
    TINY_ENCODER,
    ContinuousSpec,
    continuous_model,
    nearest_pixels,
    signs,
)


@dataclass(frozen=True, kw_only=True)
class CiaoSRSpec(ContinuousSpec):
    """CiaoSR.

    hidden: hidden layers of each of the three networks. reach: 1, 2 or 3 neighbors along an axis.
    scales: of the attention across scales, some of 2, 3 and 4, or none. temperature: what the
    logits of the attention over neighbors are divided by.
    """

    module: ClassVar[str] = "ciaosr"
    network: ClassVar[str] = "CiaoSR"
    has_skip: ClassVar[bool] = True

    hidden: tuple[int, ...] = (256, 256, 256, 256)
    reach: int = 2
    scales: tuple[int, ...] = (2,)
    temperature: float = 1.0
    chunk: int = 4096

    def __post_init__(self) -> None:
        self._require_encoder()
        self._require("hidden", bool(self.hidden) and min(self.hidden) >= 1, "widths of layers")
        self._require("reach", self.reach in (1, 2, 3), "1, 2 or 3")
        self._require("scales", set(self.scales) <= {2, 3, 4}, "some of 2, 3 and 4")
        self._require("temperature", self.temperature > 0, "a number above 0")

    @property
    def smallest_side_px(self) -> int:
        # Neighbors lie in steps of the distance between the centers of the outer pixels.
        attended = max(self.scales, default=1) // 2 + 1
        return max(self.encoder.smallest_side_px, attended, 2)

    @property
    def neighbors(self) -> int:
        return self.reach**2

    @property
    def lookups(self) -> int:
        return self.neighbors + 1 + 4

    @property
    def weights(self) -> int:
        return 4

    def look(
        self, coord: np.ndarray, cell: np.ndarray, size: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The pixels that a query attends to, and the nearest one; no weights."""
        steps = {1: signs(0), 2: signs(-1, 1), 3: signs(-1, 0, 1)}[self.reach]
        radius = (1 - cell[:, None, None, :]) / (size - 1)
        shift = np.where(steps[:, None] == 0, 0, steps[:, None] * radius + NUDGE)
        index, offset = nearest_pixels(coord[:, None] + shift, coord, size)
        center, _ = nearest_pixels(coord[:, None], coord, size, is_clamped=False)
        none = np.ones((len(coord), 0, coord.shape[1]))
        return np.concatenate([index, center], axis=1), offset, none


MODELS = (
    continuous_model(
        "ciaosr",
        title="CiaoSR",
        source="Cao et al.: CiaoSR: Continuous Implicit Attention-in-Attention Network for "
        "Arbitrary-Scale Image Super-Resolution, CVPR 2023, arXiv 2212.04362",
        tiny=CiaoSRSpec(encoder=TINY_ENCODER, hidden=(10, 10)),
        published=lambda _name, encoder: CiaoSRSpec(encoder=encoder),
        sizes={"edsr-b": (2_649_054, 114), "rdn": (23_402_566, 338), "swinir": (13_031_658, 586)},
    ),
)
