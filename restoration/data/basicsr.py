"""BasicSR's words for data, read as ours: dataroot_gt is `target`, and so on.

Source of the words: the option files of XPixelGroup/BasicSR; docs/data.md has the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SPLIT_WORDS = {
    "dataroot_gt": "target",
    "dataroot_lq": "degraded",
    "meta_info_file": "list",
    "filename_tmpl": "template",
}
_KINDS = {
    "PairedImageDataset": "pairs",
    "REDSRecurrentDataset": "video",
    "REDSDataset": "video",
}


def split(given: Mapping[str, Any]) -> dict[str, Any]:
    """A split's keys in our words. A key that is given in both is left for the error."""
    return {
        name if _SPLIT_WORDS.get(name, name) in given else _SPLIT_WORDS.get(name, name): value
        for name, value in given.items()
    }


def data(given: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the section `data` in our words.

    Raises:
        ValueError: BasicSR's gt_size without the scale that it belongs to.
    """
    plain = dict(given)
    if "val" in plain and "valid" not in plain:
        plain["valid"] = plain.pop("val")
    if "type" in plain and "kind" not in plain and plain["type"] in _KINDS:
        plain["kind"] = _KINDS[plain.pop("type")]
    for name in ("train", "valid"):
        if isinstance(plain.get(name), Mapping):
            plain[name] = split(plain[name])
    backend = plain.get("io_backend")
    if isinstance(backend, Mapping) and backend.get("type") in ("disk", "lmdb"):
        plain.pop("io_backend")
        if backend["type"] == "lmdb":
            plain["kind"] = "lmdb"
    if "gt_size" in plain and "crop_px" not in plain:
        size, scale = plain.pop("gt_size"), plain.pop("scale", None)
        if not isinstance(scale, int) or not isinstance(size, int) or size % scale:
            raise ValueError(
                f"gt_size is the target's side: expected scale beside it, a divisor of {size}, "
                "or crop_px, the side of what the network is given"
            )
        plain["crop_px"] = size // scale
    if "use_hflip" in plain or "use_rot" in plain:
        flips, turns = plain.pop("use_hflip", False), plain.pop("use_rot", False)
        plain.setdefault("augmentation", "eight" if turns else "flip" if flips else "none")
    return plain


def understood(schema: Any) -> Any:
    """A pydantic schema of the section that also takes BasicSR's words.

    That of a split is not wrapped itself: pydantic refers to the plain one from its second use on.
    """
    from pydantic_core import core_schema

    def translate(given: Any) -> Any:
        return data(given) if isinstance(given, Mapping) else given

    return core_schema.no_info_before_validator_function(translate, schema)
