"""MIMO-UNet as users of the MindSpore model zoo run it: their configuration in the suite's terms.

The programs `train`, `evaluate` and `export` take it where they are given one of its flags, and do
with it what they do without; nothing is trained, scored or exported here.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mindspore_impl import config
from restoration.data.tasks import open_task
from restoration.errors import InputError
from restoration.images import Image, write_image
from restoration.training import recipe as recipes
from restoration.training.recipe import Recipe

PREFIX = "MIMO-UNet"
"""What names of .ckpt files begin with, for every network, as the known port has it."""

PROTOCOLS = ("mimo_unet-gopro", "mimo_unet-mindspore")
"""The paper's number, and the one that the known port prints: of the output that is not clamped."""

MODELS = {"MIMO-UNet": "mimo_unet", "MIMO-UNetPlus": "mimo_unet_plus"}
RESIZE = {"nearest": "nearest", "port": "asymmetric"}
"""What the two ways of resizing are called in hyper-parameters."""

_PRECISIONS: dict[str, dict[str, Any]] = {
    "O0": {},
    "O1": {"precision": "float16"},
    "O2": {"precision": "float16", "precision_whole": True},
    "O3": {"precision": "float16", "precision_whole": True},
}
"""O2 keeps batch normalization in float32; there is none here, so it is O3."""

_DEVICE_FILES = {"ascend": "/dev/davinci_manager", "cuda": "/dev/nvidiactl"}
_HALVED_EVERY = 500


def check_network(found: Namespace, model_of: Callable[[Path], str]) -> None:
    """Raise InputError where the checkpoint is of the other network: as MIMO-UNet and MIMO-UNet+
    differ in their depth alone, its numbers would be those of a network that nobody asked for.

    model_of: gives the model that a file's weights are detected as.
    """
    path, expected = Path(found.ckpt_file), MODELS[found.model_name]
    try:
        detected = model_of(path)
    except InputError:
        return  # of any size, it may be either's; what it lacks is said where it is loaded
    if detected != expected and detected in MODELS.values():
        (name,) = (name for name, model in MODELS.items() if model == detected)
        raise InputError(
            "--ckpt_file",
            expected=f"weights of {found.model_name}",
            got=f"weights of {name}",
            where=str(path),
            next_step=f"--model_name {name}",
        )


def parse(program: str, words: Sequence[str], more: ArgumentParser | None = None) -> Namespace:
    """The configuration that a command line says; `config.parse` with the device that is here.

    Raises:
        InputError: an unknown key or flag, or a value that cannot be, ModelArts among them.
    """
    device = device_here()
    found = config.parse(program, words, device=device, more=more)
    if found.config_path == config.path_of(device):
        say(f"configuration: {found.config_path.name}, since the device is {device}")
    if found.enable_modelarts:
        raise InputError(
            "enable_modelarts",
            expected="False",
            got="True",
            where="configuration",
            next_step="copy the data to a folder, and give that by --dataset_root",
        )
    return found


def device_here() -> str:
    """The device that this build of MindSpore can use, by the suite's name; without importing it,
    which must wait for `runtime.prepare`."""
    found = importlib.util.find_spec("mindspore")
    plugins = Path(found.origin).parent / "lib" / "plugin" if found and found.origin else Path()
    names = [path.name for path in plugins.iterdir()] if plugins.is_dir() else []
    for device, file in _DEVICE_FILES.items():
        plugin = {"ascend": "ascend", "cuda": "gpu"}[device]
        if Path(file).exists() and any(plugin in name for name in names):
            return device
    return "cpu"


def device_of(found: Namespace, key: str = "device_target") -> str:
    """The device of a configuration, by the suite's name; `device_id` chooses among several."""
    device = config.DEVICES[getattr(found, key)]
    if device != "cpu" and not found.is_train_distributed:
        os.environ.setdefault("DEVICE_ID", str(found.device_id))  # of Ascend
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", str(found.device_id))
    return device


