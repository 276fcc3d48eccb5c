"""Published data sets, arranged as the recipes name them: tiny trees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from restoration.data import prepare
from restoration.training import recipe as recipes

GOLDEN = Path(__file__).parents[1] / "golden" / "training" / "data-mimo_unet.safetensors"


def table(name: str) -> Any:
    with safe_open(GOLDEN, "np") as file:
        return json.loads(file.metadata()[name])


def write(root: Path, *names: str) -> None:
    """Files that hold their own names; nothing looks into them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def content(root: Path) -> dict[str, str]:
    """By path what the files hold, which is where they come from."""
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture
def gopro(tmp_path: Path) -> Path:
    root = tmp_path / "GOPRO_Large"
    for split, sequences in table("gopro_tree").items():
        for sequence, frames in sequences.items():
            for kind in ("blur", "blur_gamma", "sharp"):
                write(root, *(f"{split}/{sequence}/{kind}/{frame}" for frame in frames))
    return root


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], "gopro_port"), (["--names", "sequence"], "gopro_authors")],
)
def test_gopro_is_named_as_by_mindspore_s_port_or_the_authors(
    gopro: Path, tmp_path: Path, words: list[str], expected: str
) -> None:
    assert prepare.main(["gopro", str(gopro), str(tmp_path / "GOPRO"), *words]) == 0
    assert content(tmp_path / "GOPRO") == table(expected)


