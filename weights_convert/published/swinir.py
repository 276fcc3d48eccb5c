"""SwinIR as the LMF repository published it: `{"model": {"name": ..., "args": ..., "sd": state}}`.

Their file also holds the tables of relative positions and the masks of shifted windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from restoration.models import windows
from restoration.models.swinir import SwinIRSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.encoder import ENCODER
from weights_convert.published.layout import Layout, Shapes, count_members

_TRAINED_PX = 48  # side of the images whose attention masks the files hold
_BLOCK = ("groups.{group}.blocks.{block}", "layers.{group}.residual_group.blocks.{block}")
TABLE = NameTable(
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


def read_spec(shapes: Shapes, config: Mapping[str, Any]) -> SwinIRSpec:
    """Sizes from the shapes; whether features keep the padding from the configuration."""
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


def constants(spec: SwinIRSpec) -> dict[str, np.ndarray]:
    """Tables and masks, which follow from the window and the size of the images trained on."""
    size = spec.window**2
    positions = windows.relative_positions(spec.window).reshape(size, size)
    mask = windows.shift_mask(_TRAINED_PX, _TRAINED_PX, spec.window, spec.window // 2)
    found: dict[str, np.ndarray] = {}
    for group, depth in enumerate(spec.depths):
        for block in range(depth):
            name = _BLOCK[1].format(group=group, block=block)
            found[f"{name}.attn.relative_position_index"] = positions
            if block % 2:
                found[f"{name}.attn_mask"] = mask
    return found


LAYOUTS = {
    "swinir": Layout(
        classes=("swinir", "models.swinir.SwinIR"),
        table=TABLE,
        spec=read_spec,
        constants=constants,
        **ENCODER,
    )
}
