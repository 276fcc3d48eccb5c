"""What the layouts of the continuous networks have in common, as the LMF repository published them.

Files hold {"model": {"name": ..., "args": ..., "sd": the state}, "optimizer": ..., "epoch": ...}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from restoration.models.encoder import EncoderSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published import edsr, rdn, swinir
from weights_convert.published.layout import Shapes, count_members

_SMALLEST_NORM = 1e-4
_MOST_LAYERS = 16

MODULES = ("models",)
ENCODERS = (edsr.TABLE + rdn.TABLE + swinir.TABLE).below("encoder.", "encoder.")
FOURIER = NameTable([("coefficients", "coef"), ("frequencies", "freq"), ("cell_phase", "phase")])
ATTENTION = NameTable(
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
ATTENTION_CONSTANTS = {"cs_attn.escape_NaN": np.full(1, _SMALLEST_NORM, np.float32)}


def mlp(ours: str, theirs: str) -> NameTable:
    """An MLP, whose ReLUs are counted there."""
    return NameTable([(f"{ours}.layers.{i}", f"{theirs}.{2 * i}") for i in range(_MOST_LAYERS)])


def hidden_widths(shapes: Shapes, network: str) -> tuple[int, ...]:
    """Widths of an MLP's hidden layers."""
    last = count_members(shapes, f"{network}.layers") - 1
    return tuple(shapes[f"{network}.layers.{i}.weight"][0] for i in range(last))


def first_layer(columns: int, channels: int) -> dict[str, Any]:
    """Whether a first layer sees neighborhoods, and the cell, from its columns."""
    unfold = columns >= 9 * channels
    return {"unfold": unfold, "cell": columns > (9 if unfold else 1) * channels}


def read_encoder(shapes: Shapes, config: Mapping[str, Any]) -> EncoderSpec:
    """The encoder of a continuous network."""
    start = "encoder."
    inner = {name[len(start) :]: shape for name, shape in shapes.items() if name.startswith(start)}
    given = config.get("encoder_spec", config.get("encoder", {})).get("args", {})
    if "head1.weight" in inner:
        return rdn.read_spec(inner, given)
    module = swinir if "first.weight" in inner else edsr
    return module.read_spec(inner, given)


def constants(spec: Any) -> dict[str, np.ndarray]:
    """Entries of the encoder in a continuous network's checkpoint that are not learned."""
    every = edsr.LAYOUTS | rdn.LAYOUTS | swinir.LAYOUTS
    found = every[spec.encoder.module].constants(spec.encoder)
    return {"encoder." + name: array for name, array in found.items()}