def test_gopro_by_the_authors_options(
    gopro: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "GOPRO"
    assert prepare.main(["gopro", "--root_src", str(gopro), "--root_dst", str(target)]) == 0
    assert content(target) == table("gopro_port")
    assert "16 files, blurred pictures from blur\n" in capsys.readouterr().out


def test_gopro_with_the_other_blur(
    gopro: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["gopro", str(gopro), str(tmp_path / "GOPRO"), "--blur", "blur_gamma"]
    assert prepare.main(words) == 0
    expected = {
        path: source.replace("/blur/", "/blur_gamma/")
        for path, source in table("gopro_port").items()
    }
    assert content(tmp_path / "GOPRO") == expected
    assert "blur_gamma" in capsys.readouterr().out


REDS = [
    f"{split}/{kind}/{video}/0000000{frame}.png"
    for split in ("train", "val")
    for kind in (f"{split}_sharp", f"{split}_sharp_bicubic/X4")
    for video in ("000", "001")
    for frame in range(2)
]


@pytest.mark.parametrize("is_flat", [True, False])
def test_reds(tmp_path: Path, is_flat: bool) -> None:
    source = tmp_path / "source"
    names = [name.partition("/")[2] for name in REDS]
    write(source, *(names if is_flat else REDS))
    assert prepare.main(["reds", str(source), str(tmp_path / "REDS")]) == 0
    # The video 000 of train is one of REDS4.
    expected = {
        f"reds4_{name.removeprefix('train_')}"
        if name.startswith("train") and "/000/" in name
        else name
        for name in names
    }
    assert content(tmp_path / "REDS").keys() == expected


def test_lsui_with_splits(tmp_path: Path) -> None:
    source = tmp_path / "source"
    names = [
        f"{split}/{kind}/{number}.jpg"
        for split, number in (("train", 1), ("train", 2), ("test", 3))
        for kind in ("input", "GT")
    ]
    write(source, *names)
    assert prepare.main(["lsui", str(source), str(tmp_path / "LSUI")]) == 0
    assert content(tmp_path / "LSUI") == {name.replace("GT", "gt"): name for name in sorted(names)}


def test_the_last_pictures_of_lsui_by_number_are_tested(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, *(f"{kind}/{number}.jpg" for number in range(12) for kind in ("input", "GT")))
    words = ["lsui", str(source), str(tmp_path / "LSUI"), "--test-pictures", "3"]
    assert prepare.main(words) == 0
    assert content(tmp_path / "LSUI") == {
        f"{'train' if number < 9 else 'test'}/{kind}/{number}.jpg": f"{theirs}/{number}.jpg"
        for number in range(12)
        for kind, theirs in (("input", "input"), ("gt", "GT"))
    }


DIV2K = [
    f"DIV2K_{split}_{name}.png"
    for split, number in (("train", "0001"), ("train", "0002"), ("valid", "0801"))
    for name in (f"HR/{number}", f"LR_bicubic/X2/{number}x2", f"LR_bicubic/X4/{number}x4")
]


def test_div2k(tmp_path: Path) -> None:
    write(tmp_path / "source", *DIV2K)
    assert prepare.main(["div2k", str(tmp_path / "source"), str(tmp_path / "DIV2K")]) == 0
    assert content(tmp_path / "DIV2K") == {name: name for name in sorted(DIV2K)}


RELOBLUR = [
    name
    for split in ("train", "test")
    for name in (
        f"dataset/{split}/s1/02/001_blur.png",
        f"dataset/{split}/s1/02/001_sharp.png",
        f"masks/{split}/s1/02/001.png",
    )
]


@pytest.mark.parametrize("is_inside", [True, False])
def test_reloblur(tmp_path: Path, is_inside: bool) -> None:
    write(tmp_path / "source", *RELOBLUR)
    if not is_inside:
        for split in ("train", "test"):
            (tmp_path / "source/dataset" / split).rename(tmp_path / "source" / split)
        (tmp_path / "source/dataset").rmdir()
        mask = tmp_path / "source/masks/test/s1/02/001.png"
        mask.rename(mask.with_name("001_mask.png"))
    assert prepare.main(["reloblur", str(tmp_path / "source"), str(tmp_path / "ReLoBlur")]) == 0
    found = content(tmp_path / "ReLoBlur")
    assert found["train/sharp/s1_02_001.png"] == "dataset/train/s1/02/001_sharp.png"
    assert found["test/blur/s1_02_001.png"] == "dataset/test/s1/02/001_blur.png"
    assert found["test/mask/s1_02_001.png"] == "masks/test/s1/02/001.png"
    assert len(found) == 6


LSUI = [f"{split}/{kind}/1.jpg" for split in ("train", "test") for kind in ("input", "GT")]
RECIPES = {
    "mimo_unet": ("GOPRO", list(table("gopro_port").values())),
    "self_blind_vsr": ("REDS", REDS),
    "edsr": ("DIV2K", DIV2K),
    "lmd_vit": ("ReLoBlur", RELOBLUR),
    "phaseformer": ("LSUI", LSUI),
}


@pytest.mark.parametrize("model", RECIPES)
def test_recipes_name_the_folders_that_are_made(model: str, tmp_path: Path) -> None:
    folder, names = RECIPES[model]
    write(tmp_path / "source", *names)
    words = [folder.lower(), str(tmp_path / "source"), str(tmp_path / folder)]
    assert prepare.main(words) == 0
    data = recipes.read(model).data
    for split in (data.train, data.valid):
        for path in (split.target, split.degraded, split.mask):
            assert not path or any((tmp_path / path).iterdir())


FAULTS = {
    "gopro": (
        ["train/one/blur/1.png", "train/one/sharp/2.png", "train/two/sharp/1.png"],
        [
            "train/one/blur/1.png: a blurred picture without its sharp one",
            "train/one/sharp/2.png: a sharp picture without its blurred one",
            "train/two/blur: no such folder",
            "test: no such folder",
        ],
    ),
    "reds": (
        ["train_sharp/000.png", "val_sharp/000/00000000.png"],
        ["train_sharp: no folders in it; expected a folder of frames for each video"],
    ),
    "lsui": (
        ["input/1.jpg", "input/2.jpg", "GT/2.jpg", "GT/3.jpg"],
        [
            "input/1.jpg: a degraded picture without its reference one",
            "GT/3.jpg: a reference picture without its degraded one",
            "2 pictures, of which 400 are to be tested; see --test-pictures",
        ],
    ),
    "div2k": (
        [
            "DIV2K_train_HR/0001.png",
            "DIV2K_train_LR_bicubic/X4/0002x4.png",
            "DIV2K_valid_HR/readme.txt",
        ],
        [
            "X4/0002x4.png: a reduced picture without its original",
            "X4/0001x4.png: missing: its original is there",
            "DIV2K_valid_HR: no pictures",
        ],
    ),
    "reloblur": (
        ["dataset/train/s1/02/001_sharp.png", "dataset/train/s1/03/001_blur.png"],
        [
            "02/001_blur.png: missing: the blur of",
            "masks/train/s1/02/001.png: missing: the mask of",
            "03/001_sharp.png: missing: the sharp of",
            "masks/train/s1/03/001.png: missing: the mask of",
            "dataset/test: no such folder",
        ],
    ),
}


@pytest.mark.parametrize("dataset", FAULTS)
def test_a_wrong_layout_is_one_error_that_lists_all(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, expected = FAULTS[dataset]
    write(tmp_path / "source", *names)
    assert prepare.main([dataset, str(tmp_path / "source"), str(tmp_path / "DST")]) == 3
    error = capsys.readouterr().err
    for text in expected:
        assert text in error
    assert error.count("prepare:") == 1
    assert len(error.splitlines()) == 1 + len(expected)
    assert not list(tmp_path.glob("DST*"))


def test_what_was_begun_goes_on(
    gopro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is named DST before it is complete; files that are there are not copied again."""
    target = tmp_path / "GOPRO"
    copied: list[Path] = []
    copy = prepare.shutil.copyfile

    def limited(source: Path, beside: Path) -> None:
        if len(copied) == 5:
            beside.write_text("half")
            raise KeyboardInterrupt
        copied.append(source)
        copy(source, beside)

    monkeypatch.setattr(prepare.shutil, "copyfile", limited)
    assert prepare.main(["gopro", str(gopro), str(target)]) == 130
    assert not target.exists()
    monkeypatch.setattr(
        prepare.shutil, "copyfile", lambda *paths: (copied.append(paths[0]), copy(*paths))
    )
    assert prepare.main(["gopro", str(gopro), str(target)]) == 0
    assert content(target) == table("gopro_port")
    assert len(copied) == len(set(copied)) == 16
    assert prepare.main(["gopro", str(gopro), str(target)]) == 0
    assert len(copied) == 16


def test_what_another_command_began_is_left_alone(
    gopro: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "GOPRO"
    assert prepare.main(["gopro", str(gopro), str(target)]) == 0
    assert prepare.main(["gopro", str(gopro), str(target), "--names", "sequence"]) == 3
    assert "expected a new folder" in capsys.readouterr().err
    target.rename(tmp_path / "GOPRO.partial")
    assert prepare.main(["gopro", str(gopro), str(target), "--names", "sequence"]) == 3
    assert "what another command began" in capsys.readouterr().err


def test_links_take_no_room(gopro: Path, tmp_path: Path) -> None:
    assert prepare.main(["gopro", str(gopro), str(tmp_path / "GOPRO"), "--link"]) == 0
    assert content(tmp_path / "GOPRO") == table("gopro_port")
    assert (tmp_path / "GOPRO/train/blur/1.png").is_symlink()


@pytest.mark.parametrize(
    "words",
    [
        ["gopro", "SRC"],
        ["gopro", "SRC", "DST", "--root_src", "SRC"],
        ["reds", "SRC", "DST", "--names", "sequence"],
        ["lsui", "SRC", "DST", "--test-pictures", "0"],
        ["set5", "SRC", "DST"],
    ],
)
def test_words_that_are_wrong_are_bad_input(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        prepare.main(words)
    assert ended.value.code == 3
