"""LIIF: a continuous picture by an MLP over features and relative places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from restoration.models.continuous import TINY_ENCODER, ContinuousSpec, continuous_model


@dataclass(frozen=True, kw_only=True)
class LIIFSpec(ContinuousSpec):
    """LIIF.

    hidden: hidden layers of the render network. ensemble, unfold, cell: as in `LMLIIFSpec`.
    """

    module: ClassVar[str] = "liif"
    network: ClassVar[str] = "LIIF"

    hidden: tuple[int, ...] = (256, 256, 256, 256)
    chunk: int = 4096
    ensemble: bool = True
    unfold: bool = True
    cell: bool = True

    def __post_init__(self) -> None:
        self._require_encoder()
        self._require("hidden", bool(self.hidden) and min(self.hidden) >= 1, "widths of layers")

    @property
    def neighbors(self) -> int:
        return 4 if self.ensemble else 1


MODELS = (
    continuous_model(
        "liif",
        title="LIIF",
        source="Chen, Liu, Wang: Learning Continuous Image Representation with Local Implicit "
        "Image Function, CVPR 2021, arXiv 2012.09161",
        tiny=LIIFSpec(encoder=TINY_ENCODER, hidden=(12, 12)),
        published=lambda _name, encoder: LIIFSpec(encoder=encoder),
        sizes={"edsr-b": (1_567_323, 82), "rdn": (22_320_835, 306), "swinir": (11_949_927, 554)},
    ),
)
