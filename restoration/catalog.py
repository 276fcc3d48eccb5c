"""The one list of models: name, paper, specs, and the weights that were published for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from restoration import examples
from restoration.errors import unknown_name
from restoration.specs import KernelPredictionSpec, LmdVitSpec, MimoUnetSpec, NimbusrSpec, Spec


@dataclass(frozen=True)
class PublishedWeights:
    """A checkpoint that the authors distribute.

    file: its name on their download page. spec: which of the model's specs it belongs to.
    layout: the key of its table in `tests/golden/full/<model>.json`.
    """

    file: str
    spec: str
    layout: str
    parameters: int
    entries: int


@dataclass(frozen=True)
class Model:
    """A model that the suite implements in every framework.

    specs: named hyper-parameters; every model has "tiny" (tests, quick parity) and "published".
    example: builds the inputs of a parity run from real photographs:
        (spec, height_px, width_px, photographs, seed) -> {input name: float32 array}.
    """

    name: str
    title: str
    source: str
    specs: Mapping[str, Spec]
    example: Callable[..., dict[str, np.ndarray]]
    published: tuple[PublishedWeights, ...] = ()

    def spec(self, name: str) -> Spec:
        """A spec of this model by its name.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.specs:
            raise unknown_name(f"spec of {self.name}", name, self.specs, where="--spec")
        return self.specs[name]


_MIMO_SOURCE = (
    "Cho, Ji, Hong, Jung, Ko: Rethinking Coarse-to-Fine Approach in Single Image Deblurring, "
    "ICCV 2021, arXiv 2108.05054"
)

_NIMBUSR_TINY = NimbusrSpec(iterations=2, hyper_width=8, widths=(8, 8, 12, 16), blocks=1)

_MODELS = (
    Model(
        name="mimo_unet",
        title="MIMO-UNet",
        source=_MIMO_SOURCE,
        specs={"tiny": MimoUnetSpec(width=8, blocks=1), "published": MimoUnetSpec()},
        example=examples.blurred_photographs,
        published=(PublishedWeights("MIMO-UNet.pkl", "published", "MIMO-UNet", 6_807_171, 244),),
    ),
    Model(
        name="mimo_unet_plus",
        title="MIMO-UNet+",
        source=_MIMO_SOURCE,
        specs={
            "tiny": MimoUnetSpec(width=8, blocks=2, skip_dropout=0.1),
            "published": MimoUnetSpec(blocks=20, skip_dropout=0.1),
        },
        example=examples.blurred_photographs,
        published=(
            PublishedWeights("MIMO-UNetPlus.pkl", "published", "MIMO-UNet+", 16_107_651, 532),
        ),
    ),
    Model(
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
        example=examples.linearised_photographs,
        published=(
            PublishedWeights("80000_kernels_network.pth", "published", "K25-33", 79_829_298, 118),
            PublishedWeights("(65 taps)", "published-65", "K25-65", 79_956_530, 126),
            PublishedWeights("(9 kernels)", "published-9", "K9-33", 79_810_834, 118),
        ),
    ),
    Model(
        name="lmd_vit",
        title="LMD-ViT",
        source="Li, Zhao, Zhou, Feng, Li, Loy: Adaptive Window Pruning for Efficient Local Motion "
        "Deblurring, ICLR 2024, arXiv 2306.14268",
        specs={
            "tiny": LmdVitSpec(
                width=4,
                window=4,
                mlp_ratio=2.0,
                depths=(1, 2, 3, 1, 1, 1, 1, 2, 1),
                heads=(1, 2, 4, 4, 8, 4, 2, 4, 2),
            ),
            "published": LmdVitSpec(),
            "low_memory": LmdVitSpec(width=16, mlp_ratio=2.0, depths=(1, 1, 2, 2, 1, 2, 2, 1, 1)),
        },
        example=examples.blurred_photographs,
        published=(PublishedWeights("model_LMDVIT.pth", "published", "LMD-ViT", 54_549_163, 951),),
    ),
    Model(
        name="nimbusr",
        title="NIMBUSR",
        source="Laroche, Almansa, Tassano: Deep Model-Based Super-Resolution with Non-uniform "
        "Blur, WACV 2023, arXiv 2204.10109",
        specs={"tiny": _NIMBUSR_TINY, "published": NimbusrSpec()},
        example=examples.varying_blur,
        published=(PublishedWeights("80000_G.pth", "published", "NIMBUSR", 17_016_731, 42),),
    ),
    Model(
        name="nimbusr_saturated",
        title="NIMBUSR for saturated images",
        source="Carbajal, Vitoria, Lezama, Muse, IEEE TCI 2023, arXiv 2308.02947",
        specs={
            "tiny": dataclasses.replace(_NIMBUSR_TINY, saturation=True),
            "published": NimbusrSpec(saturation=True),
        },
        example=examples.varying_blur,
        published=(PublishedWeights("80000_G.pth", "published", "NIMBUSRforSI", 17_016_731, 42),),
    ),
)

MODELS: Mapping[str, Model] = {model.name: model for model in _MODELS}


def find(name: str) -> Model:
    """A model by its name.

    Raises:
        InputError: there is none of that name; the text suggests the nearest.
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS, where="restoration/catalog.py")
    return MODELS[name]
