"""What is wrong with data is found before the first step, all of it, with split and path."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restoration.arrays import Arrays
from restoration.data.settings import DataSettings, SplitSettings
from restoration.data.task import Fault
from restoration.data.tasks import open_task
from restoration.data.tasks.base import PictureTask
from restoration.errors import InputError
from restoration.models import registry

SIDE = 80
RNG = np.random.default_rng(1)


def picture(height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return RNG.integers(256, size=(height, width, 3), dtype=np.uint8)


def save(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path)
    return path


def pairs(root: Path, *names: str, scale: int = 1, has_masks: bool = False) -> SplitSettings:
    """Folders of pairs, and what a recipe says of them."""
    for name in names:
        save(root / "degraded" / name, picture())
        save(root / "target" / name, picture(SIDE * scale, SIDE * scale))
        if has_masks:
            save(root / "mask" / name, np.full((SIDE, SIDE), 255, np.uint8))
    mask = str(root / "mask") if has_masks else ""
    return SplitSettings(degraded=str(root / "degraded"), target=str(root / "target"), mask=mask)


def task_of(name: str, data: DataSettings, spec: str = "tiny") -> PictureTask:
    model = registry.find(name)
    return open_task(model, model.spec(spec), data, seed=1)


def data_of(
    root: Path, *, scale: int = 1, has_masks: bool = False, **others: object
) -> DataSettings:
    """Two splits of two pairs each, without a fault."""
    train, valid = (
        pairs(root / split, "1.png", "2.png", scale=scale, has_masks=has_masks)
        for split in ("train", "valid")
    )
    return DataSettings(kind="pairs", train=train, valid=valid, **{"crop_px": 64, **others})  # type: ignore[arg-type]


def lacks_target(root: Path) -> None:
    (root / "target/2.png").unlink()


def lacks_degraded(root: Path) -> None:
    (root / "degraded/2.png").unlink()


def is_truncated(root: Path) -> None:
    path = root / "degraded/2.png"
    path.write_bytes(path.read_bytes()[:200])


def is_larger(root: Path) -> None:
    save(root / "target/2.png", picture(SIDE, SIDE + 2))


def is_small(root: Path) -> None:
    for kind in ("degraded", "target", "mask"):
        with Image.open(root / kind / "2.png") as whole:
            part = np.asarray(whole)[:40, :40]
        save(root / kind / "2.png", part)


def has_16_bits(root: Path) -> None:
    import cv2

    cv2.imwrite(str(root / "degraded/2.png"), picture().astype(np.uint16) * 257)


def is_gray(root: Path) -> None:
    save(root / "degraded/2.png", picture()[..., 0])


def has_empty_mask(root: Path) -> None:
    save(root / "mask/2.png", np.zeros((SIDE, SIDE), np.uint8))


def has_small_mask(root: Path) -> None:
    save(root / "mask/2.png", np.full((SIDE, 4), 255, np.uint8))


def lacks_mask(root: Path) -> None:
    (root / "mask/2.png").unlink()


FAULTS: dict[Callable[[Path], None], tuple[str, str]] = {
    lacks_target: ("degraded/2.png", "a degraded picture without its target"),
    lacks_degraded: ("target/2.png", "no degraded picture"),
    is_truncated: ("degraded/2.png", "check that it is whole"),
    is_larger: ("target/2.png", "target of 80x82 for a degraded picture of 80x80: expected 80x80"),
    has_16_bits: ("target/2.png", "16 bits beside a target of 8 bits"),
    is_gray: ("target/2.png", "gray beside a target in color"),
    has_empty_mask: ("target/2.png", "empty mask"),
    has_small_mask: ("target/2.png", "mask of 80x4 for a target of 80x80"),
    lacks_mask: ("target/2.png", "no mask picture"),
}


@pytest.mark.parametrize("split", ["train", "valid"])
@pytest.mark.parametrize("spoil", FAULTS)
def test_a_fault_is_found_with_its_split_and_path(
    tmp_path: Path, spoil: Callable[[Path], None], split: str
) -> None:
    data = data_of(tmp_path, has_masks=True)
    assert task_of("lmd_vit", data).faults() == []
    spoil(tmp_path / split)
    path, text = FAULTS[spoil]
    faults = task_of("lmd_vit", data).faults()
    where = tmp_path / split / path
    assert [one.split for one in faults if one.path == str(where) and text in one.problem] == [
        split
    ]
    assert len(faults) == (2 if spoil in (lacks_target, is_larger) else 1)  # the mask is there too


def test_a_picture_smaller_than_a_crop_is_a_fault_of_training_alone(tmp_path: Path) -> None:
    data = data_of(tmp_path, has_masks=True)
    for split in ("train", "valid"):
        is_small(tmp_path / split)
    (fault,) = task_of("lmd_vit", data).faults()
    assert (fault.split, fault.path) == ("train", str(tmp_path / "train/target/2.png"))
    assert fault.problem == "40x40 is smaller than a sample, 64x64"


def test_a_size_that_is_not_the_scale_s(tmp_path: Path) -> None:
    data = data_of(tmp_path, scale=2, crop_px=16)
    assert task_of("edsr", data).faults() == []
    save(tmp_path / "train/target/1.png", picture(3 * SIDE, 3 * SIDE))
    (fault,) = task_of("edsr", data).faults()
    assert fault.problem == (
        "target of 240x240 for a degraded picture of 80x80: expected 160x160, 2 times as large"
    )


def test_the_same_picture_in_two_splits(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    with Image.open(tmp_path / "train/target/1.png") as known:
        known.save(tmp_path / "valid/target/2.png", compress_level=1)  # other bytes
    (fault,) = task_of("mimo_unet", data).faults()
    assert (fault.split, fault.path) == ("valid", str(tmp_path / "valid/target/2.png"))
    assert fault.problem == f"the same picture as {tmp_path / 'train/target/1.png'} of train"


def test_all_faults_are_one_error_of_the_program_before_the_first_step(tmp_path: Path) -> None:
    data_of(tmp_path)
    lacks_target(tmp_path / "train")
    is_truncated(tmp_path / "valid")
    is_larger(tmp_path / "valid")
    folders = [
        f"data.{split}.{kind}={tmp_path / split / kind}"
        for split in ("train", "valid")
        for kind in ("degraded", "target")
    ]
    data = ["data.kind=pairs", "data.degradation=null", "data.kernel_px=15", *folders]
    words = ["mimo_unet:demo", *data, "--output", str(tmp_path / "run")]
    ended = subprocess.run(
        [sys.executable, "-m", "torch_impl.train", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert "got 2 faults" in ended.stderr
    assert f"  train: {tmp_path / 'train/degraded/2.png'}: " in ended.stderr
    assert f"  valid: {tmp_path / 'valid/degraded/2.png'}: " in ended.stderr
    assert not (tmp_path / "run").exists()


def videos(root: Path, *names: str, frames: int) -> SplitSettings:
    for name in names:
        for number in range(frames):
            save(root / name / f"{number:08}.png", picture())
    return SplitSettings(target=str(root))


def test_faults_of_videos(tmp_path: Path) -> None:
    train = videos(tmp_path / "train", "000", "001", "002", frames=6)
    valid = videos(tmp_path / "valid", "003", frames=5)
    data = DataSettings(kind="video", train=train, valid=valid, crop_px=16)
    task = task_of("self_blind_vsr", data, "tiny-train")
    frames = task.train.files(0)
    assert len(task.train) == 3 * (7 - len(frames))
    assert task.faults() == []
    spoilt = tmp_path / "train/001/00000005.png"
    spoilt.write_bytes(spoilt.read_bytes()[:100])
    for path in sorted((tmp_path / "train/002").iterdir())[len(frames) - 1 :]:
        path.unlink()
    twice = tmp_path / "valid/003/00000004.png"
    twice.write_bytes((tmp_path / "train/000/00000005.png").read_bytes())
    found = {(one.split, one.path): one.problem for one in task_of(
        "self_blind_vsr", data, "tiny-train").faults()}  # fmt: skip
    assert "check that it is whole" in found.pop(("train", str(spoilt)))
    assert "fewer than" in found.pop(("train", str(tmp_path / "train/002")))
    assert "the same picture" in found.pop(("valid", str(twice)))
    assert not found


def lmdb_of(root: Path, pictures: dict[str, np.ndarray]) -> str:
    """A data set as BasicSR makes it."""
    import cv2
    import lmdb

    root.mkdir(parents=True)
    with lmdb.open(str(root), map_size=2**24) as environment, environment.begin(write=True) as rows:
        for name, samples in pictures.items():
            rows.put(name.encode(), cv2.imencode(".png", samples[..., ::-1])[1].tobytes())
    sizes = [
        f"{name}.png ({samples.shape[0]},{samples.shape[1]},3) 1"
        for name, samples in pictures.items()
    ]
    (root / "meta_info.txt").write_text("\n".join(sizes) + "\n")
    return str(root)


def test_lmdb_and_its_faults(tmp_path: Path) -> None:
    target = {name: picture() for name in ("a", "b")}
    degraded = {"ax1": picture(), "bx1": picture()}
    split = SplitSettings(
        target=lmdb_of(tmp_path / "gt.lmdb", target),
        degraded=lmdb_of(tmp_path / "lq.lmdb", degraded),
        template="{}x1",
    )
    data = DataSettings(kind="lmdb", train=split, crop_px=SIDE)
    task = task_of("mimo_unet", data)
    assert task.faults() == []
    sample = task.sample(1, 0)
    for key, expected in (("image", degraded["bx1"]), ("target", target["b"])):
        np.testing.assert_array_equal(np.rint(sample[key][0] * 255), expected.transpose(2, 0, 1))
    wrong = SplitSettings(
        target=split.target,
        degraded=lmdb_of(tmp_path / "other.lmdb", {"ax1": picture(SIDE + 1)}),
        template="{}x1",
    )
    faults = task_of("mimo_unet", DataSettings(kind="lmdb", train=wrong, crop_px=64)).faults()
    assert [one.path.rpartition(":")[2] for one in faults] == ["b", "a"]
    assert faults[0].problem == "no degraded picture bx1"
    assert "target of 80x80 for a degraded picture of 81x80" in faults[1].problem


def npy_of(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, arrays, allow_pickle=True)  # type: ignore[arg-type]


def test_npy_samples_and_their_faults(tmp_path: Path) -> None:
    mask = np.zeros((SIDE, SIDE))
    mask[30:50, 30:50] = 1
    blurred, sharp = picture(), picture()
    npy_of(tmp_path / "a.npy", img_blur=blurred, img_gt=sharp, blur_mask=mask)
    data = DataSettings(kind="npy", train=SplitSettings(target=str(tmp_path)), crop_px=64)
    task = task_of("lmd_vit", data)
    assert task.faults() == []
    sample = task.sample(0, 0)
    assert set(np.unique(sample["mask"])) == {0, 1}
    assert sample["target"].max() <= 1
    npy_of(tmp_path / "b.npy", img_blur=blurred)
    npy_of(tmp_path / "c.npy", img_blur=blurred, img_gt=picture(), blur_mask=0 * mask)
    faults = {Path(one.path).name: one.problem for one in task_of("lmd_vit", data).faults()}
    assert "expected entries img_blur and img_gt" in faults["b.npy"]
    assert faults["c.npy"] == "empty mask: nothing in it is blurred"
    assert len(faults) == 2


def test_lists_and_templates_say_which_pictures_are_pairs(tmp_path: Path) -> None:
    shown: dict[str, Arrays] = {}
    first, second = picture(), picture()
    save(tmp_path / "in/a x2.png", first)
    save(tmp_path / "out/a.png", second)
    (tmp_path / "list.txt").write_text("in/a x2.png\tout/a.png\n")
    listed = SplitSettings(list=str(tmp_path / "list.txt"))
    folders = SplitSettings(
        degraded=str(tmp_path / "in"), target=str(tmp_path / "out"), template="{} x2"
    )
    for kind, split in (("list", listed), ("pairs", folders)):
        data = DataSettings(kind=kind, train=split, crop_px=SIDE)  # type: ignore[arg-type]
        task = task_of("mimo_unet", data)
        assert task.faults() == []
        shown[kind] = task.sample(0, 0)
        np.testing.assert_array_equal(
            np.rint(shown[kind]["image"][0] * 255), first.transpose(2, 0, 1)
        )
        np.testing.assert_array_equal(
            np.rint(shown[kind]["target"][0] * 255), second.transpose(2, 0, 1)
        )
    (tmp_path / "list.txt").write_text("in/none.png out/a.png\na b c d\n")
    faults = task_of("mimo_unet", DataSettings(kind="list", train=listed)).faults()
    assert [one.path for one in faults] == [
        f"{tmp_path / 'list.txt'}:2", str(tmp_path / "in/none.png")
    ]  # fmt: skip
    assert isinstance(faults[0], Fault)


def test_pairs_without_degraded_pictures_are_refused(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    bare = SplitSettings(target=data.valid.target)
    with pytest.raises(InputError, match=r"data\.valid\.degraded: expected a folder"):
        task_of("mimo_unet", DataSettings(kind="pairs", train=data.train, valid=bare))
    with pytest.raises(InputError, match=r"data\.train\.degraded: expected a folder"):
        task_of("mimo_unet", DataSettings(kind="pairs", train=bare, valid=data.valid))
