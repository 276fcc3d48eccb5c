"""`mindspore_impl/model_zoo.py`: a configuration as a recipe; files that are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from mindspore_impl import model_zoo
from restoration.errors import InputError
from restoration.evaluation.protocols import score
from restoration.training.recipe import Recipe
from tests.model_zoo import tree

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "training" / "eval-mimo_unet.safetensors")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree.make(tmp_path_factory.mktemp("zoo"))


def _recipe(data: Path, *words: str, world: int = 1) -> Recipe:
    given = ["--dataset_root", str(data), "--crop_px", "32", "--train_batch_size", "2", *words]
    return model_zoo.recipe_of(model_zoo.parse("train", given), world)


def test_the_configurations_numbers_are_the_recipes(data: Path) -> None:
    words = ["--learning_rate", "0.0005", "--epochs_num", "6", "--seed", "5"]
    found = _recipe(data, *words, "--ckpt_save_frequency", "3", "--val_acc_monitor_interval", "2")
    assert (found.model, found.spec, found.batch, found.epochs) == ("mimo_unet", "published", 2, 6)
    assert (found.optimizer.learning_rate, found.seed) == (0.0005, 5)
    assert (found.checkpoints.every, found.validation.every) == (6, 4)  # two steps an epoch
    assert (found.loss.name, found.loss.settings) == ("MultiScaleLoss", {})
    assert (found.graph, found.precision, found.data.drop_last) == (True, "float32", True)


def test_a_batch_is_of_each_device(data: Path) -> None:
    assert _recipe(data, world=2).batch == 4


def test_the_ports_loss_and_resizing_are_switches(data: Path) -> None:
    found = _recipe(data, "--loss", "port", "--resize", "port")
    assert found.loss.settings == {"spectral_weight": 0.0, "labels": "nearest"}
    assert found.settings == {"resize": "asymmetric"}


def test_model_name_chooses_the_network(data: Path) -> None:
    assert _recipe(data, "--model_name", "MIMO-UNetPlus").model == "mimo_unet_plus"


def test_a_slice_takes_so_many_pictures_of_both_splits(data: Path) -> None:
    found = _recipe(data, "--slice_dataset", "2", "--epochs_num", "3")
    assert found.data.train.limit == found.data.valid.limit == 2
    assert found.validation.every == 3  # one step an epoch


@pytest.mark.parametrize(
    ("level", "is_half", "is_whole"),
    [("O0", False, False), ("O1", True, False), ("O2", True, True), ("O3", True, True)],
)
def test_levels_of_precision(data: Path, level: str, is_half: bool, is_whole: bool) -> None:
    found = _recipe(data, "--amp_level", level)
    assert (found.precision == "float16", found.precision_whole) == (is_half, is_whole)
    assert found.loss_scale == ("dynamic" if is_half else None)


def test_a_network_is_not_trained_with_both_resizings(data: Path) -> None:
    with pytest.raises(InputError, match="expected nearest or port"):
        _recipe(data, "--resize", "both")


def test_several_processes_are_as_the_configuration_says(monkeypatch: pytest.MonkeyPatch) -> None:
    found = model_zoo.parse("train", ["--is_train_distributed", "True"])
    with pytest.raises(InputError, match="run_distribute_train"):
        model_zoo.world_of(found)
    monkeypatch.setenv("MS_WORKER_NUM", "2")
    assert model_zoo.world_of(found) == 2


def test_checkpoints_are_named_as_mindspore_names_them(tmp_path: Path) -> None:
    found = [model_zoo.checkpoint_file(tmp_path, step, 525).name for step in (1, 52500, 52501)]
    assert found == ["MIMO-UNet-1_1.ckpt", "MIMO-UNet-100_525.ckpt", "MIMO-UNet-101_1.ckpt"]


def test_the_newest_forty_checkpoints_are_kept(tmp_path: Path) -> None:
    for epoch in range(1, 43):
        path = model_zoo.checkpoint_file(tmp_path, epoch * 5, 5)
        path.touch()
        path.with_name(f"{path.name}.manifest.json").touch()
    (tmp_path / "MIMO-UNet-mine.ckpt").touch()
    model_zoo.keep_newest(tmp_path, 40)
    left = {path.name for path in tmp_path.glob("*_*.ckpt")}
    assert left == {f"MIMO-UNet-{epoch}_5.ckpt" for epoch in range(3, 43)}
    assert len(list(tmp_path.glob("*.json"))) == 40
    assert (tmp_path / "MIMO-UNet-mine.ckpt").exists()


@pytest.mark.parametrize("number", range(3))
def test_saved_pictures_are_the_known_ports_bytes(tmp_path: Path, number: int) -> None:
    label = GOLDEN[f"inputs/label{number}"]
    blurred = (label.transpose(2, 0, 1)[None] / 255).astype(np.float32)
    model_zoo.write_pictures(tmp_path, number, blurred, GOLDEN[f"inputs/output{number}"][None])
    saved = np.asarray(Image.open(tmp_path / f"{number}_pred.png"))
    np.testing.assert_array_equal(saved, GOLDEN[f"port/saved{number}"])
    again = np.asarray(Image.open(tmp_path / f"{number}_blur.png"))
    truncated = (np.float32(label) / np.float32(255) * np.float32(255)).astype(np.uint8)
    np.testing.assert_array_equal(again, truncated)


@pytest.mark.parametrize("number", range(3))
def test_both_numbers_are_those_of_both_programs(number: int) -> None:
    label = GOLDEN[f"inputs/label{number}"].transpose(2, 0, 1) / 255
    output = GOLDEN[f"inputs/output{number}"]
    for protocol, key in zip(model_zoo.PROTOCOLS, ("outputs", "port"), strict=True):
        found = score(protocol, label, output).psnr_db
        assert found == pytest.approx(GOLDEN[f"{key}/psnr"][number], abs=1e-5)


def test_the_better_resizing_is_said_with_the_difference() -> None:
    said = model_zoo.better({"nearest": 31.5, "port": 31.25})
    assert said == "resize: nearest gives the higher PSNR, by 0.250 dB (mimo_unet-gopro)"


def test_flipping_before_or_after_cropping_gives_the_same_crops_as_often() -> None:
    """The known port flips first; whichever is first, every window comes in both directions."""
    picture = np.arange(6 * 7).reshape(6, 7)

    def windows(array: np.ndarray) -> list[np.ndarray]:
        return [array[i : i + 4, j : j + 4] for i in range(3) for j in range(4)]

    flipped_first = [w for flip in (1, -1) for w in windows(picture[:, ::flip])]
    cropped_first = [w[:, ::flip] for flip in (1, -1) for w in windows(picture)]
    assert sorted(w.tobytes() for w in flipped_first) == sorted(w.tobytes() for w in cropped_first)
