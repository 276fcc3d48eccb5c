"""The section `data` of a recipe: in BasicSR's words, as the page shows it, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from restoration.data.settings import DataSettings, SplitSettings
from restoration.data.tasks import open_task
from restoration.errors import InputError
from restoration.models import registry
from restoration.training import recipe as recipes
from tests.backends import ROOT

PLAIN = {
    "model": "edsr",
    "spec": "tiny",
    "loss": {"name": "L1Loss"},
    "optimizer": {"learning_rate": 1e-4},
    "steps": 1,
}


def data_of(section: dict[str, Any]) -> DataSettings:
    return recipes.from_plain({**PLAIN, "data": section}, "here").data


BASICSR = """
type: PairedImageDataset
gt_size: 96
scale: 2
use_hflip: true
use_rot: true
train:
  dataroot_gt: DIV2K/DIV2K_train_HR
  dataroot_lq: DIV2K/DIV2K_train_LR_bicubic/X2
  filename_tmpl: "{}x2"
  meta_info_file: names.txt
val:
  dataroot_gt: Set5/HR
  dataroot_lq: Set5/LR
"""


def test_basicsr_s_words_are_ours() -> None:
    assert data_of(yaml.safe_load(BASICSR)) == DataSettings(
        kind="pairs",
        crop_px=48,
        augmentation="eight",
        train=SplitSettings(
            target="DIV2K/DIV2K_train_HR",
            degraded="DIV2K/DIV2K_train_LR_bicubic/X2",
            template="{}x2",
            list="names.txt",
        ),
        valid=SplitSettings(target="Set5/HR", degraded="Set5/LR"),
    )


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ({"type": "REDSDataset"}, "kind", "video"),
        ({"type": "REDSRecurrentDataset"}, "kind", "video"),
        ({"io_backend": {"type": "lmdb"}}, "kind", "lmdb"),
        ({"type": "PairedImageDataset", "io_backend": {"type": "lmdb"}}, "kind", "lmdb"),
        ({"type": "PairedImageDataset", "io_backend": {"type": "disk"}}, "kind", "pairs"),
        ({"use_hflip": True, "use_rot": False}, "augmentation", "flip"),
        ({"use_hflip": False, "use_rot": False}, "augmentation", "none"),
    ],
)
def test_each_of_basicsr_s_words(section: dict[str, Any], key: str, value: str) -> None:
    assert getattr(data_of(section), key) == value


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"gt_size": 96}, "expected scale beside it"),
        ({"gt_size": 97, "scale": 2}, "a divisor of 97"),
        ({"kind": "folders"}, "data.kind"),
        ({"train": {"dataroot_gt": "a", "target": "b"}}, "dataroot_gt"),
        ({"train": {"template": "x4"}}, "a name with {} for the target's"),
        ({"blurred_share": 2}, "blurred_share: expected a share, 0 to 1"),
        ({"kernel_px": 4}, "kernel_px: expected an odd number"),
        ({"scale_range": [4, 1]}, "the smaller first"),
        ({"noise": -1}, "noise: expected a number of at least 0"),
    ],
)
def test_what_is_impossible_is_refused(section: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as raised:
        data_of(section)
    assert text in "\n".join([str(raised.value), *raised.value.lines()])


def test_the_page_s_example_is_a_section_of_a_recipe() -> None:
    page = (ROOT / "docs" / "training.md").read_text("utf-8")
    examples = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    found = [data_of(yaml.safe_load(text)["data"]) for text in examples if "data:" in text]
    assert [one.kind for one in found] == ["pairs"]


@pytest.mark.parametrize(
    ("model", "options", "text"),
    [
        ("mimo_unet", {"scale_range": (1.0, 2.0)}, r"data\.scale_range: expected a key that mimo"),
        ("mimo_unet", {"kind": "video"}, r"data\.kind: expected one of synthetic, pairs"),
        ("mimo_unet", {"degradation": "bicubic"}, r"data\.degradation: expected one of motion"),
        ("mimo_unet", {"crop_px": 63}, r"data\.crop_px: expected a multiple of 4, got 63"),
        ("lmd_vit", {"blurred_share": 0.5}, r"data\.blurred_share: expected a key"),
        ("liif", {"kind": "pairs"}, r"data\.kind: expected one of synthetic, pictures, list, lmdb"),
        ("liif", {"queries": 5000}, r"data\.queries: expected at most 4096"),
        ("mimo_unet", {"cache": True}, r"data\.cache: expected a key that mimo_unet takes"),
        (
            "mimo_unet",
            {"train": SplitSettings(target="a")},
            r"data\.train\.target.*another data\.kind",
        ),
        ("mimo_unet", {"kind": "pairs", "valid": SplitSettings(mask="a")}, r"data\.valid\.mask"),
        ("lmd_vit", {"kind": "npy", "train": SplitSettings(mask="a")}, r"data\.train\.mask"),
        ("mimo_unet", {"kind": "pictures", "train": SplitSettings(degraded="a")}, "train.degraded"),
        ("mimo_unet", {"kind": "pairs", "train": SplitSettings(template="{}x")}, "train.template"),
        ("liif", {"kind": "lmdb", "train": SplitSettings(degraded="a")}, r"data\.train\.degraded"),
        ("mimo_unet", {"kind": "pairs"}, r"data\.train\.target: expected a folder of pictures"),
        ("nimbusr", {"kernels": 1}, r"data\.kernels: expected more than objects, got 1"),
        ("mimo_unet", {"kind": "lmdb", "train": SplitSettings(target=".")}, "meta_info.txt beside"),
    ],
)
def test_keys_that_do_not_belong_to_a_model_are_refused(
    model: str, options: dict[str, Any], text: str, tmp_path: Path
) -> None:
    found = registry.find(model)
    with pytest.raises(InputError, match=text):
        open_task(found, found.spec("tiny"), DataSettings(**options), seed=1)


@pytest.mark.parametrize(
    "name", [one for one in recipes.names() if not one.endswith((":demo", ":small"))]
)
def test_published_recipes_lack_nothing_but_their_folders(name: str) -> None:
    found = recipes.read(name)
    with pytest.raises(InputError, match=r"data\.train\.target: expected an existing folder"):
        open_task(found.the_model(), found.the_spec(), found.data, seed=1)
