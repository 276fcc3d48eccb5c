"""LTE and its fast form as the LMF repository published them, see `continuous.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restoration.models.lte import LTESpec
from weights_convert.published import continuous
from weights_convert.published.layout import Layout, Shapes


def _spec(shapes: Shapes, config: Mapping[str, Any], *, pairing: str) -> LTESpec:
    return LTESpec(
        encoder=continuous.read_encoder(shapes, config),
        hidden=continuous.hidden_widths(shapes, "render_network"),
        frequencies=shapes["coefficients.weight"][0],
        pairing=pairing,
    )


_TABLE = continuous.ENCODERS + continuous.FOURIER
LAYOUTS = {
    "lte": Layout(
        classes=("lte", "models.lte.LTE"),
        modules=continuous.MODULES,
        table=_TABLE + continuous.mlp("render_network", "imnet.layers"),
        spec=lambda shapes, config: _spec(shapes, config, pairing="interleaved"),
        constants=continuous.constants,
    ),
    "lte_fast": Layout(
        classes=("lte-fast", "models.ltep.LTEP"),
        modules=continuous.MODULES,
        table=_TABLE + continuous.mlp("render_network", "layers"),
        spec=lambda shapes, config: _spec(shapes, config, pairing="halves"),
        constants=continuous.constants,
        conv1x1_weights=("render_network.",),
    ),
}
