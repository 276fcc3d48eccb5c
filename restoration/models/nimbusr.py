"""NIMBUSR: restoration and super-resolution from known, spatially varying blur."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.images import tiling
from restoration.models.laws import Rule, Rules
from restoration.models.model import Model, PublishedWeights
from restoration.models.spec import Spec, check_image


@dataclass(frozen=True, kw_only=True)
class NIMBUSRSpec(Spec):
    """NIMBUSR, restoration from known, spatially varying blur.

    iterations: of the unrolled algorithm. hyper_width: channels of the network that gives its step
    sizes. widths: of the prior at full, half, quarter, eighth resolution; blocks: residual blocks
    per stage of the prior. activation: "relu" or "leaky_relu" (slope 0.2). downsample:
    "strideconv", "avgpool" or "maxpool". upsample: "convtranspose", "pixelshuffle" or "upconv".
    scale: how much larger the result is than the image. saturation: take a sensor into account that
    saturates at 1 (scale 1 only).
    """

    module: ClassVar[str] = "nimbusr"
    initialization: ClassVar[Mapping[str, Rules]] = {
        "orthogonal": (Rule("*.weight", "orthogonal"), Rule("*.bias", "zeros"))
    }
    network: ClassVar[str] = "NIMBUSR"
    inputs: ClassVar[tuple[str, ...]] = ("image", "masks", "kernels", "sigma")
    outputs: ClassVar[tuple[str, ...]] = ("restored",)
    tiling_caveat: ClassVar[str] = "its data step deconvolves the whole image at once"
    required_inputs: ClassVar[int] = 4

    iterations: int = 8
    hyper_width: int = 64
    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: int = 2
    activation: str = "relu"
    downsample: str = "strideconv"
    upsample: str = "convtranspose"
    scale: int = 1
    saturation: bool = False

    @property
    def magnification(self) -> int:
        return self.scale

    def __post_init__(self) -> None:
        self._require_count("iterations", "hyper_width", "blocks", "scale")
        is_widths = len(self.widths) == 4 and all(width >= 1 for width in self.widths)
        self._require("widths", is_widths, "four channel counts")
        self._require_one_of("activation", "relu", "leaky_relu")
        self._require_one_of("downsample", "strideconv", "avgpool", "maxpool")
        self._require_one_of("upsample", "convtranspose", "pixelshuffle", "upconv")
        self._require(
            "scale",
            self.scale == 1 or not self.saturation,
            "1 with saturation: the saturated data step knows no sampling",
        )

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        image, masks, kernels, sigma = (inputs[name] for name in self.inputs)
        check_image(image, name="image", channels=3, multiple=1, where=self.network)
        n, height, width = image.shape[0], self.scale * image.shape[2], self.scale * image.shape[3]
        count = masks.shape[1] if masks.ndim == 4 else 0
        size = kernels.shape[-1] if kernels.ndim == 4 else 0
        self._require_shape("masks", masks, (n, count or "P", height, width))
        self._require_shape("kernels", kernels, (n, count, size or "k", size or "k"))
        self._require_shape("sigma", sigma, (n, 1, 1, 1))
        reach = min(height, width)
        if size % 2 == 0 or size // 2 > reach:
            raise InputError(
                "input 'kernels'",
                expected=f"an odd size, half of it at most {reach}, the image's shorter side",
                got=str(size),
                where=self.network,
                next_step="pad the kernels with zeros, or take a larger image",
            )
        if sigma.min() < 0:
            raise InputError(
                "input 'sigma'",
                expected="standard deviations of at least 0",
                got=str(float(sigma.min())),
                where=self.network,
                next_step="0 stands for an image without noise",
            )


class _NIMBUSR(Model):
    """A picture goes in with its masks, which are extended as it is."""

    def _inputs(self, spec: Spec, image: np.ndarray, scale: float | None, given: Arrays) -> Arrays:
        assert isinstance(spec, NIMBUSRSpec)
        reach = -(-(given["kernels"].shape[-1] // 2) // spec.scale)
        extended = tiling.pad_to_multiple(image, 1, reach)
        height, width = (spec.scale * size for size in extended.shape[2:])
        masks = tiling.extend(given["masks"], height, width)
        return {"sigma": published_noise(len(image)), **given, "image": extended, "masks": masks}


def published_noise(count: int) -> np.ndarray:
    """The noise that the published weights are run with, one value per picture."""
    return np.full((count, 1, 1, 1), 0.01, np.float32)


_TINY = NIMBUSRSpec(iterations=2, hyper_width=8, widths=(8, 8, 12, 16), blocks=1)
_NEEDS = {
    "kernels": "(n, P, k, k), each summing to one",
    "masks": "(n, P, h, w) of the result's size, summing to one over P",
}

MODELS = (
    _NIMBUSR(
        name="nimbusr",
        title="NIMBUSR",
        source="Laroche, Almansa, Tassano: Deep Model-Based Super-Resolution with Non-uniform "
        "Blur, WACV 2023, arXiv 2204.10109",
        specs={"tiny": _TINY, "published": NIMBUSRSpec()},
        sample_inputs="varying_blur",
        published=(PublishedWeights("80000_G.pth", "published", "NIMBUSR", 17_016_731, 42),),
        picture="restored",
        needs=_NEEDS,
    ),
    _NIMBUSR(
        name="nimbusr_saturated",
        title="NIMBUSR for saturated images",
        source="Carbajal, Vitoria, Lezama, Muse, IEEE TCI 2023, arXiv 2308.02947",
        specs={
            "tiny": dataclasses.replace(_TINY, saturation=True),
            "published": NIMBUSRSpec(saturation=True),
        },
        sample_inputs="varying_blur",
        published=(PublishedWeights("80000_G.pth", "published", "NIMBUSRforSI", 17_016_731, 42),),
        picture="restored",
        needs=_NEEDS,
    ),
)
