"""LMD-ViT as its authors published it: `{"state_dict": ...}`, names at times prefixed `module.`.

Their file also holds the table of relative positions of every block, which follows from the size
of the window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from restoration.models.lmd_vit import LMDViTSpec, LMDViTStageSpec
from restoration.models.windows import relative_positions
from weights_convert.naming.tables import NameTable
from weights_convert.published.layout import Layout, Shapes

_BLOCK = [
    ("modulator", "modulator"),
    ("cross_modulator", "cross_modulator"),
    ("cross_attention.query", "cross_attn.qkv.to_q"),
    ("cross_attention.key_value", "cross_attn.qkv.to_kv"),
    ("cross_attention.project", "cross_attn.proj"),
    ("norm_cross", "norm_cross"),
    ("norm1", "norm1"),
    ("attention.query", "attn.qkv.to_q"),
    ("attention.key_value", "attn.qkv.to_kv"),
    *(
        (f"attention.{ours}.{layer}", f"attn.qkv.to_{ours[0]}.{layer}")
        for ours in ("query", "key", "value")
        for layer in ("depthwise", "pointwise")
    ),
    ("attention.project", "attn.proj"),
    ("norm2", "norm2"),
    ("feed_forward.linear1", "mlp.linear1.0"),
    ("feed_forward.conv", "mlp.dwconv.0"),
    ("feed_forward.linear2", "mlp.linear2.0"),
    ("predictor.linear1", "score_predictor.in_conv.0"),
    ("predictor.norm", "score_predictor.in_conv.2"),
    ("predictor.linear2", "score_predictor.in_conv.3"),
    ("predictor.linear3", "score_predictor.out_conv.0"),
    ("predictor.linear4", "score_predictor.out_conv.2"),
    ("predictor.linear5", "score_predictor.out_conv.4"),
]
_PLAIN_BLOCK = [
    ("feed_forward.linear1", "mlp.fc1"),
    ("feed_forward.linear2", "mlp.fc2"),
]
_BIASES = ("position_bias.weight", "attn.relative_position_bias_table")
_INDEX = "blocks.{block}.attn.relative_position_index"
_STAGES = [f"encoderlayer_{number}" for number in range(4)]
_STAGES += ["conv", *(f"decoderlayer_{number}" for number in range(4))]
_FEED_FORWARDS = {"ffn": "mlp", "fastleff": "leff"}


def _blocks(pairs: list[tuple[str, str]], ours: str, theirs: str) -> list[tuple[str, str]]:
    """Pairs of a block as pairs of a stage's blocks."""
    return [
        (f"{ours}blocks.{{block}}.{one}", f"{theirs}blocks.{{block}}.{other}")
        for one, other in pairs
    ]


def _network() -> NameTable:
    """The table of a whole network."""
    return NameTable(
        [("input", "input_proj.proj.0"), ("output", "output_proj.proj.0")]
        + [(f"downs.{number}.conv", f"dowsample_{number}.conv.0") for number in range(4)]
        + [(f"ups.{number}.conv", f"upsample_{number}.deconv.0") for number in range(4)]
        + [
            pair
            for number, stage in enumerate(_STAGES)
            for pair in _blocks([*_BLOCK, _BIASES], f"stages.{number}.", f"{stage}.")
        ],
        constants=[f"{stage}.{_INDEX}" for stage in _STAGES],
    )


def _block_fields(shapes: Shapes, block: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the shapes of a block tell, and what only the configuration knows."""
    channels = shapes[f"{block}.norm1.weight"][0]
    kind = config.get("token_mlp", "lefflocal")
    has_cross = f"{block}.cross_modulator.weight" in shapes
    has_conv = f"{block}.feed_forward.conv.weight" in shapes
    return {
        "window": _window(shapes[f"{block}.position_bias.weight"]),
        "mlp_ratio": shapes[f"{block}.feed_forward.linear1.weight"][0] / channels,
        "feed_forward": _FEED_FORWARDS.get(kind, kind) if has_conv else "mlp",
        "projection": "linear" if f"{block}.attention.key_value.weight" in shapes else "conv",
        "modulator": f"{block}.modulator.weight" in shapes,
        "cross_modulator": has_cross,
        "cross_norm": not has_cross,
        "shift": config.get("shift_flag", True),
    }


def _spec(shapes: Shapes, config: Mapping[str, Any]) -> LMDViTSpec:
    starts = [f"stages.{number}.blocks." for number in range(9)]
    return LMDViTSpec(
        width=shapes["input.weight"][0],
        depths=tuple(
            len({name.split(".")[3] for name in shapes if name.startswith(start)})
            for start in starts
        ),
        heads=tuple(shapes[f"{start}0.position_bias.weight"][1] for start in starts),
        pruned=tuple(f"{start}0.predictor.linear1.weight" in shapes for start in starts),
        drop_path=config.get("drop_path_rate", 0.1),
        **_block_fields(shapes, "stages.8.blocks.0", config),
    )


def _stage_spec(shapes: Shapes, config: Mapping[str, Any]) -> LMDViTStageSpec:
    depth = len({name.split(".")[1] for name in shapes})
    return LMDViTStageSpec(
        width=shapes["blocks.0.norm1.weight"][0],
        depth=depth,
        heads=shapes["blocks.0.position_bias.weight"][1],
        pruned="blocks.0.predictor.linear1.weight" in shapes,
        drop_path=(config.get("drop_path", 0.0),) * depth,
        **_block_fields(shapes, "blocks.0", config),
    )


def _window(bias_table: tuple[int, ...]) -> int:
    """The window's side from the shape of a table of (2 side - 1)^2 rows."""
    return (math.isqrt(bias_table[0]) + 1) // 2


def _index_tables(spec: LMDViTSpec) -> dict[str, np.ndarray]:
    """The tables of relative positions of every block."""
    table = relative_positions(spec.window).reshape(spec.window**2, spec.window**2)
    return {
        f"{stage}.blocks.{block}.attn.relative_position_index": table
        for stage, depth in zip(_STAGES, spec.depths, strict=True)
        for block in range(depth)
    }


def _stage_index_tables(spec: LMDViTStageSpec) -> dict[str, np.ndarray]:
    """The same of one stage."""
    table = relative_positions(spec.window).reshape(spec.window**2, spec.window**2)
    return {f"blocks.{block}.attn.relative_position_index": table for block in range(spec.depth)}


def _joined_noise(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Noise of each predictor, (n windows, 2), as one array (n, windows of all, 2)."""
    names = sorted(name for name in inputs if name.startswith("gumbel"))
    others = {name: array for name, array in inputs.items() if name not in names}
    if not names:
        return others
    images = len(inputs["x"])
    parts = [inputs[name].reshape(images, -1, 2) for name in names]
    return others | {"noise": np.concatenate(parts, axis=1)}


# Without a convolution their names differ; that was never published and is only read.
_STAGE_TABLE = NameTable(_blocks([*_BLOCK, *_PLAIN_BLOCK, _BIASES], "", ""), constants=[_INDEX])
LAYOUTS = {
    "lmd_vit": Layout(
        classes=("LMD",),
        modules=("models",),
        table=_network(),
        spec=_spec,
        constants=_index_tables,
        container=lambda spec, weights: {"state_dict": dict(weights)},
    )
}
PARTS = {
    "lmd_vit_stage": Layout(
        classes=("AdaWPT",),
        modules=("models",),
        table=_STAGE_TABLE,
        spec=_stage_spec,
        constants=_stage_index_tables,
        adapt_inputs=_joined_noise,
    )
}
