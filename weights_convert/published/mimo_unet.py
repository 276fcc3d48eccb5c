"""MIMO-UNet and MIMO-UNet+ as their authors published them: {"model": state}, no prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restoration.models.mimo_unet import MIMOUNetSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.layout import Layout, Shapes, count_members

_STAGES = (
    ("encoder1", "Encoder.0"),
    ("encoder2", "Encoder.1"),
    ("encoder3", "Encoder.2"),
    ("decoder3", "Decoder.0"),
    ("decoder2", "Decoder.1"),
    ("decoder1", "Decoder.2"),
)
_LAYERS = (
    ("stem", "feat_extract.0.main.0"),
    ("down1", "feat_extract.1.main.0"),
    ("down2", "feat_extract.2.main.0"),
    ("up3", "feat_extract.3.main.0"),
    ("up2", "feat_extract.4.main.0"),
    ("head1", "feat_extract.5.main.0"),
    ("merge2", "Convs.0.main.0"),
    ("merge1", "Convs.1.main.0"),
    ("head3", "ConvsOut.0.main.0"),
    ("head2", "ConvsOut.1.main.0"),
    ("fusion1.conv1", "AFFs.0.conv.0.main.0"),
    ("fusion1.conv2", "AFFs.0.conv.1.main.0"),
    ("fusion2.conv1", "AFFs.1.conv.0.main.0"),
    ("fusion2.conv2", "AFFs.1.conv.1.main.0"),
    ("attention3.merge", "FAM1.merge.main.0"),
    ("attention2.merge", "FAM2.merge.main.0"),
)
_SHALLOW = (
    ("conv1", "main.0.main.0"),
    ("conv2", "main.1.main.0"),
    ("conv3", "main.2.main.0"),
    ("conv4", "main.3.main.0"),
    ("merge", "conv.main.0"),
)
_TABLE = NameTable(
    [
        (f"{ours}.{{block}}.conv{number}", f"{theirs}.layers.{{block}}.main.{number - 1}.main.0")
        for ours, theirs in _STAGES
        for number in (1, 2)
    ]
    + list(_LAYERS)
    + [
        (f"{ours}.{layer}", f"{theirs}.{their_layer}")
        for ours, theirs in (("shallow3", "SCM1"), ("shallow2", "SCM2"))
        for layer, their_layer in _SHALLOW
    ]
)
_RESIZE = {"asymmetric bilinear": "asymmetric"}


def _spec(shapes: Shapes, config: Mapping[str, Any], skip_dropout: float) -> MIMOUNetSpec:
    """Width and depth from the shapes; the resizing is not in a checkpoint, only in `config`."""
    return MIMOUNetSpec(
        width=shapes["stem.weight"][0],
        blocks=count_members(shapes, "encoder1"),
        skip_dropout=skip_dropout,
        resize=_RESIZE.get(config.get("resize", ""), "nearest"),
    )


LAYOUTS = {
    "mimo_unet": Layout(
        classes=("MIMOUNet", "MIMO-UNet"),
        modules=("models",),
        table=_TABLE,
        spec=lambda shapes, config: _spec(shapes, config, skip_dropout=0.0),
        untold=("skip_dropout", "resize"),
        container=lambda spec, weights: {"model": weights},
    ),
    "mimo_unet_plus": Layout(
        classes=("MIMOUNetPlus", "MIMO-UNetPlus"),
        modules=("models",),
        table=_TABLE,
        spec=lambda shapes, config: _spec(shapes, config, skip_dropout=0.1),
        untold=("skip_dropout", "resize"),
        inputs={"drop1": "skip_mask1", "drop2": "skip_mask2"},
        container=lambda spec, weights: {"model": weights},
    ),
}
