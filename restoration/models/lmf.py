"""LM-LIIF, LM-LTE, LM-CiaoSR: continuous pictures by a small network whose layers are modulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from restoration.models.continuous import TINY_ENCODER, ContinuousSpec, continuous_model

MODULATIONS = ("scale and shift", "scale", "shift", "none")


@dataclass(frozen=True, kw_only=True)
class ModulatedSpec(ContinuousSpec):
    """Base of the LMF models: a small network per pixel renders, its layers modulated.

    width, depth: of the render network's hidden layers. latent_width: hidden layer of the network
    that gives the modulations. ensemble: blend the four pixels around a query, else the nearest.
    modulation: one of MODULATIONS. compress: the modulating network also gives the code that the
    render network starts from, instead of the features.

    Class variable `strength_steps`: in how many steps the authors try strengths of modulation
    from 0 to 1 for the tables of multi-scale rendering.
    """

    strength_steps: ClassVar[int] = 200

    width: int = 16
    depth: int = 8
    latent_width: int = 288
    ensemble: bool = True
    modulation: str = "scale and shift"
    compress: bool = True

    @property
    def neighbors(self) -> int:
        return 4 if self.ensemble else 1

    @property
    def modulations(self) -> int:
        """How many numbers modulate the render network at a pixel."""
        kinds = {"scale and shift": 2, "scale": 1, "shift": 1, "none": 0}[self.modulation]
        return kinds * self.width * self.depth

    def _require_modulation(self) -> None:
        self._require_encoder()
        self._require_count("width", "depth", "latent_width")
        self._require_one_of("modulation", *MODULATIONS)
        self._require(
            "compress",
            self.compress or self.modulation != "none",
            "True without modulation: else the modulating network has nothing to give",
        )


@dataclass(frozen=True, kw_only=True)
class LMLIIFSpec(ModulatedSpec):
    """LM-LIIF; see `ModulatedSpec`.

    unfold: the modulating network sees each pixel's 3x3 neighborhood. cell: both networks are told
    the size of an output pixel.
    """

    module: ClassVar[str] = "lmf"
    network: ClassVar[str] = "LMLIIF"

    strength_steps: ClassVar[int] = 100

    depth: int = 6
    latent_width: int = 208
    unfold: bool = True
    cell: bool = True

    def __post_init__(self) -> None:
        self._require_modulation()


@dataclass(frozen=True, kw_only=True)
class LMLTESpec(ModulatedSpec):
    """LM-LTE; see `ModulatedSpec`.

    frequencies: channels of the Fourier features that give the modulations. cell: the phase is
    told the size of an output pixel.
    """

    module: ClassVar[str] = "lmf"
    network: ClassVar[str] = "LMLTE"
    has_skip: ClassVar[bool] = True

    frequencies: int = 128
    cell: bool = True

    def __post_init__(self) -> None:
        self._require_modulation()
        self._require_count("frequencies")
        self._require("frequencies", self.frequencies % 2 == 0, "an even number: sines and cosines")
        self._require("width", self.width % 2 == 0, "an even number: sines and cosines")


@dataclass(frozen=True, kw_only=True)
class LMCiaoSRSpec(ModulatedSpec):
    """LM-CiaoSR; see `ModulatedSpec`; the ensemble is also the attention over four neighbors.

    hidden: hidden layer of the networks for queries, keys and values. scale: of the attention
    across scales, 2, 3 or 4. temperature: what the logits of the attention over neighbors are
    divided by. as_published: keep two faults that the published weights were trained with, the 3x3
    neighborhood's channels cut as if they came place by place, and the neighbors' offset divided
    by the size twice, which leaves nearly nothing of it; False corrects both, for training anew.
    """

    module: ClassVar[str] = "lmf"
    network: ClassVar[str] = "LMCiaoSR"
    has_skip: ClassVar[bool] = True

    hidden: int = 256
    scale: int = 2
    temperature: float = 1.0
    as_published: bool = True

    def __post_init__(self) -> None:
        self._require_modulation()
        self._require_count("hidden")
        self._require("scale", self.scale in (2, 3, 4), "2, 3 or 4")
        self._require("temperature", self.temperature > 0, "a number above 0")

    @property
    def smallest_side_px(self) -> int:
        return max(self.encoder.smallest_side_px, self.scale // 2 + 1)


_SOURCE = (
    "He, Jin: Latent Modulated Function for Computational Optimal Continuous Image "
    "Representation, CVPR 2024, arXiv 2404.16451"
)

MODELS = (
    continuous_model(
        "lm_liif",
        title="LM-LIIF",
        source=_SOURCE,
        tiny=LMLIIFSpec(encoder=TINY_ENCODER, width=8, depth=3, latent_width=12),
        published=lambda name, encoder: LMLIIFSpec(
            encoder=encoder, depth=8 if name == "swinir" else 6
        ),
        sizes={"edsr-b": (1_386_091, 90), "rdn": (22_139_603, 314), "swinir": (11_782_615, 566)},
    ),
    continuous_model(
        "lm_lte",
        title="LM-LTE",
        source=_SOURCE,
        tiny=LMLTESpec(encoder=TINY_ENCODER, frequencies=12, width=8, depth=3, latent_width=12),
        published=lambda _name, encoder: LMLTESpec(encoder=encoder),
        sizes={"edsr-b": (1_490_907, 100), "rdn": (22_244_419, 324), "swinir": (11_873_511, 572)},
    ),
    continuous_model(
        "lm_ciaosr",
        title="LM-CiaoSR",
        source=_SOURCE,
        tiny=LMCiaoSRSpec(encoder=TINY_ENCODER, width=6, depth=3, latent_width=8, hidden=8),
        published=lambda _name, encoder: LMCiaoSRSpec(encoder=encoder),
        sizes={"edsr-b": (1_955_438, 118), "rdn": (22_708_950, 342), "swinir": (12_338_042, 590)},
    ),
)