def world_of(found: Namespace) -> int:
    """How many processes train together.

    Raises:
        InputError: msrun started some and the configuration does not say so, or the reverse.
    """
    world = int(os.environ.get("MS_WORKER_NUM", "1"))
    if found.is_train_distributed != (world > 1):
        raise InputError(
            "is_train_distributed",
            expected=f"{world > 1}, with {world} processes",
            got=str(found.is_train_distributed),
            where="configuration",
            next_step="start several by scripts/run_distribute_train_gpu.sh, one by "
            "scripts/run_standalone_train_gpu.sh",
        )
    return world


def recipe_of(found: Namespace, world: int = 1) -> Recipe:
    """The recipe that a configuration is: the published one with other numbers.

    Raises:
        InputError: the data set is not there, or the network cannot be trained so.
    """
    if found.resize == "both":
        raise one_resize()
    limit = found.slice_dataset or None
    splits = {
        key: {**folders_of(found.dataset_root, split), "limit": limit}
        for key, split in (("train", "train"), ("valid", "test"))
    }
    plain = recipes.plain_recipe(MODELS[found.model_name])
    plain["data"] |= {**splits, "crop_px": found.crop_px, "drop_last": True}
    plain |= {
        "spec": found.spec,
        "settings": {"resize": RESIZE[found.resize]},
        "about": f"By the configuration {found.config_path.name}.",
        "batch": found.train_batch_size * world,
        "epochs": found.epochs_num,
        "seed": found.seed,
        "workers": found.num_worker,
        "graph": found.mode == "graph",
        **_PRECISIONS[found.amp_level],
    }
    plain["schedule"] |= {"every": _HALVED_EVERY}
    plain["optimizer"]["learning_rate"] = found.learning_rate
    if found.amp_level != "O0":
        plain["loss_scale"] = _loss_scale(found.loss_scale)
    if found.loss == "port":
        plain["loss"]["settings"] = {"spectral_weight": 0.0, "labels": "nearest"}
    return _with_epochs(recipes.from_plain(plain, str(found.config_path)), found)


def folders_of(root: str, split: str) -> dict[str, str]:
    """The two folders of pictures of a split of a prepared data set.

    Raises:
        InputError: one is not there.
    """
    found = {"degraded": Path(root) / split / "blur", "target": Path(root) / split / "sharp"}
    for folder in found.values():
        if not folder.is_dir():
            raise InputError(
                "dataset_root",
                expected=f"a folder with {split}/blur and {split}/sharp",
                got=f"one without {folder.relative_to(root)}" if Path(root).is_dir() else "nothing",
                where=root,
                next_step="as --dataset_root D; python -m restoration.data.prepare gopro "
                "--root_src GOPRO_Large --root_dst D makes it",
            )
    return {key: str(folder) for key, folder in found.items()}


def one_resize() -> InputError:
    """The error where a network is built that can resize in one way alone."""
    return InputError(
        "resize",
        expected="nearest or port",
        got="both, which is for evaluation",
        where="configuration",
        next_step="as --resize nearest",
    )


def better(psnr_db: Mapping[str, float]) -> str:
    """Which of two ways of resizing gives the higher PSNR, in words."""
    (best, high), (_, low) = sorted(psnr_db.items(), key=lambda one: -one[1])
    if high == low:
        return "resize: both ways give the same PSNR"
    return f"resize: {best} gives the higher PSNR, by {high - low:.3f} dB ({PROTOCOLS[0]})"


