"""What modules say of themselves, in words that all frameworks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS: Mapping[str, tuple[str, ...]] = {
    "eps": ("eps", "epsilon"),
    "momentum": ("momentum",),
    "slope": ("negative_slope", "alpha"),
    "stride": ("stride",),
    "dilation": ("dilation",),
    "number of groups": ("num_groups",),
    "count_include_pad": ("count_include_pad",),
    "groups": ("groups", "group"),
    "padding mode": ("padding_mode",),
    "padding amount": ("padding",),
    "pooling ceil": ("ceil_mode",),
    "softmax axis": ("dim", "axis"),
    "GELU form": ("approximate",),
}
"""A cause, and what the attribute behind it is called."""


def difference_of_attributes(
    reference: Mapping[str, Any], port: Mapping[str, Any], frameworks: tuple[str, str]
) -> tuple[str, str]:
    """The first attribute that two modules have otherwise, as a cause and in words; or "", ""."""
    for cause, names in WORDS.items():
        values = [
            next((side[name] for name in names if name in side), None) for side in (reference, port)
        ]
        one, other = (
            _plain(cause, value, framework)
            for value, framework in zip(values, frameworks, strict=True)
        )
        if one is None or other is None or one == other:
            continue
        # MindSpore's padding counts only with its pad_mode; an axis may be told from either end.
        if cause == "padding amount" and frameworks[0] != frameworks[1]:
            continue
        if cause == "softmax axis" and (one < 0) != (other < 0):
            continue
        return cause, f"{other} for {one}"
    return "", ""


def _plain(cause: str, value: Any, framework: str) -> Any:
    """A value as PyTorch means it."""
    if cause == "momentum" and framework == "mindspore" and isinstance(value, float):
        return round(1 - value, 9)  # MindSpore weighs the old value
    if cause in ("stride", "dilation") and isinstance(value, tuple | list):
        sizes = set(value[-2:])
        return sizes.pop() if len(sizes) == 1 else tuple(value)
    return value
