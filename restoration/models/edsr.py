"""EDSR: super-resolution, and the features of continuous networks, by residual blocks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from restoration.models.encoder import EncoderModel, UpsamplingEncoderSpec
from restoration.models.model import PublishedWeights


@dataclass(frozen=True, kw_only=True)
class EDSRSpec(UpsamplingEncoderSpec):
    """EDSR; see `UpsamplingEncoderSpec` for the scale.

    width: channels; blocks: residual blocks (0 is allowed). residual_scale: factor of each block's
    branch. mean: how the mean color is subtracted before and added after; "none" for pictures in
    [-1, 1], as an encoder has them. Else pictures are in [0, 1]: "layers" for two layers of their
    own, as the authors publish super-resolution, "fixed" for the mean of DIV2K, as BasicSR does.
    value_range: of the pictures that the layers between see, 255 in everything published.
    """

    module: ClassVar[str] = "edsr"
    network: ClassVar[str] = "EDSR"

    width: int = 64
    blocks: int = 16
    residual_scale: float = 1.0
    mean: str = "none"
    value_range: float = 1.0

    def __post_init__(self) -> None:
        self._require_count("width")
        self._require("blocks", isinstance(self.blocks, int) and self.blocks >= 0, "at least 0")
        self._require("residual_scale", self.residual_scale > 0, "a factor above 0")
        self._require_scale()
        self._require_one_of("mean", "none", "layers", "fixed")
        self._require("scale", self.mean == "none" or self.scale > 1, "2, 3 or 4 with a mean")
        self._require("value_range", self.value_range > 0, "a number above 0, as 255")
        self._require("value_range", self.mean != "none" or self.value_range == 1, "1 without mean")

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("features",) if self.mean == "none" else ("restored",)

    @property
    def intensities(self) -> tuple[float, float]:
        return (-1.0, 1.0) if self.mean == "none" else (0.0, 1.0)

    @property
    def channels(self) -> int:
        return self.width


def _restoring(mean: str) -> dict[str, EDSRSpec]:
    """The published networks for pictures in [0, 1], by "baseline-x2" to "wide-x4"."""
    sizes = {"baseline": EDSRSpec(), "wide": EDSRSpec(width=256, blocks=32, residual_scale=0.1)}
    return {
        f"{size}-x{scale}": dataclasses.replace(spec, scale=scale, mean=mean, value_range=255.0)
        for size, spec in sizes.items()
        for scale in (2, 3, 4)
    }


_OFFICIAL = {f"official-{name}": spec for name, spec in _restoring("layers").items()}
_BASICSR = {f"basicsr-{name}": spec for name, spec in _restoring("fixed").items()}

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
            "tiny-official": EDSRSpec(width=8, blocks=2, scale=4, mean="layers", value_range=255.0),
            "tiny-basicsr": EDSRSpec(width=8, blocks=2, scale=3, mean="fixed", value_range=255.0),
            **_OFFICIAL,
            **_BASICSR,
        },
        sample_inputs="normalized_photographs",
        published=(
            PublishedWeights("(encoder)", "published", "edsr-baseline", 1_220_440, 72),
            PublishedWeights("(x2)", "published-x2", "edsr-baseline-x2", 1_369_883, 76),
            PublishedWeights("(x3)", "published-x3", "edsr-baseline-x3", 1_554_523, 76),
            PublishedWeights("(x4)", "published-x4", "edsr-baseline-x4", 1_517_595, 78),
            PublishedWeights("(wide encoder)", "published-wide", "edsr", 38_362_392, 136),
            PublishedWeights(
                "edsr_baseline_x2-1bc95232.pt",
                "official-baseline-x2",
                "edsr-baseline-official-x2",
                1_369_883,
                76,
            ),
            PublishedWeights(
                "edsr_baseline_x3-abf2a44e.pt",
                "official-baseline-x3",
                "edsr-baseline-official-x3",
                1_554_523,
                76,
            ),
            PublishedWeights(
                "edsr_baseline_x4-6b446fab.pt",
                "official-baseline-x4",
                "edsr-baseline-official-x4",
                1_517_595,
                78,
            ),
            PublishedWeights(
                "edsr_x2-0edfb8a3.pt", "official-wide-x2", "edsr-official-x2", 40_729_627, 140
            ),
            PublishedWeights(
                "edsr_x3-ea3ef2c6.pt", "official-wide-x3", "edsr-official-x3", 43_680_027, 140
            ),
            PublishedWeights(
                "edsr_x4-4f62e9ef.pt", "official-wide-x4", "edsr-official-x4", 43_089_947, 142
            ),
            PublishedWeights(
                "EDSR_Mx2_f64b16_DIV2K_official-3ba7b086.pth",
                "basicsr-baseline-x2",
                "edsr-basicsr-M-x2",
                1_369_859,
                72,
            ),
            PublishedWeights(
                "EDSR_Mx3_f64b16_DIV2K_official-6908f88a.pth",
                "basicsr-baseline-x3",
                "edsr-basicsr-M-x3",
                1_554_499,
                72,
            ),
            PublishedWeights(
                "EDSR_Mx4_f64b16_DIV2K_official-0c287733.pth",
                "basicsr-baseline-x4",
                "edsr-basicsr-M-x4",
                1_517_571,
                74,
            ),
            PublishedWeights(
                "EDSR_Lx2_f256b32_DIV2K_official-be38e77d.pth",
                "basicsr-wide-x2",
                "edsr-basicsr-L-x2",
                40_729_603,
                136,
            ),
            PublishedWeights(
                "EDSR_Lx3_f256b32_DIV2K_official-3660f70d.pth",
                "basicsr-wide-x3",
                "edsr-basicsr-L-x3",
                43_680_003,
                136,
            ),
            PublishedWeights(
                "EDSR_Lx4_f256b32_DIV2K_official-76ee1c8f.pth",
                "basicsr-wide-x4",
                "edsr-basicsr-L-x4",
                43_089_923,
                138,
            ),
        ),
        picture="features",
        no_picture="features; its specs of a scale, as official-baseline-x2, give a picture",
    ),
)
