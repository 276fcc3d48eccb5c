"""The section `data` of a recipe, in our words and in BasicSR's."""

from __future__ import annotations

import pydantic
import pytest

from restoration.data.settings import DataSettings

ADAPTER = pydantic.TypeAdapter(DataSettings)


def test_words_of_basicsr_are_read_as_ours() -> None:
    split = {"dataroot_gt": "GT", "dataroot_lq": "LQ", "filename_tmpl": "{}x4"}
    given = {"io_backend": {"type": "lmdb"}, "gt_size": 192, "scale": 4, "use_hflip": True}
    ours = {"target": "GT", "degraded": "LQ", "template": "{}x4"}
    read = ADAPTER.validate_python({**given, "use_rot": True, "train": split, "val": split})
    assert read == ADAPTER.validate_python(
        {"kind": "lmdb", "crop_px": 48, "augmentation": "eight", "train": ours, "valid": ours}
    )


def test_a_key_in_both_words_and_a_size_without_scale_are_errors() -> None:
    with pytest.raises(pydantic.ValidationError, match="dataroot_gt"):
        ADAPTER.validate_python({"train": {"dataroot_gt": "a", "target": "b"}})
    with pytest.raises(pydantic.ValidationError, match="expected scale beside it"):
        ADAPTER.validate_python({"gt_size": 192})
