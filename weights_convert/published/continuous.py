"""EDSR, RDN, SwinIR and the continuous networks over them, as the LMF repository published them.

Files hold {"model": {"name": ..., "args": ..., "sd": the state}, "optimizer": ..., "epoch": ...}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from restoration.models import windows
from restoration.models.ciaosr import CiaoSRSpec
from restoration.models.edsr import EDSRSpec
from restoration.models.encoder import EncoderSpec
from restoration.models.liif import LIIFSpec
from restoration.models.lmf import LMCiaoSRSpec, LMLIIFSpec, LMLTESpec
from restoration.models.lte import LTESpec
from restoration.models.rdn import RDNSpec
from restoration.models.swinir import SwinIRSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published import Layout, Shapes, count_members

_MEAN = (0.4488, 0.4371, 0.4040)
_TRAINED_PX = 48  # side of the images whose attention masks SwinIR's files hold
_SMALLEST_NORM = 1e-4
_MOST_LAYERS = 16

_EDSR = NameTable(
    [
        ("head", "head.0"),
        ("body.{block}.conv1", "body.{block}.body.0"),
        ("body.{block}.conv2", "body.{block}.body.2"),
        ("body.{block}", "body.{block}"),
    ],
    constants=[
        f"{layer}.{part}" for layer in ("sub_mean", "add_mean") for part in ("weight", "bias")
    ],
)
_EDSR_TAIL = NameTable([("enlarge.0", "tail.0.0"), ("enlarge.1", "tail.0.2"), ("tail", "tail.1")])
_RDN = NameTable(
    [
        ("head1", "SFENet1"),
        ("head2", "SFENet2"),
        ("blocks.{block}.convs.{place}", "RDBs.{block}.convs.{place}.conv.0"),
        ("blocks.{block}.merge", "RDBs.{block}.LFF"),
        ("merge1", "GFF.0"),
        ("merge2", "GFF.1"),
    ]
)
_RDN_TAIL = NameTable([(f"upsampler.{i}", f"UPNet.{2 * i}") for i in range(3)])
_BLOCK = ("groups.{group}.blocks.{block}", "layers.{group}.residual_group.blocks.{block}")
_SWINIR = NameTable(
    [("first", "conv_first"), ("norm_first", "patch_embed.norm"), ("norm_last", "norm")]
    + [("last", "conv_before_upsample.0")]
    + [
        (f"{_BLOCK[0]}.{ours}", f"{_BLOCK[1]}.{theirs}")
        for ours, theirs in (
            ("norm1", "norm1"),
            ("attention.qkv", "attn.qkv"),
            ("attention.relative_bias.weight", "attn.relative_position_bias_table"),
            ("attention.out", "attn.proj"),
            ("norm2", "norm2"),
            ("linear1", "mlp.fc1"),
            ("linear2", "mlp.fc2"),
        )
    ]
    + [
        (ours + our_layer, theirs + their_layer)
        for ours, theirs in (
            ("groups.{group}.merge", "layers.{group}.conv"),
            ("merge", "conv_after_body"),
        )
        for our_layer, their_layer in (
            ("", ""),
            (".conv1", ".0"),
            (".conv2", ".2"),
            (".conv3", ".4"),
        )
    ],
    constants=[f"{_BLOCK[1]}.attn.relative_position_index", f"{_BLOCK[1]}.attn_mask"],
)
_ENCODERS = (_EDSR + _RDN + _SWINIR).below("encoder.", "encoder.")
_ATTENTION = NameTable(
    [
        (f"attention.{ours}{our_part}", f"cs_attn.{theirs}.{their_part}")
        for ours, theirs in (
            ("query", "conv_match_1"),
            ("key", "conv_match_2"),
            ("value", "conv_assembly"),
        )
        for our_part, their_part in (("", "0"), ("_activation", "1"))
    ],
    constants=["cs_attn.escape_NaN"],
) + NameTable(
    [("attention.down2", "cs_attn.down")]
    + [(f"attention.down{scale}", f"cs_attn.downx{scale}") for scale in (3, 4)]
)


def _mlp(ours: str, theirs: str) -> NameTable:
    """A perceptron, whose ReLUs are counted there."""
    return NameTable([(f"{ours}.layers.{i}", f"{theirs}.{2 * i}") for i in range(_MOST_LAYERS)])


def _edsr(shapes: Shapes, config: Mapping[str, Any]) -> EDSRSpec:
    width = shapes["head.weight"][0]
    return EDSRSpec(
        width=width,
        blocks=count_members(shapes, "body") - 1,
        # Not in a checkpoint; the authors scale the wide network's branches.
        residual_scale=config.get("res_scale", 1.0 if width <= 64 else 0.1),
        scale=_steps_to_scale(
            [shapes[f"enlarge.{i}.weight"][0] for i in range(count_members(shapes, "enlarge"))],
            width,
        ),
    )


def _rdn(shapes: Shapes, _config: Mapping[str, Any]) -> RDNSpec:
    growth = shapes["blocks.0.convs.0.weight"][0]
    steps = max(count_members(shapes, "upsampler") - 1, 0)
    return RDNSpec(
        width=shapes["head2.weight"][0],
        growth=growth,
        blocks=count_members(shapes, "blocks"),
        convolutions=count_members(shapes, "blocks.0.convs"),
        scale=_steps_to_scale([shapes[f"upsampler.{i}.weight"][0] for i in range(steps)], growth),
    )


def _steps_to_scale(made: Sequence[int], kept: int) -> int:
    """An upsampler's scale from how many channels each step makes and keeps."""
    return math.prod(math.isqrt(channels // kept) for channels in made)


def _swinir(shapes: Shapes, config: Mapping[str, Any]) -> SwinIRSpec:
    width = shapes["first.weight"][0]
    groups = range(count_members(shapes, "groups"))
    tables = [shapes[f"groups.{group}.blocks.0.attention.relative_bias.weight"] for group in groups]
    return SwinIRSpec(
        width=width,
        depths=tuple(count_members(shapes, f"groups.{group}.blocks") for group in groups),
        heads=tuple(table[1] for table in tables),
        window=(math.isqrt(tables[0][0]) + 1) // 2,
        mlp_ratio=shapes["groups.0.blocks.0.linear1.weight"][0] / width,
        merge="1conv" if "merge.weight" in shapes else "3conv",
        keep_padding=config.get("keep_padding", False),
    )


def _encoder(shapes: Shapes, config: Mapping[str, Any]) -> EncoderSpec:
    """The encoder of a continuous network."""
    start = "encoder."
    inner = {name[len(start) :]: shape for name, shape in shapes.items() if name.startswith(start)}
    given = config.get("encoder_spec", config.get("encoder", {})).get("args", {})
    if "head1.weight" in inner:
        return _rdn(inner, given)
    return _swinir(inner, given) if "first.weight" in inner else _edsr(inner, given)


def _modulated(shapes: Shapes, config: Mapping[str, Any], *, codes: int) -> dict[str, Any]:
    """What the LMF models have in common. codes: widths of code that compression adds."""
    depth = count_members(shapes, "render_network.layers") - 1
    width = shapes["render_network.layers.0.weight"][0]
    latent_width, modulations = (shapes[f"modulator.layers.{i}.weight"][0] for i in (0, 1))
    blocks = modulations // width
    # Where both would fit (two layers, two blocks of code), only the configuration tells.
    compress = config.get("mod_input", (blocks - codes) % depth == 0)
    kinds = (blocks - codes * compress) // depth
    given = config.get("imnet_spec", config.get("imnet_q", {})).get("args", {})
    single = "scale" if given.get("mod_scale", True) else "shift"
    return {
        "encoder": _encoder(shapes, config),
        "width": width,
        "depth": depth,
        "latent_width": latent_width,
        "ensemble": config.get("local_ensemble", True),
        "modulation": ("none", single, "scale and shift")[kinds],
        "compress": compress,
    }


def _known(columns: int, channels: int) -> dict[str, Any]:
    """Whether a first layer sees neighborhoods, and the cell, from its columns."""
    unfold = columns >= 9 * channels
    return {"unfold": unfold, "cell": columns > (9 if unfold else 1) * channels}


def _lm_liif(shapes: Shapes, config: Mapping[str, Any]) -> LMLIIFSpec:
    common = _modulated(shapes, config, codes=1)
    columns = shapes["modulator.layers.0.weight"][1]
    return LMLIIFSpec(**common, **_known(columns, common["encoder"].channels))


def _lm_lte(shapes: Shapes, config: Mapping[str, Any]) -> LMLTESpec:
    return LMLTESpec(
        **_modulated(shapes, config, codes=2),
        frequencies=shapes["coefficients.weight"][0],
        cell=config.get("cell_decode", True),
    )


def _lm_ciaosr(shapes: Shapes, config: Mapping[str, Any]) -> LMCiaoSRSpec:
    common = _modulated(shapes, config, codes=2)
    return LMCiaoSRSpec(
        **common | {"ensemble": config.get("local_size", 2) == 2},
        hidden=shapes["key.layers.0.weight"][0],
        scale=max(config.get("multi_scale", (2,))),
        temperature=float(config.get("softmax_scale", 1)),
    )


def _hidden(shapes: Shapes, network: str) -> tuple[int, ...]:
    """Widths of a perceptron's hidden layers."""
    last = count_members(shapes, f"{network}.layers") - 1
    return tuple(shapes[f"{network}.layers.{i}.weight"][0] for i in range(last))


def _liif(shapes: Shapes, config: Mapping[str, Any]) -> LIIFSpec:
    encoder = _encoder(shapes, config)
    columns = shapes["render_network.layers.0.weight"][1] - 2
    return LIIFSpec(
        encoder=encoder,
        hidden=_hidden(shapes, "render_network"),
        ensemble=config.get("local_ensemble", True),
        **_known(columns, encoder.channels),
    )


def _lte(shapes: Shapes, config: Mapping[str, Any], *, pairing: str) -> LTESpec:
    return LTESpec(
        encoder=_encoder(shapes, config),
        hidden=_hidden(shapes, "render_network"),
        frequencies=shapes["coefficients.weight"][0],
        pairing=pairing,
    )


def _ciaosr(shapes: Shapes, config: Mapping[str, Any]) -> CiaoSRSpec:
    has_attention = "attention.query.weight" in shapes
    return CiaoSRSpec(
        encoder=_encoder(shapes, config),
        hidden=_hidden(shapes, "render_network"),
        reach=config.get("local_size", 2),
        scales=tuple(config.get("multi_scale", (2,))) if has_attention else (),
        temperature=float(config.get("softmax_scale", 1)),
    )


def _encoder_constants(spec: EncoderSpec, prefix: str = "") -> dict[str, np.ndarray]:
    """Entries of an encoder's checkpoint that are not learned."""
    found: dict[str, np.ndarray] = {}
    if isinstance(spec, EDSRSpec):
        for layer, sign in (("sub_mean", -1), ("add_mean", 1)):
            found[f"{layer}.weight"] = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
            found[f"{layer}.bias"] = np.float32(sign) * np.array(_MEAN, np.float32)
    if isinstance(spec, SwinIRSpec):
        size = spec.window**2
        places = windows.relative_positions(spec.window).reshape(size, size)
        mask = windows.shift_mask(_TRAINED_PX, _TRAINED_PX, spec.window, spec.window // 2)
        for group, depth in enumerate(spec.depths):
            for block in range(depth):
                name = _BLOCK[1].format(group=group, block=block)
                found[f"{name}.attn.relative_position_index"] = places
                if block % 2:
                    found[f"{name}.attn_mask"] = mask
    return {prefix + name: array for name, array in found.items()}


def _constants(spec: Any) -> dict[str, np.ndarray]:
    """Entries of a continuous network's checkpoint that are not learned."""
    found = _encoder_constants(spec.encoder, "encoder.")
    if isinstance(spec, LMCiaoSRSpec) or (isinstance(spec, CiaoSRSpec) and spec.scales):
        found["cs_attn.escape_NaN"] = np.full(1, _SMALLEST_NORM, np.float32)
    return found


def _layout(classes: Sequence[str], table: NameTable, spec: Any, **options: Any) -> Layout:
    """The layout of a continuous network."""
    return Layout(
        classes=tuple(classes),
        table=_ENCODERS + table,
        spec=spec,
        constants=_constants,
        **options,
    )


_IMAGE: dict[str, Any] = {
    "inputs": {"lr": "image"},
    "outputs": {"feat_lr": "features"},
    "constants": _encoder_constants,
}
_FOURIER = NameTable([("coefficients", "coef"), ("frequencies", "freq"), ("cell_phase", "phase")])
_RENDER = _mlp("render_network", "imnet.layers")
_MODULATED = _RENDER + _mlp("modulator", "hypernet.layers")

LAYOUTS: Mapping[str, Layout] = {
    "edsr": Layout(
        classes=(
            "edsr-baseline",
            "edsr",
            "models.edsr.EDSR (edsr-baseline)",
            "models.edsr.EDSR (edsr)",
            "models.edsr.EDSR with its pixel-shuffle tail",
        ),
        table=_EDSR
        + NameTable([("enlarge.0", "tail.0.0"), ("enlarge.1", "tail.0.2"), ("tail", "tail.1")]),
        spec=_edsr,
        **_IMAGE,
    ),
    "rdn": Layout(
        classes=("rdn", "models.rdn.RDN", "models.rdn.RDN with UPNet"),
        table=_RDN + _RDN_TAIL,
        spec=_rdn,
        **_IMAGE,
    ),
    "swinir": Layout(
        classes=("swinir", "models.swinir.SwinIR"), table=_SWINIR, spec=_swinir, **_IMAGE
    ),
    "lm_liif": _layout(("lmliif", "models.lmliif.LMLIIF"), _MODULATED, _lm_liif),
    "lm_lte": _layout(
        ("lmlte", "models.lmlte.LMLTE"),
        _MODULATED + _FOURIER + NameTable([("render_cell_phase", "imphase")]),
        _lm_lte,
    ),
    "lm_ciaosr": _layout(
        ("lmciaosr", "models.lmciaosr.LMCiaoSR"),
        _ATTENTION
        + _mlp("query", "prenet_q.layers")
        + _mlp("key", "imnet_k.layers")
        + _mlp("value", "imnet_v.layers")
        + _mlp("modulator", "hypernet_q.layers")
        + _mlp("render_network", "imnet_q.layers"),
        _lm_ciaosr,
    ),
    "liif": _layout(("liif", "models.liif.LIIF"), _RENDER, _liif),
    "lte": _layout(
        ("lte", "models.lte.LTE"),
        _RENDER + _FOURIER,
        lambda shapes, config: _lte(shapes, config, pairing="interleaved"),
    ),
    "lte_fast": _layout(
        ("lte-fast", "models.ltep.LTEP"),
        _mlp("render_network", "layers") + _FOURIER,
        lambda shapes, config: _lte(shapes, config, pairing="halves"),
        flat=("render_network.",),
    ),
    "ciaosr": _layout(
        ("ciaosr", "models.ciaosr.CiaoSR"),
        _ATTENTION
        + _mlp("render_network", "imnet_q.layers")
        + _mlp("key", "imnet_k.layers")
        + _mlp("value", "imnet_v.layers"),
        _ciaosr,
    ),
}
