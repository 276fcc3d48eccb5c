"""SwinIR as the LMF repository published its encoder, and its authors the whole networks.

LMF's file is `{"model": {"name": ..., "args": ..., "sd": state}}`, the authors' `{"params": state}`
or, of the networks for real-world pictures, `{"params_ema": state}`. All hold the tables of
relative positions and the masks of shifted windows as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from restoration.models import windows
from restoration.models.swinir import SwinIRSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.encoder import ENCODER, upsampler_scale
from weights_convert.published.layout import Layout, Shapes, count_members

_BLOCK = ("groups.{group}.blocks.{block}", "layers.{group}.residual_group.blocks.{block}")
TABLE = NameTable(
    [("first", "conv_first"), ("norm_first", "patch_embed.norm"), ("norm_last", "norm")]
    + [("last", "conv_before_upsample.0"), ("refine", "conv_hr"), ("tail", "conv_last")]
    + [(f"enlarge.{i}", f"upsample.{2 * i}") for i in range(3)]
    + [(f"smooth.{i}", f"conv_up{i + 1}") for i in range(2)]
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
    """Sizes and head from the shapes; whether features keep the padding from the configuration."""
    width, image_channels = shapes["first.weight"][:2]
    groups = range(count_members(shapes, "groups"))
    tables = [shapes[f"groups.{group}.blocks.0.attention.relative_bias.weight"] for group in groups]
    window = (math.isqrt(tables[0][0]) + 1) // 2
    head = _head(shapes)
    # Not in a checkpoint; the published networks for JPEG, of window 7, have 255.
    value_range = 255.0 if head == "residual" and window == 7 else 1.0
    return SwinIRSpec(
        width=width,
        depths=tuple(count_members(shapes, f"groups.{group}.blocks") for group in groups),
        heads=tuple(table[1] for table in tables),
        window=window,
        mlp_ratio=shapes["groups.0.blocks.0.linear1.weight"][0] / width,
        merge="1conv" if "merge.weight" in shapes else "3conv",
        keep_padding=config.get("keep_padding", False) and head == "features",
        head=head,
        scale=_scale(shapes, head, image_channels),
        image_channels=image_channels,
        value_range=float(config.get("value_range", config.get("img_range", value_range))),
        features=shapes["last.weight"][0] if "last.weight" in shapes else SwinIRSpec.features,
        trained_px=_trained_px(shapes, head, window),
    )


def _head(shapes: Shapes) -> str:
    if "smooth.0.weight" in shapes:
        return "nearest+conv"
    if "enlarge.0.weight" in shapes:
        return "pixelshuffle" if "last.weight" in shapes else "pixelshuffledirect"
    return "residual" if "tail.weight" in shapes else "features"


def _scale(shapes: Shapes, head: str, image_channels: int) -> int:
    if head == "nearest+conv":
        return int(2 ** count_members(shapes, "smooth"))
    kept = shapes["last.weight"][0] if head == "pixelshuffle" else image_channels
    steps = range(count_members(shapes, "enlarge"))
    return upsampler_scale([shapes[f"enlarge.{i}.weight"][0] for i in steps], kept)


def _trained_px(shapes: Shapes, head: str, window: int) -> int:
    """From the number of windows of a mask; without one, as the published networks have it."""
    for name, shape in shapes.items():
        if name.endswith(".attn_mask") and shape:
            return window * math.isqrt(shape[0])
    if head == "residual":
        return 18 * window if window == 7 else 16 * window
    return 48 if head == "features" else 64


def constants(spec: SwinIRSpec) -> dict[str, np.ndarray]:
    """Tables and masks, which follow from the window and the size of the images trained on."""
    size = spec.window**2
    positions = windows.relative_positions(spec.window).reshape(size, size)
    side = spec.trained_px
    mask = windows.shift_mask(side, side, spec.window, spec.window // 2)
    found: dict[str, np.ndarray] = {}
    for group, depth in enumerate(spec.depths):
        for block in range(depth):
            name = _BLOCK[1].format(group=group, block=block)
            found[f"{name}.attn.relative_position_index"] = positions
            if block % 2:
                found[f"{name}.attn_mask"] = mask
    return found


def _container(spec: SwinIRSpec, weights: Mapping[str, Any]) -> object:
    if spec.gives_features:
        return dict(weights)
    return {"params_ema" if spec.head == "nearest+conv" else "params": dict(weights)}


LAYOUTS = {
    "swinir": Layout(
        classes=("swinir", "models.swinir.SwinIR", "models.network_swinir.SwinIR"),
        table=TABLE,
        spec=read_spec,
        untold=("value_range", "trained_px", "drop_path"),
        constants=constants,
        container=_container,
        **ENCODER,
    )
}
