"""The inputs of a comparison: from a file, drawn by shape, or found by trying."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from parity.adapters.calling import top_names
from restoration.errors import InputError

_ASKED = re.compile(
    r"(?P<name>\w+(?:\.\w+)*)=(?P<shape>\d+(?:x\d+)*)(?::(?P<low>[-\d.e+]+),(?P<high>[-\d.e+]+))?"
)
_TRIED = (
    (1, 3, 32, 40),
    (1, 1, 32, 40),
    (1, 3, 64, 64),
    (1, 4, 32, 40),
    (1, 5, 3, 32, 32),
    (1, 3, 128, 128),
    (1, 64, 32),
    (1, 16),
)
"""Shapes of a first input, tried where nothing was said."""


def read(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Inputs of a file: `.npz` by the names of arguments, or else in their order; or a picture.

    names: of the reference's arguments.

    Raises:
        InputError: the file is neither, or holds numbers that are not finite.
    """
    if path.suffix != ".npz":
        from restoration.images.files import read_image

        pixels = read_image(path).pixels
        return {names[0] if names else "image": np.asarray(pixels, np.float32)}
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError) as problem:
        raise InputError(
            "--inputs",
            expected="a file of arrays (.npz) or a picture",
            got=str(problem),
            where=str(path),
            next_step="np.savez(FILE, x=array) writes one",
        ) from problem
    for name, array in found.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise InputError(
                "--inputs",
                expected="finite numbers",
                got="NaN or infinity",
                where=f"{name} in {path}",
                next_step="nothing can be judged by them",
            )
    known = top_names(found)
    if set(names) <= set(known):
        order = [*names, *(name for name in known if name not in names)]
        found = {
            name: array
            for first in order
            for name, array in found.items()
            if name.partition(".")[0] == first
        }
    return {
        name: array.astype(np.float32) if array.dtype == np.float64 else array
        for name, array in found.items()
    }


def drawn(asked: Sequence[str], seed: int) -> dict[str, np.ndarray]:
    """Inputs of given shapes: "x=1x3x32x40" or "x=1x3x32x40:-1,1", in [0, 1] by default.

    Raises:
        InputError: a text has another form.
    """
    result = {}
    for number, text in enumerate(asked):
        found = _ASKED.fullmatch(text)
        if found is None:
            raise InputError(
                "--input",
                expected="NAME=SHAPE or NAME=SHAPE:LOW,HIGH",
                got=repr(text),
                where="command line",
                next_step="for example x=1x3x32x40:0,1",
            )
        shape = tuple(map(int, found["shape"].split("x")))
        low, high = float(found["low"] or 0), float(found["high"] or 1)
        result[found["name"]] = picture_like(shape, (seed, number), low, high)
    return result


def picture_like(
    shape: Sequence[int], seed: tuple[int, ...], low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    """Numbers of a shape that are smooth along the last axes, as pictures are, with some noise."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape)
    for axis in range(max(0, len(shape) - 2), len(shape)):
        for _ in range(2):
            values = (np.roll(values, 1, axis) + values + np.roll(values, -1, axis)) / math.sqrt(3)
    values += 0.3 * rng.standard_normal(shape)
    spread = np.ptp(values) or 1.0
    return (low + (values - values.min()) * (high - low) / spread).astype(np.float32)


def tried(names: Sequence[str], seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Inputs that a forward with these arguments may take."""
    for shape in _TRIED:
        yield {
            name: picture_like(shape, (seed, number)) for number, name in enumerate(names or ["x"])
        }


_LARGE_PX = 128  # from here on half a size is a size as good as twice it, and costs less


def resized(inputs: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """The inputs at other sizes and two at a time, the cheapest first; none where they are no
    pictures."""
    pictures = inputs.values()
    if any(one.ndim < 4 or not np.issubdtype(one.dtype, np.floating) for one in pictures):
        return
    if all(size >= _LARGE_PX and size % 2 == 0 for one in pictures for size in one.shape[-2:]):
        yield {
            name: _twice(array[..., : array.shape[-2] // 2, : array.shape[-1] // 2])
            for name, array in inputs.items()
        }
    yield {name: _twice(_enlarged(array)) for name, array in inputs.items()}


def _twice(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, np.flip(array, -1)], 0)


def _enlarged(array: np.ndarray) -> np.ndarray:
    wide = np.concatenate([array, np.flip(array, -1)], -1)
    return np.concatenate([wide, np.flip(wide, -2)], -2)


def odd(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pictures of odd height and width: a row and a column less where they are even."""
    return {
        name: array[..., : (array.shape[-2] - 1) | 1, : (array.shape[-1] - 1) | 1]
        for name, array in inputs.items()
    }
