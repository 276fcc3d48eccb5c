"""EDSR as the LMF repository published it: `{"model": {"name": ..., "args": ..., "sd": state}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from restoration.models.edsr import EDSRSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.encoder import ENCODER, upsampler_scale
from weights_convert.published.layout import Layout, Shapes, count_members

_MEAN = (0.4488, 0.4371, 0.4040)
TABLE = NameTable(
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
_TAIL = NameTable([("enlarge.0", "tail.0.0"), ("enlarge.1", "tail.0.2"), ("tail", "tail.1")])


def read_spec(shapes: Shapes, config: Mapping[str, Any]) -> EDSRSpec:
    """Sizes from the shapes; the scale of residuals from the configuration."""
    width = shapes["head.weight"][0]
    return EDSRSpec(
        width=width,
        blocks=count_members(shapes, "body") - 1,
        # Not in a checkpoint; the authors scale the wide network's branches.
        residual_scale=config.get("res_scale", 1.0 if width <= 64 else 0.1),
        scale=upsampler_scale(
            [shapes[f"enlarge.{i}.weight"][0] for i in range(count_members(shapes, "enlarge"))],
            width,
        ),
    )


def constants(_spec: EDSRSpec) -> dict[str, np.ndarray]:
    """The layers that subtract and add the mean color, which are not learned."""
    found: dict[str, np.ndarray] = {}
    for layer, sign in (("sub_mean", -1), ("add_mean", 1)):
        found[f"{layer}.weight"] = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
        found[f"{layer}.bias"] = np.float32(sign) * np.array(_MEAN, np.float32)
    return found


LAYOUTS = {
    "edsr": Layout(
        classes=(
            "edsr-baseline",
            "edsr",
            "models.edsr.EDSR (edsr-baseline)",
            "models.edsr.EDSR (edsr)",
            "models.edsr.EDSR with its pixel-shuffle tail",
        ),
        table=TABLE + _TAIL,
        spec=read_spec,
        constants=constants,
        **ENCODER,
    )
}
