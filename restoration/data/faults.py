"""What is wrong with data, found before the first step: every file of every split is read once."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from restoration.arrays import Arrays
from restoration.data.datasets import Photographs, Pictures
from restoration.data.task import Fault
from restoration.errors import RestorationError


def of_pictures(
    train: Pictures, valid: Pictures, *, scale: int, smallest_px: int, is_scaled: bool = True
) -> list[Fault]:
    """All faults of two splits.

    scale: how much larger targets are than degraded pictures, if is_scaled. smallest_px: the
    shortest side of a target of training.
    """
    found: list[Fault] = []
    seen: dict[str, tuple[str, str]] = {}
    for split, pictures in (("train", train), ("valid", valid)):
        found += pictures.missing()
        if isinstance(pictures, Photographs):
            continue
        smallest = smallest_px if split == "train" else 1
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            check = functools.partial(
                _check,
                pictures,
                split=split,
                scale=scale if is_scaled else None,
                smallest_px=smallest,
            )
            checked = pool.map(check, range(len(pictures)))
            for faults, prints in checked:
                found += faults
                for path, fingerprint in prints:
                    other = seen.setdefault(fingerprint, (split, path))
                    if other[0] != split:
                        text = f"the same picture as {other[1]} of {other[0]}"
                        found.append(Fault(split, path, text))
    return found


def _check(
    pictures: Pictures, index: int, *, split: str, scale: int | None, smallest_px: int
) -> tuple[list[Fault], list[tuple[str, str]]]:
    """The faults of one picture, and fingerprints of its target."""
    files = pictures.files(index)
    label = files[0]
    try:
        arrays = pictures.read(index)
    except RestorationError as problem:
        return [Fault(split, label, str(problem))], []
    target = arrays["target"]
    texts = list(_pair_faults(arrays, scale))
    if min(target.shape[-2:]) < smallest_px:
        height, width = target.shape[-2:]
        texts.append(f"{height}x{width} is smaller than a sample, {smallest_px}x{smallest_px}")
    mask = arrays.get("mask")
    if mask is not None:
        if mask.shape[-2:] != target.shape[-2:]:
            texts.append(f"mask of {_size(mask)} for a target of {_size(target)}")
        if not mask.any():
            texts.append("empty mask: nothing in it is blurred")
    if np.issubdtype(target.dtype, np.floating):
        outside = not np.isfinite(target).all() or target.min() < 0 or target.max() > 1
        if outside:
            texts.append("samples that are not in [0, 1]")
    digest = hashlib.blake2b(np.ascontiguousarray(target).tobytes(), digest_size=16)
    digest.update(str(target.shape).encode())
    prints = [(_target_file(files, arrays), digest.hexdigest())]
    return [Fault(split, label, text) for text in texts], prints


def _pair_faults(arrays: Arrays, scale: int | None) -> Iterator[str]:
    degraded, target = arrays.get("degraded"), arrays["target"]
    if degraded is None:
        return
    expected = tuple((scale or 1) * side for side in degraded.shape[-2:])
    if scale and target.shape[-2:] != expected:
        yield (
            f"target of {_size(target)} for a degraded picture of {_size(degraded)}: expected "
            f"{expected[0]}x{expected[1]}, {scale} times as large"
        )
    if degraded.dtype != target.dtype:
        yield f"{_depth(degraded)} beside a target of {_depth(target)}"
    if _is_gray(degraded) != _is_gray(target):
        kinds = ["gray" if _is_gray(one) else "color" for one in (degraded, target)]
        yield f"{kinds[0]} beside a target in {kinds[1]}"


def _is_gray(samples: np.ndarray) -> bool:
    return bool((samples[..., :1, :, :] == samples).all())


def _target_file(files: tuple[str, ...], arrays: Arrays) -> str:
    names = list(arrays)
    return files[names.index("target")] if len(names) == len(files) else files[0]


def _size(array: np.ndarray) -> str:
    return f"{array.shape[-2]}x{array.shape[-1]}"


def _depth(array: np.ndarray) -> str:
    return f"{8 * array.dtype.itemsize} bits"


def as_lines(faults: list[Fault]) -> list[str]:
    """Faults as lines of text, for an error that lists them."""
    return [f"{fault.split}: {Path(fault.path)}: {fault.problem}" for fault in faults]
