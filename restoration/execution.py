"""How a network is run where memory is short: smaller images, one at a time, at lower precision.

What a framework has to do for it stands in its engine; the rest is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from skimage.transform import resize

from restoration.engine import Arrays, Engine, Execution
from restoration.specs import Spec

LOW_MEMORY: Mapping[str, Execution] = {
    "torch": Execution(precision="bfloat16", per_sample=True, checkpointing=True, max_side_px=256),
    "jittor": Execution(per_sample=True, max_side_px=256),
    "mindspore": Execution(precision="float16", per_sample=True, max_side_px=256),
}
"""What saves memory, as far as each framework can on CPU; LMD-ViT has a smaller spec beside it."""


def fit_within(image: np.ndarray, max_side_px: int | None) -> np.ndarray:
    """Reduce images (n, c, h, w) in [0, 1] so that no side is longer, with antialiasing.

    The ratio of the sides is kept to a pixel. Images that fit are returned as they are.
    """
    height, width = image.shape[2:]
    if max_side_px is None or max(height, width) <= max_side_px:
        return image
    factor = max_side_px / max(height, width)
    size = max(round(height * factor), 1), max(round(width * factor), 1)
    return resize(image, (*image.shape[:2], *size), order=1, anti_aliasing=True).astype(np.float32)


def pad_centred(image: np.ndarray, multiple: int) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Zeros around images (n, c, h, w) up to multiples, and where the images lie, as slices."""
    height, width = image.shape[2:]
    down, right = -height % multiple, -width % multiple
    top, left = down // 2, right // 2
    padded = np.pad(image, ((0, 0), (0, 0), (top, down - top), (left, right - left)))
    return padded, (slice(top, top + height), slice(left, left + width))


def run(
    engine: Engine, model: Any, inputs: Mapping[str, np.ndarray], execution: Execution
) -> Arrays:
    """The network's outputs, of one image at a time where the mode says so."""
    if not execution.per_sample:
        return engine.run(model, inputs)
    count = len(next(iter(inputs.values())))
    runs = [
        engine.run(model, {name: array[place : place + 1] for name, array in inputs.items()})
        for place in range(count)
    ]
    return {name: np.concatenate([outputs[name] for outputs in runs]) for name in runs[0]}


def restore(
    engine: Engine,
    model: Any,
    spec: Spec,
    image: np.ndarray,
    execution: Execution,
    *,
    report: Callable[[str], None] = lambda _text: None,
) -> np.ndarray:
    """Restore images (n, 3, h, w) in [0, 1] by a network of one image, -> the same, in [0, 1].

    They are reduced if they are larger than the mode allows, which `report` is told, and padded
    with zeros all around to what the network takes, as LMD-ViT's authors do.
    """
    reduced = fit_within(image, execution.max_side_px)
    if reduced.shape != image.shape:
        report(
            f"reduced from {image.shape[2]}x{image.shape[3]} to "
            f"{reduced.shape[2]}x{reduced.shape[3]}: the longest side may have "
            f"{execution.max_side_px} pixels"
        )
    padded, (rows, columns) = pad_centred(reduced, spec.size_multiple)
    outputs = run(engine, model, {"image": padded}, execution)
    return outputs[spec.outputs[0]][..., rows, columns].clip(0, 1)


def fill_weights(
    own: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]
) -> tuple[Arrays, list[str]]:
    """Weights of a file where they fit a network's own, and what did not.

    Returns a whole state to load, and a list: "-name" of the network only, which keeps its own
    value; "+name" of the file only; "~name" of another shape.
    """
    filled = dict(own)
    differences = []
    for name, array in own.items():
        if name not in given:
            differences.append(f"-{name}")
        elif given[name].shape != array.shape:
            differences.append(f"~{name} {given[name].shape} for {array.shape}")
        else:
            filled[name] = given[name]
    differences += [f"+{name}" for name in given if name not in own]
    return filled, differences
