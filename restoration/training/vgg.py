"""Weights of VGG for perceptual losses, from a file with torchvision's names.

The published ones are torchvision's `vgg19` and `vgg16` (IMAGENET1K_V1), files
`vgg19-dcbb9e9d.pth` and `vgg16-397923af.pth`; only convolutions are needed, "features.0.weight" and
so on. Files other than safetensors are read by `weights_convert`, in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from restoration.errors import InputError

VGG19 = (2, 2, 4, 4, 4)
"""Convolutions in each stage."""
VGG16 = (2, 2, 3, 3)
"""The same; the fifth stage, of three, is not looked at."""

_FEATURES = "features."
_SUITE = Path(__file__).resolve().parents[2]

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]


def read_vgg(file: str, stages: Sequence[int]) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Weights (out, in, 3, 3) and biases (out,) of the convolutions of each stage, float32.

    Raises:
        InputError: no file is named; it cannot be read; entries are missing or do not fit together.
    """
    title = f"VGG-{'16' if tuple(stages) == VGG16 else '19'}"
    published = f"torchvision.models.{title.lower().replace('-', '')}(weights='IMAGENET1K_V1')"
    if not file:
        raise InputError(
            "weights of VGG",
            expected=f"a file of {title}'s weights for the perceptual term",
            got="none",
            where="loss.vgg of the recipe, --vgg of the command",
            next_step=f"{published} downloads it and says where to; or train without that term: "
            "loss.settings.perceptual=false",
        )
    found = _read(file)
    names = conv_names(stages)
    missing = [
        f"{name}.{kind}"
        for stage in names
        for name in stage
        for kind in ("weight", "bias")
        if f"{name}.{kind}" not in found
    ]
    if missing:
        raise _unfit(file, title, f"no {', '.join(missing[:3])} among {len(found)} entries")
    channels = 3
    for name in (name for stage in names for name in stage):
        weight, bias = found[f"{name}.weight"], found[f"{name}.bias"]
        if (
            weight.ndim != 4
            or weight.shape[1:] != (channels, 3, 3)
            or bias.shape != weight.shape[:1]
        ):
            raise _unfit(file, title, f"{name}: shapes {weight.shape} and {bias.shape}")
        channels = len(weight)
    return [
        [(_float32(found[f"{name}.weight"]), _float32(found[f"{name}.bias"])) for name in stage]
        for stage in names
    ]


def conv_names(stages: Sequence[int]) -> list[list[str]]:
    """torchvision's names of convolutions: a ReLU follows each, a pooling each stage."""
    names, place = [], 0
    for count in stages:
        names.append([f"features.{place + 2 * i}" for i in range(count)])
        place += 2 * count + 1
    return names


def _read(file: str) -> dict[str, np.ndarray]:
    """The entries of convolutions of a file of any kind that weights_convert reads."""
    path = Path(file)
    if path.suffix == ".safetensors" or not path.is_file():
        return _read_safetensors(path)
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "features.safetensors"
        options = ["--to", "kept", "--prefix", _FEATURES, "--quiet"]
        done = subprocess.run(
            [sys.executable, "-m", "weights_convert", "convert", file, str(converted), *options],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [_SUITE, *sys.path]))},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise _unreadable(path, done.stderr.strip())
        return {_FEATURES + name: one for name, one in _read_safetensors(converted, "").items()}


def _read_safetensors(path: Path, beginning: str = _FEATURES) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="np") as opened:
            names = [name for name in opened.keys() if name.startswith(beginning)]  # noqa: SIM118
            return {name: opened.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as problem:
        raise _unreadable(path, f"{type(problem).__name__}: {problem}") from problem


def _unreadable(path: Path, got: str) -> InputError:
    return InputError(
        "weights of VGG",
        expected="a readable file of weights with torchvision's names, as .pth or .safetensors",
        got=got,
        where=str(path),
        next_step="check the path; weights-convert inspect says what a file holds",
    )


def _unfit(file: str, title: str, got: str) -> InputError:
    return InputError(
        f"weights of {title}",
        expected=f"the convolutions of {title}, features.0.weight and so on, as torchvision's",
        got=got,
        where=file,
        next_step="give VGG-19's; VGG-16's for the original Phaseformer",
    )


def _float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)
