"""Published data sets become folders to train on, named as the authors' programs name them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from restoration.data import prepare

GOLDEN = Path(__file__).parents[1] / "golden" / "training" / "data-mimo_unet.safetensors"
with safe_open(GOLDEN, "np") as _file:
    TABLES = {key: value for key, value in _file.metadata().items() if key.startswith("gopro_")}


def grown(root: Path, *paths: str) -> Path:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.encode())
    return root


def gopro_tree(root: Path) -> Path:
    tree = json.loads(TABLES["gopro_tree"])
    return grown(
        root,
        *(
            f"{split}/{sequence}/{kind}/{name}"
            for split, sequences in tree.items()
            for sequence, names in sequences.items()
            for name in names
            for kind in ("blur", "blur_gamma", "sharp")
        ),
    )


@pytest.mark.parametrize(
    ("names", "table"), [("sequence", "gopro_authors"), ("numbered", "gopro_port")]
)
def test_gopro_gets_the_names_of_both_repositories(tmp_path: Path, names: str, table: str) -> None:
    source, target = gopro_tree(tmp_path / "source"), tmp_path / "target"
    assert prepare.main(["gopro", str(source), str(target), "--names", names]) == 0
    written = {
        path.relative_to(target).as_posix(): path.read_text() for path in target.rglob("*.png")
    }
    assert written == json.loads(TABLES[table])


def test_the_other_blurred_version_is_taken_when_named(tmp_path: Path) -> None:
    source, target = gopro_tree(tmp_path / "source"), tmp_path / "target"
    words = ["gopro", "--root_src", str(source), "--root_dst", str(target), "--blur", "blur_gamma"]
    assert prepare.main(words) == 0
    assert "/blur_gamma/" in (target / "train/blur/1.png").read_text()


def test_a_picture_without_partner_is_named_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = gopro_tree(tmp_path / "source"), tmp_path / "target"
    (source / "train/GOPR0372_07_00/sharp/000047.png").unlink()
    assert prepare.main(["gopro", str(source), str(target)]) == 3
    assert "000047.png" in capsys.readouterr().err
    assert not target.exists()


def test_the_other_layouts(tmp_path: Path) -> None:
    source = grown(
        tmp_path,
        "reds/train_sharp/000/00000000.png",
        "reds/train_sharp/001/00000000.png",
        "lsui/input/9.jpg",
        "lsui/input/10.jpg",
        "lsui/GT/9.jpg",
        "lsui/GT/10.jpg",
        *(f"div2k/DIV2K_{split}_HR/0001.png" for split in ("train", "valid")),
        *(f"div2k/DIV2K_{split}_LR_bicubic/X4/0001x4.png" for split in ("train", "valid")),
        *(
            f"relo/dataset/{split}/s01/02/7_{kind}.png"
            for split in ("train", "test")
            for kind in ("sharp", "blur")
        ),
        *(f"relo/masks/{split}/s01/02/7_mask.png" for split in ("train", "test")),
    )
    found = {path.as_posix() for path in prepare.reds(source / "reds")}
    assert found == {"test/000/00000000.png", "train/001/00000000.png"}
    found = {path.as_posix() for path in prepare.lsui(source / "lsui", test=1)}
    assert found == {"train/input/9.jpg", "train/gt/9.jpg", "test/input/10.jpg", "test/gt/10.jpg"}
    found = {path.as_posix() for path in prepare.div2k(source / "div2k")}
    assert {"train/HR/0001.png", "train/LR_bicubic_x4/0001.png"} < found
    found = {path.as_posix() for path in prepare.reloblur(source / "relo")}
    assert {"train/blur/s01_02_7.png", "train/mask/s01_02_7.png"} < found
