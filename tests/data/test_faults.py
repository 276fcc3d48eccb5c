"""Everything that is wrong with data is known before the first step, with its split and file."""

from __future__ import annotations

from pathlib import Path

import lmdb
import numpy as np
import pytest

from restoration import images
from restoration.data.settings import DataSettings, SplitSettings
from restoration.data.tasks import open_task
from restoration.data.tasks.base import PictureTask
from restoration.errors import InputError
from restoration.models import registry

RNG = np.random.default_rng(0)


def saved(
    path: Path, height: int = 24, width: int = 24, *, bits: int = 8, gray: bool = False
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.random((1, 3, height, width)).astype(np.float32)
    if gray:
        pixels = np.repeat(pixels[:, :1], 3, axis=1)
    images.write_image(path, images.Image(pixels, bits=bits, is_gray=gray))
    return path


def task(name: str, spec: str = "tiny", **values: object) -> PictureTask:
    model = registry.find(name)
    return open_task(model, model.spec(spec), DataSettings(**values), seed=1)  # type: ignore[arg-type]


def split(root: Path, **folders: str) -> SplitSettings:
    return SplitSettings(**{key: str(root / folder) for key, folder in folders.items()})


def problems(of: PictureTask) -> dict[str, str]:
    return {f"{fault.split}/{Path(fault.path).name}": fault.problem for fault in of.faults()}


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    for name in ("good", "size", "depth", "color", "corrupt", "lonely", "small", "shared", "mask"):
        saved(tmp_path / "sharp" / f"{name}.png", *((8, 8) if name == "small" else ()))
        if name != "lonely":
            saved(
                tmp_path / "blur" / f"{name}.png",
                *{"size": (24, 20), "small": (8, 8)}.get(name, ()),
                bits=16 if name == "depth" else 8,
                gray=name == "color",
            )
        saved(tmp_path / "masks" / f"{name}.png", *((8, 8) if name == "small" else ()))
    saved(tmp_path / "blur" / "stranger.png")
    (tmp_path / "blur" / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    empty = images.Image(np.zeros((1, 3, 24, 24), np.float32))
    images.write_image(tmp_path / "masks" / "mask.png", empty)
    for kind in ("sharp", "blur"):
        (tmp_path / "valid" / kind).mkdir(parents=True)
        copy = (tmp_path / kind / "shared.png").read_bytes()
        (tmp_path / "valid" / kind / "renamed.png").write_bytes(copy)
    found = problems(
        task(
            "mimo_unet",
            kind="pairs",
            crop_px=16,
            train=split(tmp_path, target="sharp", degraded="blur", mask="masks"),
            valid=split(tmp_path / "valid", target="sharp", degraded="blur"),
        )
    )
    assert "no degraded picture" in found.pop("train/lonely.png")
    assert "without its target" in found.pop("train/stranger.png")
    assert "expected 24x20" in found.pop("train/size.png")
    assert "16 bits beside a target of 8 bits" in found.pop("train/depth.png")
    assert "gray beside a target in color" in found.pop("train/color.png")
    assert "corrupt.png" in found.pop("train/corrupt.png")
    assert "smaller than a sample" in found.pop("train/small.png")
    assert "empty mask" in found.pop("train/mask.png")
    assert "the same picture as" in found.pop("valid/renamed.png")
    assert not found


def test_a_target_that_is_not_as_many_times_as_large_is_a_fault(tmp_path: Path) -> None:
    saved(tmp_path / "HR/0001.png", 48, 48)
    saved(tmp_path / "LR/0001x2.png", 20, 24)
    low = SplitSettings(target=str(tmp_path / "HR"), degraded=str(tmp_path / "LR"), template="{}x2")
    found = problems(task("edsr", kind="pairs", crop_px=8, train=low))
    assert "expected 40x48, 2 times as large" in found["train/0001.png"]


def test_a_key_that_changes_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match=r"data\.queries: .*mimo_unet"):
        task("mimo_unet", queries=3)
    with pytest.raises(InputError, match=r"data\.resize_px"):
        task("edsr", resize_px=32)
    with pytest.raises(InputError, match=r"data\.train\.target"):
        task("mimo_unet", kind="pictures")
    with pytest.raises(InputError, match=r"data\.kind"):
        task("mimo_unet", kind="video")


@pytest.mark.parametrize("kind", ["pairs", "list", "lmdb"])
def test_pairs_come_the_same_from_folders_lists_and_databases(tmp_path: Path, kind: str) -> None:
    files = {
        part: [saved(tmp_path / part / f"{number}.png") for number in range(3)]
        for part in ("sharp", "blur")
    }
    where = split(tmp_path, target="sharp", degraded="blur")
    if kind == "list":
        lines = [f"blur/{number}.png sharp/{number}.png" for number in range(3)]
        (tmp_path / "pairs.txt").write_text("\n".join(lines))
        where = split(tmp_path, list="pairs.txt")
    if kind == "lmdb":
        for part, paths in files.items():
            root = tmp_path / f"{part}.lmdb"
            with lmdb.open(str(root), map_size=1 << 24) as base, base.begin(write=True) as writing:
                for path in paths:
                    writing.put(path.stem.encode(), path.read_bytes())
            names = "\n".join(f"{path.name} (24,24,3) 1" for path in paths)
            (root / "meta_info.txt").write_text(names)
        where = split(tmp_path, target="sharp.lmdb", degraded="blur.lmdb")
    opened = task("mimo_unet", kind=kind, crop_px=24, train=where)
    assert opened.faults() == []
    for number in range(3):
        sample = opened.sample(number, 0)
        for name, part in (("image", "blur"), ("target", "sharp")):
            expected = images.read_image(files[part][number]).pixels
            np.testing.assert_array_equal(sample[name], expected)


def test_clips_are_consecutive_frames_of_one_video(tmp_path: Path) -> None:
    for video, count in (("a", 6), ("b", 5), ("c", 4)):
        for number in range(count):
            saved(tmp_path / "videos" / video / f"{number:03}.png", 40, 40)
    opened = task("self_blind_vsr", kind="video", crop_px=8, train=split(tmp_path, target="videos"))
    assert len(opened) == 2 + 1
    assert "4 frames, fewer than 5" in problems(opened)["train/c"]
    assert opened.sample(2, 0)["frames"].shape == (1, 5, 3, 8, 8)


def test_samples_of_reloblur_have_masks(tmp_path: Path) -> None:
    shape = (64, 64, 3)
    sample = {
        "img_blur": RNG.integers(256, size=shape, dtype=np.uint8),
        "img_gt": RNG.integers(256, size=shape, dtype=np.uint8),
        "blur_mask": np.eye(64),
    }
    np.save(tmp_path / "one.npy", sample)  # type: ignore[arg-type]
    opened = task("lmd_vit", kind="npy", crop_px=64, train=SplitSettings(target=str(tmp_path)))
    found = opened.sample(0, 0)
    np.testing.assert_array_equal(found["mask"][0, 0], np.eye(64))
    assert opened.faults() == []
