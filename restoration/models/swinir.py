"""SwinIR: restoration, and the features of continuous networks, by attention in shifted windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from restoration.errors import InputError
from restoration.models.encoder import MEAN, EncoderModel, EncoderSpec
from restoration.models.laws import Rule, Rules
from restoration.models.model import PublishedWeights

_SCALES = {
    "features": (1,),
    "pixelshuffle": (2, 3, 4, 8),
    "pixelshuffledirect": (2, 3, 4),
    "nearest+conv": (2, 4),
    "residual": (1,),
}
"""Scales that a head can have."""


@dataclass(frozen=True, kw_only=True)
class SwinIRSpec(EncoderSpec):
    """SwinIR.

    width: channels of the tokens. depths, heads: blocks and attention heads of each group. window:
    side of the attention's windows. mlp_ratio: how much wider an MLP's hidden layer is. merge:
    "1conv" or "3conv", what ends a group. drop_path: probability that the last block is left out in
    training; those before it less. keep_padding: give features as large as the image extended to
    multiples of the window, as the authors' code does, which then places them wrongly; only to
    reproduce it.

    head: what follows the body. "features" for an encoder, of pictures in [-1, 1]. The others are
    those of the published networks, of pictures in [0, 1]: "pixelshuffle" (classical
    super-resolution), "pixelshuffledirect" (lightweight), "nearest+conv" (real-world), and
    "residual", which adds what it finds to the picture (denoising, JPEG). scale: how much a head
    enlarges. image_channels: 3, or 1 for gray pictures. value_range: of the pictures that the body
    sees; 255 in the networks for JPEG. features: channels before the end of a head that has such
    layers, and of an encoder. trained_px: side of the images trained on; nothing depends on it but
    the size of the masks in a published file.
    """

    module: ClassVar[str] = "swinir"
    initialization: ClassVar[Mapping[str, Rules]] = {
        "": (
            Rule("*.relative_bias.weight", "truncated_normal"),
            Rule("*groups.*.weight", "truncated_normal", axes=2),
            Rule("*groups.*.bias", "zeros", axes=2),
        )
    }
    network: ClassVar[str] = "SwinIR"

    width: int = 180
    depths: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    heads: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    window: int = 8
    mlp_ratio: float = 2.0
    merge: str = "1conv"
    drop_path: float = 0.1
    keep_padding: bool = False
    head: str = "features"
    scale: int = 1
    image_channels: int = 3  # type: ignore[misc]
    value_range: float = 1.0
    features: int = 64
    trained_px: int = 48

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
        self._require_count("features", "trained_px")
        self._require_one_of("head", *_SCALES)
        scales = _SCALES[self.head]
        expected = f"{' or '.join(map(str, scales))} with {self.head!r}"
        self._require("scale", self.scale in scales, expected)
        self._require("image_channels", self.image_channels in (1, 3), "3, or 1 for gray pictures")
        self._require("value_range", self.value_range > 0, "a number above 0, as 255")
        if self.gives_features:
            self._require("image_channels", self.image_channels == 3, "3 with 'features'")
            self._require("value_range", self.value_range == 1, "1 with 'features'")
        else:
            self._require("keep_padding", not self.keep_padding, f"False with {self.head!r}")

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("features",) if self.gives_features else ("restored",)

    @property
    def gives_features(self) -> bool:
        return self.head == "features"

    @property
    def intensities(self) -> tuple[float, float]:
        return (-1.0, 1.0) if self.gives_features else (0.0, 1.0)

    @property
    def mean(self) -> tuple[float, ...]:
        """The color that a head subtracts before and adds after."""
        return MEAN if self.image_channels == 3 else (0.0,)

    @property
    def magnification(self) -> int:
        return self.scale

    @property
    def factors(self) -> tuple[int, ...]:
        """By how much each pixel shuffle of the head enlarges."""
        if self.head == "pixelshuffle":
            return {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}[self.scale]
        return (self.scale,) if self.head == "pixelshuffledirect" else ()

    @property
    def doublings(self) -> int:
        """How often the head doubles pixels."""
        return {2: 1, 4: 2}[self.scale] if self.head == "nearest+conv" else 0

    @property
    def channels(self) -> int:
        return self.features

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


_TINY = SwinIRSpec(width=12, depths=(2, 2), heads=(2, 3), window=4)
_SMALL = SwinIRSpec(width=60, depths=(6,) * 4, heads=(6,) * 4, trained_px=64)


def _tiny(**values: Any) -> SwinIRSpec:
    return replace(_TINY, features=8, **values)


_SPECS = {
    "tiny": _TINY,
    "published": SwinIRSpec(),
    "tiny-classical": _tiny(head="pixelshuffle", scale=4),
    "tiny-lightweight": _tiny(head="pixelshuffledirect", scale=3),
    "tiny-real": _tiny(head="nearest+conv", scale=4, merge="3conv"),
    "tiny-denoise-gray": _tiny(head="residual", image_channels=1),
    "tiny-jpeg-color": replace(
        _tiny(head="residual", value_range=255.0), width=6, heads=(2, 3), window=7
    ),
    **{
        f"{name}-x{scale}": SwinIRSpec(head="pixelshuffle", scale=scale, trained_px=side)
        for name, side in (("classical", 64), ("classical-div2k", 48))
        for scale in (2, 3, 4, 8)
    },
    **{
        f"lightweight-x{scale}": replace(_SMALL, head="pixelshuffledirect", scale=scale)
        for scale in (2, 3, 4)
    },
    **{
        f"real-x{scale}": SwinIRSpec(head="nearest+conv", scale=scale, trained_px=64)
        for scale in (2, 4)
    },
    "real-large-x4": SwinIRSpec(
        width=240,
        depths=(6,) * 9,
        heads=(8,) * 9,
        merge="3conv",
        head="nearest+conv",
        scale=4,
        trained_px=64,
    ),
    **{
        f"{name}-{color}": SwinIRSpec(
            head="residual",
            image_channels=channels,
            window=window,
            value_range=value_range,
            trained_px=side,
        )
        for name, window, value_range, side in (("denoise", 8, 1.0, 128), ("jpeg", 7, 255.0, 126))
        for color, channels in (("gray", 1), ("color", 3))
    },
}

_PUBLISHED = (
    PublishedWeights("(encoder)", "published", "swinir", 11_603_044, 544),
    PublishedWeights(
        "001_classicalSR_DF2K_s64w8_SwinIR-M_x2.pth",
        "classical-x2",
        "swinir-classical-s64-x2",
        11_752_487,
        548,
    ),
    PublishedWeights(
        "001_classicalSR_DF2K_s64w8_SwinIR-M_x3.pth",
        "classical-x3",
        "swinir-classical-s64-x3",
        11_937_127,
        548,
    ),
    PublishedWeights(
        "001_classicalSR_DF2K_s64w8_SwinIR-M_x4.pth",
        "classical-x4",
        "swinir-classical-s64-x4",
        11_900_199,
        550,
    ),
    PublishedWeights(
        "001_classicalSR_DF2K_s64w8_SwinIR-M_x8.pth",
        "classical-x8",
        "swinir-classical-s64-x8",
        12_047_911,
        552,
    ),
    PublishedWeights(
        "001_classicalSR_DIV2K_s48w8_SwinIR-M_x2.pth",
        "classical-div2k-x2",
        "swinir-classical-s48-x2",
        11_752_487,
        548,
    ),
    PublishedWeights(
        "001_classicalSR_DIV2K_s48w8_SwinIR-M_x3.pth",
        "classical-div2k-x3",
        "swinir-classical-s48-x3",
        11_937_127,
        548,
    ),
    PublishedWeights(
        "001_classicalSR_DIV2K_s48w8_SwinIR-M_x4.pth",
        "classical-div2k-x4",
        "swinir-classical-s48-x4",
        11_900_199,
        550,
    ),
    PublishedWeights(
        "001_classicalSR_DIV2K_s48w8_SwinIR-M_x8.pth",
        "classical-div2k-x8",
        "swinir-classical-s48-x8",
        12_047_911,
        552,
    ),
    PublishedWeights(
        "002_lightweightSR_DIV2K_s64w8_SwinIR-S_x2.pth",
        "lightweight-x2",
        "swinir-lightweight-x2",
        910_152,
        366,
    ),
    PublishedWeights(
        "002_lightweightSR_DIV2K_s64w8_SwinIR-S_x3.pth",
        "lightweight-x3",
        "swinir-lightweight-x3",
        918_267,
        366,
    ),
    PublishedWeights(
        "002_lightweightSR_DIV2K_s64w8_SwinIR-S_x4.pth",
        "lightweight-x4",
        "swinir-lightweight-x4",
        929_628,
        366,
    ),
    PublishedWeights(
        "003_realSR_BSRGAN_DFO_s64w8_SwinIR-M_x2_GAN.pth",
        "real-x2",
        "swinir-real-M-x2",
        11_678_631,
        550,
    ),
    PublishedWeights(
        "003_realSR_BSRGAN_DFO_s64w8_SwinIR-M_x4_GAN.pth",
        "real-x4",
        "swinir-real-M-x4",
        11_715_559,
        552,
    ),
    PublishedWeights(
        "003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN.pth",
        "real-large-x4",
        "swinir-real-L-x4",
        28_013_059,
        859,
    ),
    PublishedWeights(
        "004_grayDN_DFWB_s128w8_SwinIR-M_noise25.pth",
        "denoise-gray",
        "swinir-denoise-gray",
        11_497_681,
        544,
    ),
    PublishedWeights(
        "005_colorDN_DFWB_s128w8_SwinIR-M_noise25.pth",
        "denoise-color",
        "swinir-denoise-color",
        11_504_163,
        544,
    ),
    PublishedWeights(
        "006_CAR_DFWB_s126w7_SwinIR-M_jpeg40.pth", "jpeg-gray", "swinir-jpeg-gray", 11_485_585, 544
    ),
    PublishedWeights(
        "006_colorCAR_DFWB_s126w7_SwinIR-M_jpeg40.pth",
        "jpeg-color",
        "swinir-jpeg-color",
        11_492_067,
        544,
    ),
)


MODELS = (
    EncoderModel(
        name="swinir",
        title="SwinIR",
        source="Liang, Cao, Sun, Zhang, Van Gool, Timofte: SwinIR: Image Restoration Using Swin "
        "Transformer, ICCV Workshops 2021, arXiv 2108.10257",
        specs=_SPECS,
        sample_inputs="normalized_photographs",
        published=_PUBLISHED,
        picture="restored",
        no_picture="features; its specs of a task, as classical-x4, give a picture",
    ),
)
