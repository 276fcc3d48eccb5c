"""One array in the layouts that frameworks and authors keep it in: channels last, tokens, merged
axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

_MOST_AXES = 6


def arranged(array: np.ndarray, shape: Sequence[int]) -> Iterator[np.ndarray]:
    """The ways in which an array may be one of another shape, the plainest first.

    Axes are permuted and neighbours merged or split; numbers keep their order within an axis. The
    last two axes alone are not swapped: rows for columns are a fault, no layout.
    """
    shape = tuple(shape)
    if array.size != math.prod(shape):
        return
    if array.shape == shape:
        yield array
    elif _squeezed(array.shape) == _squeezed(shape) or _is_merged(array.shape, shape):
        yield array.reshape(shape)
    plain = array.reshape([size for size in array.shape if size != 1])
    target = _squeezed(shape)
    if max(plain.ndim, len(target)) > _MOST_AXES:
        return
    for order in itertools.permutations(range(plain.ndim)):
        moved = plain.transpose(order)
        swapped = [*range(plain.ndim - 2), plain.ndim - 1, plain.ndim - 2]
        if list(order) == swapped and plain.shape == target:
            continue
        if list(order) != list(range(plain.ndim)) and _is_merged(moved.shape, target):
            yield moved.reshape(shape)
    if len(target) > plain.ndim:
        for order in itertools.permutations(range(len(target))):
            wide = tuple(target[axis] for axis in order)
            if list(order) != list(range(len(target))) and _is_merged(plain.shape, wide):
                yield plain.reshape(wide).transpose(np.argsort(order)).reshape(shape)


def nearest(array: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """An array in the layout in which it comes closest to another; as it is where that has the same
    shape, unless another layout fits it exactly."""
    best, least = None, math.inf
    candidates = arranged(array, other.shape)
    first = list(itertools.islice(candidates, 2))
    if len(first) < 2:
        return first[0] if first else None
    scale = float(np.abs(other).max(initial=0.0))
    for place, candidate in enumerate(itertools.chain(first, candidates)):
        distance = float(np.abs(candidate - other).max(initial=0.0))
        if place == 0 and candidate.shape == array.shape:
            distance = min(distance, 1e-3 * scale)
        if distance < least:
            best, least = candidate, distance
        if place > 200:
            break
    return best


def like(array: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """An array that lies as `one` does, laid out as `other` is, which holds the same numbers."""
    places = np.arange(one.size, dtype=np.float64).reshape(one.shape)
    best, least = None, np.inf
    for moved, index in zip(arranged(one, other.shape), arranged(places, other.shape), strict=True):
        distance = float(np.abs(moved - other).max(initial=0.0))
        if distance < least:
            best, least = index, distance
    return None if best is None else array.ravel()[best.astype(np.int64)].reshape(other.shape)


def places_of(array: np.ndarray, laid_out: np.ndarray) -> np.ndarray | None:
    """Where in a flat array each number of another layout is; None where it is no layout of it."""
    index = np.arange(array.size, dtype=np.int64).reshape(array.shape)
    for moved, places in zip(
        arranged(array, laid_out.shape), arranged(index, laid_out.shape), strict=True
    ):
        if np.array_equal(moved, laid_out, equal_nan=True):
            return places.ravel()
    return None


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _is_merged(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether one shape becomes the other by merging, or by splitting, neighbours alone."""
    cuts = [
        set(itertools.accumulate(_squeezed(shape), lambda a, b: a * b)) for shape in (one, other)
    ]
    return cuts[0] <= cuts[1] or cuts[1] <= cuts[0]