def _with_epochs(recipe: Recipe, found: Namespace) -> Recipe:
    """What a configuration counts in epochs, in steps."""
    task = open_task(recipe.the_model(), recipe.the_spec(), recipe.data, seed=recipe.seed)
    steps = max(len(task) // recipe.batch, 1)
    interval = found.val_acc_monitor_interval or found.epochs_num
    for key in ("ckpt_save_frequency", "val_acc_monitor_interval", "slice_dataset"):
        if getattr(found, key) < (key == "ckpt_save_frequency"):
            raise InputError(
                key,
                expected="a whole number of at least " + str(int(key == "ckpt_save_frequency")),
                got=str(getattr(found, key)),
                where="configuration",
                next_step=f"as --{key} 1",
            )
    return replace(
        recipe,
        validation=replace(recipe.validation, every=interval * steps),
        checkpoints=replace(recipe.checkpoints, every=found.ckpt_save_frequency * steps),
        log_every=steps,
    )


def _loss_scale(text: str) -> float | str:
    if text == "dynamic":
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(
            "loss_scale",
            expected="a number, or dynamic",
            got=repr(text),
            where="configuration",
            next_step="as --loss_scale dynamic",
        ) from None


class Monitor:
    """Shows at the end of each epoch what MindSpore's LossMonitor and TimeMonitor print."""

    def __init__(self, steps_per_epoch: int, show: Callable[[str], None]):
        self._steps_per_epoch, self._show = steps_per_epoch, show
        self._seconds: list[float] = []

    def __call__(self, step: int, loss: float, seconds: float) -> None:
        """A step was taken: its number from 1, its loss, and how long it took."""
        self._seconds.append(seconds)
        if step % self._steps_per_epoch:
            return
        total_ms = 1000 * sum(self._seconds)
        step_ms = total_ms / len(self._seconds)  # fewer than an epoch's, where a run goes on
        self._seconds.clear()
        epoch = step // self._steps_per_epoch
        self._show(f"epoch: {epoch} step: {self._steps_per_epoch}, loss is {loss}")
        self._show(f"Train epoch time: {total_ms:5.3f} ms, per step time: {step_ms:5.3f} ms")


def checkpoint_file(folder: Path, step: int, steps_per_epoch: int) -> Path:
    """Where a .ckpt file of a step goes, named as MindSpore does: PREFIX-EPOCH_STEP.ckpt, with the
    step in its epoch."""
    epoch, place = divmod(step - 1, steps_per_epoch)
    return folder / f"{PREFIX}-{epoch + 1}_{place + 1}.ckpt"


def keep_newest(folder: Path, count: int) -> None:
    """Remove the oldest .ckpt files of a run, and the manifests beside them."""
    files = sorted(folder.glob(f"{PREFIX}-*_*.ckpt"), key=_place)
    for file in files[: max(len(files) - count, 0)]:
        for one in (file, file.with_name(file.name + ".manifest.json")):
            one.unlink(missing_ok=True)


def _place(file: Path) -> tuple[int, int]:
    epoch, _, step = file.stem.removeprefix(f"{PREFIX}-").partition("_")
    return (int(epoch), int(step)) if epoch.isdigit() and step.isdigit() else (0, 0)


def write_pictures(folder: Path, number: int, blurred: np.ndarray, restored: np.ndarray) -> None:
    """A pair of an evaluation as both programs save it: NUMBER_pred.png and NUMBER_blur.png.

    The result is clamped, half a step of 8 bits is added, and what is behind the point falls off;
    from the blurred picture it falls off as it is. Pictures are (1, 3, h, w) in [0, 1].
    """
    folder.mkdir(parents=True, exist_ok=True)
    levels = (restored.astype(np.float32).clip(0, 1) + np.float32(0.5 / 255)) * np.float32(255)
    _write_levels(folder / f"{number}_pred.png", levels)
    _write_levels(folder / f"{number}_blur.png", blurred.astype(np.float32) * np.float32(255))


def _write_levels(path: Path, levels: np.ndarray) -> None:
    truncated = np.floor(levels.clip(0, 255))
    write_image(path, Image((truncated / 255).astype(np.float32)))


def check_sink(found: Namespace, key: str) -> None:
    """Say what the switch of a data sink does here."""
    if getattr(found, key):
        say(f"{key}: batches are handed over one by one: a sink is for MindSpore's own data sets")


def say(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)
