"""LM-LIIF, LM-LTE and LM-CiaoSR as their authors published them, see `continuous.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from restoration.models.lmf import LMCiaoSRSpec, LMLIIFSpec, LMLTESpec
from weights_convert.naming.tables import NameTable
from weights_convert.published import continuous
from weights_convert.published.layout import Layout, Shapes, count_members


def _modulated(shapes: Shapes, config: Mapping[str, Any], *, codes: int) -> dict[str, Any]:
    """What the three have in common. codes: widths of code that compression adds."""
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
        "encoder": continuous.read_encoder(shapes, config),
        "width": width,
        "depth": depth,
        "latent_width": latent_width,
        "ensemble": config.get("local_ensemble", True),
        "modulation": ("none", single, "scale and shift")[kinds],
        "compress": compress,
    }


def _lm_liif(shapes: Shapes, config: Mapping[str, Any]) -> LMLIIFSpec:
    common = _modulated(shapes, config, codes=1)
    columns = shapes["modulator.layers.0.weight"][1]
    return LMLIIFSpec(**common, **continuous.first_layer(columns, common["encoder"].channels))


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


def _lm_ciaosr_constants(spec: LMCiaoSRSpec) -> dict[str, np.ndarray]:
    return continuous.constants(spec) | continuous.ATTENTION_CONSTANTS


_MODULATED = (
    continuous.ENCODERS
    + continuous.mlp("render_network", "imnet.layers")
    + continuous.mlp("modulator", "hypernet.layers")
)
LAYOUTS = {
    "lm_liif": Layout(
        classes=("lmliif", "models.lmliif.LMLIIF"),
        modules=continuous.MODULES,
        table=_MODULATED,
        spec=_lm_liif,
        constants=continuous.constants,
    ),
    "lm_lte": Layout(
        classes=("lmlte", "models.lmlte.LMLTE"),
        modules=continuous.MODULES,
        table=_MODULATED + continuous.FOURIER + NameTable([("render_cell_phase", "imphase")]),
        spec=_lm_lte,
        constants=continuous.constants,
    ),
    "lm_ciaosr": Layout(
        classes=("lmciaosr", "models.lmciaosr.LMCiaoSR"),
        modules=continuous.MODULES,
        table=continuous.ENCODERS
        + continuous.ATTENTION
        + continuous.mlp("query", "prenet_q.layers")
        + continuous.mlp("key", "imnet_k.layers")
        + continuous.mlp("value", "imnet_v.layers")
        + continuous.mlp("modulator", "hypernet_q.layers")
        + continuous.mlp("render_network", "imnet_q.layers"),
        spec=_lm_ciaosr,
        constants=_lm_ciaosr_constants,
    ),
}
