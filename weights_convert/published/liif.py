"""LIIF as the LMF repository published it, see `continuous.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restoration.models.liif import LIIFSpec
from weights_convert.published import continuous
from weights_convert.published.layout import Layout, Shapes


def _spec(shapes: Shapes, config: Mapping[str, Any]) -> LIIFSpec:
    encoder = continuous.read_encoder(shapes, config)
    columns = shapes["render_network.layers.0.weight"][1] - 2
    return LIIFSpec(
        encoder=encoder,
        hidden=continuous.hidden_widths(shapes, "render_network"),
        ensemble=config.get("local_ensemble", True),
        **continuous.first_layer(columns, encoder.channels),
    )


LAYOUTS = {
    "liif": Layout(
        classes=("liif", "models.liif.LIIF"),
        modules=continuous.MODULES,
        table=continuous.ENCODERS + continuous.mlp("render_network", "imnet.layers"),
        spec=_spec,
        constants=continuous.constants,
    )
}
