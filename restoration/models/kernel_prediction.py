"""Blur-kernel prediction (J-MKPD): kernels and masks of a blur that varies from pixel to pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.models.model import Model, PublishedWeights
from restoration.models.spec import Spec, check_image


@dataclass(frozen=True, kw_only=True)
class KernelPredictionSpec(Spec):
    """Blur-kernel prediction, the "two heads" network of J-MKPD.

    kernels: how many kernels are mixed (K). kernel_size: their height and width, 33 or 65.
    bilinear: enlarge by bilinear resizing instead of transposed convolutions.
    widths: channels at full, half, ... sixteenth resolution.
    """

    module: ClassVar[str] = "kernel_prediction"
    network: ClassVar[str] = "KernelPrediction"
    inputs: ClassVar[tuple[str, ...]] = ("image",)
    outputs: ClassVar[tuple[str, ...]] = ("kernels", "masks")
    tiling_caveat: ClassVar[str] = "its kernels come from means over the whole image"
    smallest_side_px: ClassVar[int] = 32
    may_sit_out: ClassVar[tuple[str, ...]] = ("stem_rgb.*", "stem_gray.*")  # one of the two

    kernels: int = 25
    kernel_size: int = 33
    bilinear: bool = False
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)

    def __post_init__(self) -> None:
        self._require_count("kernels")
        self._require(
            "kernel_size",
            self.kernel_size in (33, 65),
            "33 or 65: the decoder doubles from 1 pixel",
        )
        is_widths = len(self.widths) == 5 and all(width >= 1 for width in self.widths)
        self._require("widths", is_widths, "five channel counts")

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        image = inputs["image"]
        channels = 1 if image.ndim == 4 and image.shape[1] == 1 else 3
        check_image(image, name="image", channels=channels, multiple=1, where=self.network)
        if min(image.shape[2:]) < self.smallest_side_px:
            raise InputError(
                "input 'image'",
                expected=f"sides of at least {self.smallest_side_px}, which are halved five times",
                got=f"{image.shape[2]}x{image.shape[3]}",
                where=self.network,
                next_step="extend the image first, as Model.to_inputs does",
            )


GAMMA = 2.2
"""The exponent that takes a photograph to light that adds up, as the published weights expect."""


class _KernelPrediction(Model):
    """A picture goes in as light, minus one half."""

    def _inputs(self, spec: Spec, image: np.ndarray, scale: float | None, given: Arrays) -> Arrays:
        light = image**GAMMA - np.float32(0.5)
        return super()._inputs(spec, light.astype(np.float32), scale, given)


MODELS = (
    _KernelPrediction(
        name="kernel_prediction",
        title="Kernel prediction (J-MKPD)",
        source="Carbajal, Vitoria, Lezama, Muse: Blind Motion Deblurring with Pixel-Wise Kernel "
        "Estimation via Kernel Prediction Networks, IEEE TCI 2023, arXiv 2308.02947",
        specs={
            "tiny": KernelPredictionSpec(kernels=4, widths=(4, 6, 8, 10, 12)),
            "published": KernelPredictionSpec(),
            "published-65": KernelPredictionSpec(kernel_size=65),
            "published-9": KernelPredictionSpec(kernels=9),
        },
        sample_inputs="linearized_photographs",
        published=(
            PublishedWeights("80000_kernels_network.pth", "published", "K25-33", 79_829_298, 118),
            PublishedWeights("(65 taps)", "published-65", "K25-65", 79_956_530, 126),
            PublishedWeights("(9 kernels)", "published-9", "K9-33", 79_810_834, 118),
        ),
        no_picture="blur kernels and masks, from which nimbusr_saturated restores the picture",
    ),
)
