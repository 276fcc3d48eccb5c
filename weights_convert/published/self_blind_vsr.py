"""Self-Blind-VSR as its authors published it: the bare state, no prefix."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from restoration.models.self_blind_vsr import SelfBlindVSRSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.layout import Layout, Shapes, count_members
from weights_convert.published.pwc_flow import PAIRS

_ATTENTION = (
    ("conv1", "body.0"),
    ("conv2", "body.2"),
    ("squeeze", "body.3.conv_du.0"),
    ("excite", "body.3.conv_du.2"),
)
_DOUBLINGS = range(4)  # x16 at most
_TABLE = NameTable(
    [
        ("stem", "in_conv.0"),
        ("fusion", "fusion_conv.0"),
        ("head1", "out_conv.0"),
        ("head2", "out_conv.1"),
        ("kernel.stem", "kernel_net.in_conv"),
        ("kernel.conv1", "kernel_net.body2.2"),
        ("kernel.conv2", "kernel_net.body2.3"),
        ("kernel.linear1", "kernel_net.fc_net.0"),
        ("kernel.linear2", "kernel_net.fc_net.1"),
        *((f"enlarge.{i}", f"upsample_layers.{2 * i}") for i in _DOUBLINGS),
        *(
            (f"{ours}.{{block}}.conv{i}", f"{theirs}.{{block}}.conv{i}")
            for ours, theirs in (("features", "extra_feat"), ("body", "recons_net"))
            for i in (1, 2)
        ),
        *(
            (f"kernel.body{i}.{{block}}.{ours}", f"kernel_net.body{i}.{{block}}.{theirs}")
            for i in (1, 2)
            for ours, theirs in _ATTENTION
        ),
        *((f"flow.{ours}", f"flow_net.moduleNetwork.{theirs}") for ours, theirs in PAIRS),
    ]
)


def _spec(shapes: Shapes, config: Mapping[str, Any]) -> SelfBlindVSRSpec:
    """Sizes from the shapes; the mode and the sizes of the frames from what else is known."""
    return SelfBlindVSRSpec(
        width=shapes["stem.weight"][0],
        feature_blocks=count_members(shapes, "features"),
        blocks=count_members(shapes, "body"),
        frames=shapes["kernel.stem.weight"][1] // 3,
        scale=2 ** count_members(shapes, "enlarge"),
        kernel_size=math.isqrt(shapes["kernel.linear2.weight"][0]),
        is_enlarged=config.get("HR_in", False),
        mode=config.get("mode", "infer").split()[-1],
        align_corners=config.get("align_corners", True),
    )


LAYOUTS = {
    "self_blind_vsr": Layout(
        classes=("model.pwc_recons.PWC_Recons",),
        modules=("model",),
        table=_TABLE,
        spec=_spec,
        inputs={"x": "frames"},
        outputs={
            "recons": "restored",
            "recons_down": "restored_reduced",
            "input_down": "reduced",
            "input_cycle": "cycle",
            "est_kernel": "kernel",
        },
    )
}
