"""Phaseformer as its authors and users published it: the bare state, no prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restoration.models.phaseformer import PhaseformerSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.layout import Layout, Shapes, count_members

STAGES = (
    *((f"encoder{level}", f"encoders.{level - 1}") for level in (1, 2, 3, 4)),
    *((f"decoder{level}", f"decoders.{3 - level}") for level in (3, 2, 1)),
    ("refinement", "refinement"),
)
BLOCK = (
    ("norm1", "norm1"),
    ("norm2", "norm2"),
    ("attention.temperature", "attn.temperature"),
    ("attention.expand", "attn.qkv"),
    ("attention.local", "attn.qkv_conv"),
    ("attention.project", "attn.project_out"),
    ("feed_forward.expand", "ffn.project_in"),
    ("feed_forward.local", "ffn.conv"),
    ("feed_forward.project", "ffn.project_out"),
)


def block_pairs(layers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """The names of all transformer blocks."""
    return [
        (f"{ours}.{{block}}.{layer}", f"{theirs}.{{block}}.{their_layer}")
        for ours, theirs in STAGES
        for layer, their_layer in layers
    ]


_TABLE = NameTable(
    [
        *block_pairs(BLOCK),
        ("embed", "embed_conv_rgb"),
        *((f"gate{level}", f"attention.{3 - level}.conv") for level in (3, 2, 1)),
        *((f"down{level}.conv", f"downs.{level - 1}.body.0") for level in (1, 2, 3)),
        *((f"up{level}.conv", f"ups.{3 - level}.body.0") for level in (3, 2, 1)),
        ("reduce3", "reduces.0"),
        ("reduce2", "reduces.1"),
        ("enlarge.conv", "ups1.body.0"),
        ("low", "outputl"),
        ("high", "output1"),
        ("image", "output"),
        ("gate4", "attention.3.conv"),
        ("up4.conv", "ups2.body.0"),
    ]
)


def sizes(shapes: Shapes) -> dict[str, Any]:
    """The hyper-parameters of a network of such blocks."""
    encoders = [f"encoder{level}" for level in (1, 2, 3, 4)]
    return {
        "width": shapes["embed.weight"][0],
        "blocks": tuple(count_members(shapes, encoder) for encoder in encoders),
        "heads": tuple(shapes[f"{encoder}.0.attention.temperature"][1] for encoder in encoders),
        "hidden": tuple(
            shapes[f"{encoder}.0.feed_forward.project.weight"][1] for encoder in encoders
        ),
        "refinement": count_members(shapes, "refinement"),
    }


def _spec(shapes: Shapes, _config: Mapping[str, Any]) -> PhaseformerSpec:
    return PhaseformerSpec(**sizes(shapes))


LAYOUTS = {
    "phaseformer": Layout(
        classes=("Restormer",),
        modules=("phaseformer", "model_with_eca"),
        table=_TABLE,
        spec=_spec,
        inputs={"x": "image"},
        foreign_keys={
            "down1.body.0.weight": "spectroformer",
            "ups_1.reduce.weight": "spectroformer",
        },
    )
}
