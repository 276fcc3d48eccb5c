"""Kernel prediction as J-MKPD published it: the bare state, no prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restoration.models.kernel_prediction import KernelPredictionSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.layout import Layout, Shapes

_STAGES = [(f"mask_up{6 - stage}", f"up{stage}") for stage in range(1, 6)]
_STAGES += [(f"kernel_up{6 - stage}", f"kernel_up{stage}") for stage in range(1, 7)]
_TABLE = NameTable(
    [("stem_rgb", "inc_rgb.0"), ("stem_gray", "inc_gray.0"), ("bottom", "feat.0")]
    + [
        (f"down{level}.conv{number}", f"down{level}.double_conv.{2 * number - 2}")
        for level in range(1, 6)
        for number in (1, 2)
    ]
    + [
        (f"{ours}.{layer}", f"{theirs}.{their_layer}")
        for ours, theirs in _STAGES
        for layer, their_layer in (
            ("up", "up"),
            ("double_conv.conv1", "double_conv.0"),
            ("double_conv.conv2", "double_conv.2"),
            ("merge", "feat.0"),
        )
    ]
    + [
        (f"{ours}.conv{number}", f"{theirs}.{2 * number - 2}")
        for ours, theirs in (("mask_head", "masks_end"), ("kernel_head", "kernels_end"))
        for number in (1, 2, 3)
    ]
)


def _spec(shapes: Shapes, _config: Mapping[str, Any]) -> KernelPredictionSpec:
    return KernelPredictionSpec(
        kernels=shapes["kernel_head.conv3.weight"][0],
        kernel_size=65 if "kernel_up0.merge.weight" in shapes else 33,
        bilinear="mask_up1.up.weight" not in shapes,
        widths=tuple(shapes[f"down{level}.conv2.weight"][0] for level in range(1, 6)),
    )


LAYOUTS = {
    "kernel_prediction": Layout(
        classes=("TwoHeadsNetwork",), modules=("models",), table=_TABLE, spec=_spec
    )
}
