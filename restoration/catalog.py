"""The one list of models: name, paper, specs, and the weights that were published for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from restoration import examples
from restoration.errors import unknown_name
from restoration.specs import (
    CiaosrSpec,
    ContinuousSpec,
    EdsrSpec,
    EncoderSpec,
    KernelPredictionSpec,
    LiifSpec,
    LmCiaosrSpec,
    LmdVitSpec,
    LmLiifSpec,
    LmLteSpec,
    LteSpec,
    MimoUnetSpec,
    NimbusrSpec,
    PhaseformerSpec,
    PwcFlowSpec,
    RdnSpec,
    SelfBlindVsrSpec,
    Spec,
    SpectroformerSpec,
    SwinirSpec,
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

_ENCODERS: Mapping[str, EncoderSpec] = {
    "edsr-b": EdsrSpec(),
    "rdn": RdnSpec(),
    "swinir": SwinirSpec(),
}
_TINY_EDSR = EdsrSpec(width=8, blocks=1)
_LMF_SOURCE = (
    "He, Jin: Latent Modulated Function for Computational Optimal Continuous Image "
    "Representation, CVPR 2024, arXiv 2404.16451"
)


def _continuous(
    name: str,
    *,
    title: str,
    source: str,
    tiny: ContinuousSpec,
    published: Mapping[str, ContinuousSpec],
    sizes: Mapping[str, tuple[int, int]],
) -> Model:
    """A continuous network over EDSR-baseline ("published"), RDN and SwinIR.

    sizes: numbers of parameters and of entries of the checkpoint over each encoder.
    """
    spec_names = {"edsr-b": "published", "rdn": "published-rdn", "swinir": "published-swinir"}
    label = name.replace("lm_", "lm").replace("_", "-")
    return Model(
        name=name,
        title=title,
        source=source,
        specs={"tiny": tiny} | {spec_names[encoder]: spec for encoder, spec in published.items()},
        example=examples.enlarged_photographs,
        published=tuple(
            PublishedWeights(
                f"{encoder}_{label}/epoch-last.pth",
                spec_names[encoder],
                f"{encoder}_{label}",
                *sizes[encoder],
            )
            for encoder in published
        ),
    )


_CONTINUOUS = (
    _continuous(
        "lm_liif",
        title="LM-LIIF",
        source=_LMF_SOURCE,
        tiny=LmLiifSpec(encoder=_TINY_EDSR, width=8, depth=3, latent_width=12),
        published={
            name: LmLiifSpec(encoder=encoder, depth=8 if name == "swinir" else 6)
            for name, encoder in _ENCODERS.items()
        },
        sizes={"edsr-b": (1_386_091, 90), "rdn": (22_139_603, 314), "swinir": (11_782_615, 566)},
    ),
    _continuous(
        "lm_lte",
        title="LM-LTE",
        source=_LMF_SOURCE,
        tiny=LmLteSpec(encoder=_TINY_EDSR, frequencies=12, width=8, depth=3, latent_width=12),
        published={name: LmLteSpec(encoder=encoder) for name, encoder in _ENCODERS.items()},
        sizes={"edsr-b": (1_490_907, 100), "rdn": (22_244_419, 324), "swinir": (11_873_511, 572)},
    ),
    _continuous(
        "lm_ciaosr",
        title="LM-CiaoSR",
        source=_LMF_SOURCE,
        tiny=LmCiaosrSpec(encoder=_TINY_EDSR, width=6, depth=3, latent_width=8, hidden=8),
        published={name: LmCiaosrSpec(encoder=encoder) for name, encoder in _ENCODERS.items()},
        sizes={"edsr-b": (1_955_438, 118), "rdn": (22_708_950, 342), "swinir": (12_338_042, 590)},
    ),
    _continuous(
        "liif",
        title="LIIF",
        source="Chen, Liu, Wang: Learning Continuous Image Representation with Local Implicit "
        "Image Function, CVPR 2021, arXiv 2012.09161",
        tiny=LiifSpec(encoder=_TINY_EDSR, hidden=(12, 12)),
        published={name: LiifSpec(encoder=encoder) for name, encoder in _ENCODERS.items()},
        sizes={"edsr-b": (1_567_323, 82), "rdn": (22_320_835, 306), "swinir": (11_949_927, 554)},
    ),
    _continuous(
        "lte",
        title="LTE",
        source="Lee, Jin: Local Texture Estimator for Implicit Representation Function, CVPR "
        "2022, arXiv 2111.08918",
        tiny=LteSpec(encoder=_TINY_EDSR, hidden=(12, 12), frequencies=12),
        published={name: LteSpec(encoder=encoder) for name, encoder in _ENCODERS.items()},
        sizes={"edsr-b": (1_714_267, 85), "rdn": (22_467_779, 309), "swinir": (12_096_871, 557)},
    ),
    _continuous(
        "lte_fast",
        title="LTE, fast form",
        source="Lee, Jin: Local Texture Estimator for Implicit Representation Function, CVPR "
        "2022, arXiv 2111.08918",
        tiny=LteSpec(encoder=_TINY_EDSR, hidden=(12, 12), frequencies=12, pairing="halves"),
        published={"edsr-b": LteSpec(pairing="halves")},
        sizes={"edsr-b": (1_714_267, 85)},
    ),
    _continuous(
        "ciaosr",
        title="CiaoSR",
        source="Cao et al.: CiaoSR: Continuous Implicit Attention-in-Attention Network for "
        "Arbitrary-Scale Image Super-Resolution, CVPR 2023, arXiv 2212.04362",
        tiny=CiaosrSpec(encoder=_TINY_EDSR, hidden=(10, 10)),
        published={name: CiaosrSpec(encoder=encoder) for name, encoder in _ENCODERS.items()},
        sizes={"edsr-b": (2_649_054, 114), "rdn": (23_402_566, 338), "swinir": (13_031_658, 586)},
    ),
)

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
    Model(
        name="edsr",
        title="EDSR",
        source="Lim, Son, Kim, Nah, Lee: Enhanced Deep Residual Networks for Single Image "
        "Super-Resolution, CVPR Workshops 2017, arXiv 1707.02921",
        specs={
            "tiny": EdsrSpec(width=8, blocks=2, scale=2),
            "published": EdsrSpec(),
            "published-x2": EdsrSpec(scale=2),
            "published-x3": EdsrSpec(scale=3),
            "published-x4": EdsrSpec(scale=4),
            "published-wide": EdsrSpec(width=256, blocks=32, residual_scale=0.1),
        },
        example=examples.normalised_photographs,
        published=(
            PublishedWeights("(encoder)", "published", "edsr-baseline", 1_220_440, 72),
            PublishedWeights("(x2)", "published-x2", "edsr-baseline-x2", 1_369_883, 76),
            PublishedWeights("(x3)", "published-x3", "edsr-baseline-x3", 1_554_523, 76),
            PublishedWeights("(x4)", "published-x4", "edsr-baseline-x4", 1_517_595, 78),
            PublishedWeights("(wide encoder)", "published-wide", "edsr", 38_362_392, 136),
        ),
    ),
    Model(
        name="rdn",
        title="RDN",
        source="Zhang, Tian, Kong, Zhong, Fu: Residual Dense Network for Image Super-Resolution, "
        "CVPR 2018, arXiv 1802.08797",
        specs={
            "tiny": RdnSpec(width=8, growth=4, blocks=3, convolutions=3, scale=2),
            "published": RdnSpec(),
            "published-x2": RdnSpec(scale=2),
            "published-x3": RdnSpec(scale=3),
            "published-x4": RdnSpec(scale=4),
        },
        example=examples.normalised_photographs,
        published=(
            PublishedWeights("(encoder)", "published", "rdn", 21_973_952, 296),
            PublishedWeights("(x2)", "published-x2", "rdn-x2", 22_123_395, 300),
            PublishedWeights("(x3)", "published-x3", "rdn-x3", 22_308_035, 300),
            PublishedWeights("(x4)", "published-x4", "rdn-x4", 22_271_107, 302),
        ),
    ),
    Model(
        name="swinir",
        title="SwinIR",
        source="Liang, Cao, Sun, Zhang, Van Gool, Timofte: SwinIR: Image Restoration Using Swin "
        "Transformer, ICCV Workshops 2021, arXiv 2108.10257",
        specs={
            "tiny": SwinirSpec(width=12, depths=(2, 2), heads=(2, 3), window=4),
            "published": SwinirSpec(),
        },
        example=examples.normalised_photographs,
        published=(PublishedWeights("(encoder)", "published", "swinir", 11_603_044, 544),),
    ),
    *_CONTINUOUS,
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
