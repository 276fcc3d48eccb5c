"""What tests have MindSpore itself do."""

from __future__ import annotations

import mindspore as ms
import numpy as np


def load(path: str) -> dict[str, np.ndarray]:
    """A file as `mindspore.load_checkpoint` reads it."""
    return {name: value.asnumpy() for name, value in ms.load_checkpoint(path).items()}


def save_training_state(source: str, target: str) -> None:
    """The weights of a file with what Adam keeps of each, as `ModelCheckpoint` writes it."""
    weights = ms.load_checkpoint(source)
    entries = [{"name": name, "data": value} for name, value in weights.items()]
    entries += [
        {"name": f"{kind}.{name}", "data": ms.Tensor(0.5 * value.asnumpy())}
        for kind in ("moment1", "moment2")
        for name, value in weights.items()
    ]
    entries += [
        {"name": name, "data": ms.Tensor(number)}
        for name, number in (
            ("global_step", np.array([7], np.int32)),
            ("learning_rate", np.array([1e-4], np.float32)),
            ("beta1_power", np.array(0.5, np.float32)),
            ("beta2_power", np.array(0.5, np.float32)),
        )
    ]
    ms.save_checkpoint(entries, target)
