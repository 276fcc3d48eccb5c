"""The one list of models: name, paper, specs, and the weights that were published for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from restoration import examples
from restoration.errors import unknown_name
from restoration.specs import (
    KernelPredictionSpec,
    MimoUnetSpec,
    NimbusrSpec,
    PhaseformerSpec,
    PwcFlowSpec,
    SelfBlindVsrSpec,
    Spec,
    SpectroformerSpec,
)


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

_SELF_BLIND_TINY = SelfBlindVsrSpec(width=8, feature_blocks=1, blocks=1)

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
    Model(
        name="phaseformer",
        title="Phaseformer",
        source="Khan, Negi, Kulkarni, Phutke, Vipparthi, Murala: Phaseformer: Phase-based "
        "Attention Mechanism for Underwater Image Restoration and Beyond, WACV 2025, "
        "arXiv 2412.01456",
        specs={
            "tiny": PhaseformerSpec(blocks=(1, 1, 1, 1), hidden=(24, 48, 96, 192), refinement=1),
            "published": PhaseformerSpec(),
        },
        example=examples.blurred_photographs,
        published=(PublishedWeights("best.pth", "published", "phaseformer", 1_783_800, 282),),
    ),
    Model(
        name="spectroformer",
        title="Spectroformer",
        source="Khan, Mishra, Mehta, Phutke, Vipparthi, Nandi, Murala: Spectroformer: Multi-Domain "
        "Query Cascaded Transformer Network for Underwater Image Enhancement, WACV 2024",
        specs={
            "tiny": SpectroformerSpec(blocks=(1, 1, 1, 1), hidden=(24, 48, 96, 192), refinement=1),
            "published": SpectroformerSpec(),
        },
        example=examples.blurred_photographs,
        published=(
            PublishedWeights(
                "netG_model_epoch_533.pth", "published", "final_model_AGSSF1", 2_530_193, 503
            ),
        ),
    ),
    Model(
        name="pwc_flow",
        title="PWC-Net optical flow",
        source="Sun, Yang, Liu, Kautz: PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and "
        "Cost Volume, CVPR 2018, arXiv 1709.02371",
        specs={"tiny": PwcFlowSpec(), "published": PwcFlowSpec()},
        example=examples.moving_pair,
        published=(
            PublishedWeights(
                "network-default.pytorch", "published", "network-default", 9_374_274, 126
            ),
        ),
    ),
    Model(
        name="self_blind_vsr",
        title="Self-Blind-VSR",
        source="Bai, Pan: Self-Supervised Deep Blind Video Super-Resolution, IEEE TPAMI 2024, "
        "arXiv 2201.07422",
        specs={
            "tiny": _SELF_BLIND_TINY,
            "tiny-train": dataclasses.replace(_SELF_BLIND_TINY, mode="train"),
            "tiny-val": dataclasses.replace(_SELF_BLIND_TINY, mode="val"),
            "published": SelfBlindVsrSpec(),
            "published-train": SelfBlindVsrSpec(mode="train"),
            "published-val": SelfBlindVsrSpec(mode="val"),
        },
        example=examples.moving_clip,
        published=tuple(
            PublishedWeights(f"{name}.pt", "published", name, 18_900_215, 272)
            for name in ("self_blind_vsr_gaussian", "self_blind_vsr_realistic")
        ),
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
