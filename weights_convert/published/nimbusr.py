"""NIMBUSR and its saturation-aware form as J-MKPD published them: the bare state, no prefix.

The two forms have the same names and shapes; nothing in a checkpoint tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restoration.models.nimbusr import NIMBUSRSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.layout import Layout, Shapes

_STAGES = ("down1", "down2", "down3", "body", "up3", "up2", "up1")
_TABLE = NameTable(
    [("prior.head", "p.m_head"), ("prior.tail", "p.m_tail")]
    + [
        pair
        for stage in _STAGES
        for pair in (
            (f"prior.{stage}.{{place}}.conv1", f"p.m_{stage}.{{place}}.res.0"),
            (f"prior.{stage}.{{place}}.conv2", f"p.m_{stage}.{{place}}.res.2"),
            (f"prior.{stage}.{{place}}", f"p.m_{stage}.{{place}}"),
        )
    ]
    + [(f"hyper.conv{number}", f"h.mlp.{2 * number - 2}") for number in (1, 2, 3)]
)
_ACTIVATIONS = {"R": "relu", "L": "leaky_relu"}


def _spec(shapes: Shapes, config: Mapping[str, Any], *, saturation: bool) -> NIMBUSRSpec:
    """Sizes from the shapes; activation, changes of size and scale from the configuration."""
    blocks = sum(1 for name in shapes if name.startswith("prior.body.") and ".conv1." in name)
    stages = ("down1", "down2", "down3", "body")
    return NIMBUSRSpec(
        iterations=shapes["hyper.conv3.weight"][0] // 3 - 1,
        hyper_width=shapes["hyper.conv1.weight"][0],
        widths=tuple(shapes[f"prior.{stage}.0.conv1.weight"][0] for stage in stages),
        blocks=blocks,
        activation=_ACTIVATIONS[config.get("act_mode", "R")],
        downsample=config.get("downsample_mode", "strideconv"),
        upsample=config.get("upsample_mode", "convtranspose"),
        scale=config.get("sf", 1),
        saturation=saturation,
    )


LAYOUTS = {
    "nimbusr": Layout(
        classes=("NIMBUSR",),
        modules=("models",),
        table=_TABLE,
        spec=lambda shapes, config: _spec(shapes, config, saturation=False),
    ),
    "nimbusr_saturated": Layout(
        classes=("NIMBUSRforSI",),
        modules=("models",),
        table=_TABLE,
        spec=lambda shapes, config: _spec(shapes, config, saturation=True),
    ),
}
