"""Spectroformer as its users published it: the bare state, no prefix.

Most names and shapes are Phaseformer's too, so a checkpoint of one must not pass for the other's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restoration.models.spectroformer import SpectroformerSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.layout import Layout, Shapes
from weights_convert.published.phaseformer import block_pairs, sizes

_BLOCK = (
    ("norm1", "norm1"),
    ("norm2", "norm2"),
    ("attention.temperature", "attn.temperature"),
    ("attention.expand1", "attn.qkv"),
    ("attention.local1", "attn.qkv_conv"),
    ("attention.project1", "attn.project_out"),
    ("attention.expand2", "attn.kv"),
    ("attention.local2", "attn.kv_conv"),
    ("attention.project2", "attn.project_outf"),
    ("attention.unused1", "attn.q1X1_1"),
    ("attention.unused2", "attn.q1X1_2"),
    ("feed_forward.expand", "ffn.project_in"),
    ("feed_forward.local", "ffn.conv"),
    ("feed_forward.project", "ffn.project_out"),
)
_SKIP = (
    ("spatial1", "conv_1"),
    ("spatial2", "conv_2"),
    ("spatial_skip", "identity1"),
    ("spectral1", "conv_f1"),
    ("spectral2", "conv_f2"),
    ("spectral_skip", "identity2"),
    ("merge", "con2X1"),
    ("gate", "agssf.conv"),
)
_UP = (
    ("filter.modulus1", "Fups.amp_fuse.0"),
    ("filter.modulus2", "Fups.amp_fuse.2"),
    ("filter.phase1", "Fups.pha_fuse.0"),
    ("filter.phase2", "Fups.pha_fuse.2"),
    ("post", "Fups.post"),
    ("conv", "Sups.body.0"),
    ("merge", "reduce"),
)
_SKIPS = (("skip3", 0), ("skip2", 1), ("skip1", 2), ("skip4", 3))
_UPS = (("up3", 1), ("up2", 2), ("up1", 3), ("up4", 4))
_TABLE = NameTable(
    [
        *block_pairs(_BLOCK),
        *(
            (f"{ours}.{layer}", f"attention.{number}.{their_layer}")
            for ours, number in _SKIPS
            for layer, their_layer in _SKIP
        ),
        *(
            (f"{ours}.{layer}", f"ups_{number}.{their_layer}")
            for ours, number in _UPS
            for layer, their_layer in _UP
        ),
        *((f"down{level}.conv", f"down{level}.body.0") for level in (1, 2, 3)),
        ("embed", "embed_conv_rgb"),
        ("reduce3", "reduces1"),
        ("reduce2", "reduces2"),
        ("low", "outputl"),
        ("image", "output"),
        ("enlarge.conv", "ups1.body.0"),
        ("high", "output1"),
        ("up5.conv", "ups2.body.0"),
    ]
)


def _spec(shapes: Shapes, _config: Mapping[str, Any]) -> SpectroformerSpec:
    return SpectroformerSpec(**sizes(shapes))


LAYOUTS = {
    "spectroformer": Layout(
        classes=("mymodel",),
        modules=("final_model_AGSSF1",),
        table=_TABLE,
        spec=_spec,
        inputs={"x": "image"},
        outputs={"out": "restored"},
        foreign_keys={
            "downs.0.body.0.weight": "phaseformer",
            "ups.0.body.0.weight": "phaseformer",
        },
    )
}
