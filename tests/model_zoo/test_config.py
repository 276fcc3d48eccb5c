"""`mindspore_impl/config.py`: values, help texts and choices; every key a flag."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindspore_impl import config, model_zoo
from restoration.errors import InputError

SHEET = {
    "enable_modelarts": False,
    "data_url": "",
    "train_url": "",
    "checkpoint_url": "",
    "data_path": "/cache/data",
    "output_path": "/cache/train",
    "load_path": "/cache/checkpoint_path",
    "device_id": 0,
    "is_train_distributed": False,
    "model_name": "MIMO-UNet",
    "dataset_root": "/path/to/dataset/",
    "train_batch_size": 4,
    "ckpt_save_frequency": 100,
    "ckpt_save_directory": "saving/ckpt/directory",
    "img_save_directory": "",
    "learning_rate": 0.0001,
    "num_worker": 8,
    "epochs_num": 3000,
    "train_use_data_sink": False,
    "ckpt_file": "/path/to/trained/checkpoint.ckpt",
    "eval_use_data_sink": False,
    "eval_batch_size": 1,
    "export_batch_size": 1,
    "export_file_name": "MIMO-UNet",
    "export_file_format": "MINDIR",
}
"""Keys and defaults that the known port's file has on every device."""

DEVICES = {"cpu": "CPU", "cuda": "GPU", "ascend": "Ascend"}


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_has_the_known_ports_keys_and_defaults_and_a_help_for_each(device: str) -> None:
    found = config.read(config.path_of(device))
    assert {key: found.values[key] for key in SHEET} == SHEET
    assert found.values["device_target"] == found.values["export_device_target"] == DEVICES[device]
    assert found.helps.keys() == found.values.keys()
    assert all(found.helps.values())
    assert all(found.values[key] in options for key, options in found.choices.items())


def test_devices_differ_by_their_names_alone() -> None:
    files = [config.read(config.path_of(device)) for device in DEVICES]
    for found in files[1:]:
        assert found.helps == files[0].helps
        assert found.choices == files[0].choices
        differing = {k for k in found.values if found.values[k] != files[0].values[k]}
        assert differing == {"device_target", "export_device_target"}


def test_flags_are_parsed_by_the_type_of_the_default() -> None:
    words = ["--is_train_distributed", "True", "--learning_rate", "1", "--epochs_num=2"]
    found = config.parse("train", [*words, "--dataset_root", "7"], device="cpu")
    assert found.is_train_distributed is True
    assert (found.learning_rate, type(found.learning_rate)) == (1.0, float)
    assert (found.epochs_num, found.dataset_root) == (2, "7")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epoch_num", "2"], "did you mean 'epochs_num'?"),
        (["--train_batch_size", "four"], "train_batch_size: expected a whole number, got 'four'"),
        (["--is_train_distributed", "2"], "expected True or False, got '2'"),
        (["--resize", "neares"], "did you mean 'nearest'?"),
        (["mimo_unet", "--seed", "2"], "a RECIPE takes none of the configuration's"),
        (["--dataset_roo", "D"], "did you mean 'dataset_root'?"),
    ],
)
def test_what_cannot_be_is_an_error_with_the_nearest_name(words: list[str], said: str) -> None:
    with pytest.raises(InputError) as problem:
        config.parse("train", words, device="cpu")
    assert said in str(problem.value)


def test_a_file_of_ones_own_says_what_it_says_and_the_rest_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("epochs_num: 7\n---\nepochs_num: how long\n")
    found = config.parse("train", ["--config_path", str(path), "--seed", "3"], device="cpu")
    assert (found.epochs_num, found.seed, found.train_batch_size) == (7, 3, 4)


def test_an_unknown_key_of_a_file_is_an_error_with_the_nearest_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("epoch_nums: 7\n")
    with pytest.raises(InputError, match="did you mean 'epochs_num'"):
        config.parse("train", ["--config_path", str(path)], device="cpu")


def test_one_flag_of_the_configuration_is_enough_and_ours_are_none() -> None:
    assert config.is_given(["--dataset_root", "D"])
    assert config.is_given(["--config_path=x.yaml"])
    assert config.is_given(["--dataset_rot", "D"])  # for its error to name the nearest
    assert not config.is_given(["mimo_unet:demo", "seed=2", "--output", "x"])
    assert not config.is_given(["D", "--model_name", "mimo_unet"], apart_from=["model_name"])


def test_model_arts_is_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match="copy the data to a folder"):
        model_zoo.parse("train", ["--enable_modelarts", "True"])
