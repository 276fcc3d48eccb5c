"""EDSR as the LMF repository, its authors, and BasicSR published it.

LMF's `{"model": {"name": ..., "args": ..., "sd": state}}` and the authors' bare states have the
same names. The values of the layers for the mean color tell them apart: LMF never calls them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from restoration.models.edsr import EDSRSpec
from restoration.models.encoder import MEAN
from weights_convert.naming.tables import NameTable
from weights_convert.published.encoder import ENCODER, upsampler_scale
from weights_convert.published.layout import Layout, Shapes, count_members

_MEAN_LAYERS = (("subtract_mean", "sub_mean", -1), ("add_mean", "add_mean", 1))
TABLE = NameTable(
    [
        ("head", "head.0"),
        ("body.{block}.conv1", "body.{block}.body.0"),
        ("body.{block}.conv2", "body.{block}.body.2"),
        ("body.{block}", "body.{block}"),
    ],
    constants=[f"{layer}.{part}" for _, layer, _ in _MEAN_LAYERS for part in ("weight", "bias")],
)
_TAIL = [("enlarge.0", "tail.0.0"), ("enlarge.1", "tail.0.2"), ("tail", "tail.1")]
_MEANS = [(ours, theirs) for ours, theirs, _ in _MEAN_LAYERS]
_AUTHORS = NameTable([*TABLE.pairs, *_TAIL, *_MEANS])
_BASICSR = NameTable(
    [
        ("head", "conv_first"),
        ("body.{block}.conv1", "body.{block}.conv1"),
        ("body.{block}.conv2", "body.{block}.conv2"),
        ("merge", "conv_after_body"),
        ("enlarge.0", "upsample.0"),
        ("enlarge.1", "upsample.2"),
        ("tail", "conv_last"),
    ]
)
_TELLING = {
    f"{layer}.{part}": shape
    for layer, _ in _MEANS
    for part, shape in (("weight", (3, 3, 1, 1)), ("bias", (3,)))
}


def read_spec(shapes: Shapes, config: Mapping[str, Any]) -> EDSRSpec:
    """Sizes from the shapes; what a mean layer is for, and the range, from its values."""
    width = shapes["head.weight"][0]
    is_basicsr = "merge.weight" in shapes
    enlarge = range(count_members(shapes, "enlarge"))
    mean, value_range = ("fixed", 255.0) if is_basicsr else ("none", 1.0)
    if not _TELLING.keys().isdisjoint(shapes) and not _is_lmf(config):
        # A mean color is near 114 of 255, or near 0.45 of 1.
        biases = [config[name] for name in _TELLING if name.endswith(".bias") and name in config]
        is_of_bytes = max((np.abs(bias).max() for bias in biases), default=0) > 1
        mean, value_range = "layers", 255.0 if is_of_bytes else 1.0
    if mean != "none":
        value_range = float(config.get("value_range", config.get("img_range", value_range)))
    return EDSRSpec(
        width=width,
        blocks=count_members(shapes, "body") - (not is_basicsr),
        # Not in a checkpoint; the authors scale the wide network's branches.
        residual_scale=config.get("res_scale", 1.0 if width <= 64 else 0.1),
        scale=upsampler_scale([shapes[f"enlarge.{i}.weight"][0] for i in enlarge], width),
        mean=mean,
        value_range=value_range,
    )


def _is_lmf(values: Mapping[str, np.ndarray]) -> bool:
    """Whether the layers for the mean are those that LMF's network has and never calls."""
    unused = {str(_AUTHORS.ours(name)): array for name, array in _unused_layers().items()}
    return all(
        np.array_equal(values[name], array.astype(values[name].dtype))
        for name, array in unused.items()
        if name in values
    )


def _unused_layers() -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for _, layer, sign in _MEAN_LAYERS:
        found[f"{layer}.weight"] = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
        found[f"{layer}.bias"] = np.float32(sign) * np.array(MEAN, np.float32)
    return found


def constants(spec: EDSRSpec) -> dict[str, np.ndarray]:
    """The layers that subtract and add the mean color, where the network does not call them."""
    return _unused_layers() if spec.mean == "none" else {}


def _container(spec: EDSRSpec, weights: Mapping[str, Any]) -> object:
    return {"params": dict(weights)} if spec.mean == "fixed" else dict(weights)


LAYOUTS = {
    "edsr": Layout(
        classes=(
            "edsr-baseline",
            "edsr",
            "models.edsr.EDSR (edsr-baseline)",
            "models.edsr.EDSR (edsr)",
            "models.edsr.EDSR with its pixel-shuffle tail",
            "model.edsr.EDSR",
            "basicsr.archs.edsr_arch.EDSR",
        ),
        table=_AUTHORS + _BASICSR,
        tables=lambda spec: _BASICSR if spec.mean == "fixed" else _AUTHORS,
        spec=read_spec,
        telling=_TELLING,
        untold=("value_range", "residual_scale"),
        constants=constants,
        container=_container,
        **ENCODER | {"modules": ("models", "model", "basicsr")},
    )
}
