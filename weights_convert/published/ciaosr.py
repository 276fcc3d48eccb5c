"""CiaoSR as the LMF repository published it, see `continuous.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from restoration.models.ciaosr import CiaoSRSpec
from weights_convert.published import continuous
from weights_convert.published.layout import Layout, Shapes


def _spec(shapes: Shapes, config: Mapping[str, Any]) -> CiaoSRSpec:
    has_attention = "attention.query.weight" in shapes
    return CiaoSRSpec(
        encoder=continuous.read_encoder(shapes, config),
        hidden=continuous.hidden_widths(shapes, "render_network"),
        reach=config.get("local_size", 2),
        scales=tuple(config.get("multi_scale", (2,))) if has_attention else (),
        temperature=float(config.get("softmax_scale", 1)),
    )


def _constants(spec: CiaoSRSpec) -> dict[str, np.ndarray]:
    return continuous.constants(spec) | (continuous.ATTENTION_CONSTANTS if spec.scales else {})


LAYOUTS = {
    "ciaosr": Layout(
        classes=("ciaosr", "models.ciaosr.CiaoSR"),
        modules=continuous.MODULES,
        table=continuous.ENCODERS
        + continuous.ATTENTION
        + continuous.mlp("render_network", "imnet_q.layers")
        + continuous.mlp("key", "imnet_k.layers")
        + continuous.mlp("value", "imnet_v.layers"),
        spec=_spec,
        constants=_constants,
    )
}
