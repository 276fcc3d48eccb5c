"""What is done to a port's array that the judge has to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np


def _shifted(x: np.ndarray) -> np.ndarray:
    """By a hundredth of a pixel."""
    return (0.99 * x + 0.01 * np.roll(x, 1, -1)).astype(x.dtype)


def _with(x: np.ndarray, change: Callable[[np.ndarray], None]) -> np.ndarray:
    changed = x.copy()
    change(changed)
    return changed


def _exchanged(x: np.ndarray) -> np.ndarray:
    """The largest and the smallest number change places."""
    changed = x.copy().reshape(-1)
    high, low = int(x.argmax()), int(x.argmin())
    changed[[high, low]] = changed[[low, high]]
    return changed.reshape(x.shape)


def _without_largest(x: np.ndarray) -> np.ndarray:
    changed = x.copy().reshape(-1)
    changed[int(np.abs(x).argmax())] = 0
    return changed.reshape(x.shape)


def _border(x: np.ndarray) -> np.ndarray:
    """The outermost row repeats the one beside it."""
    return _with(x, lambda y: np.copyto(y[:, 0], x[:, 1]))


def _noisy(x: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (x + 2e-5 * np.abs(x).max() * rng.standard_normal(x.shape)).astype(x.dtype)


def _set(value: float, place: tuple[int, int, int]) -> Callable[[np.ndarray], np.ndarray]:
    def change(changed: np.ndarray) -> None:
        changed[place] = value

    return lambda x: _with(x, change)


CHANGES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "channels swapped": lambda x: x[[1, 0, *range(2, len(x))]],
    "channels reversed": lambda x: x[::-1],
    "flipped left to right": lambda x: x[:, :, ::-1],
    "flipped top to bottom": lambda x: x[:, ::-1],
    "transposed": lambda x: x.transpose(0, 2, 1).reshape(x.shape),
    "pixels shuffled": lambda x: x.reshape(len(x), -1)[
        :, np.random.default_rng(0).permutation(x[0].size)
    ].reshape(x.shape),
    "two pixels exchanged": _exchanged,
    "another border": _border,
    "gain of 3e-5": lambda x: (x * np.float32(1 + 3e-5)).astype(x.dtype),
    "offset of 3e-5": lambda x: (x + np.float32(3e-5 * np.abs(x).max())).astype(x.dtype),
    "noise of 2e-5": _noisy,
    "shifted by a hundredth of a pixel": _shifted,
    "one NaN": _set(np.nan, (0, 3, 4)),
    "all NaN": lambda x: np.full_like(x, np.nan),
    "one infinity": _set(np.inf, (1, 2, 2)),
    "one zero": _without_largest,
    "a row too few": lambda x: x[:, 1:],
    "a shape that broadcasts": lambda x: x[:, :1, :1],
    "an axis more": lambda x: x[None],
    "double precision": lambda x: x.astype(np.float64),
    "half precision": lambda x: x.astype(np.float16),
    "rounded to half precision": lambda x: x.astype(np.float16).astype(np.float32),
    "integers": lambda x: x.astype(np.int32),
}
"""Changes of an array, by what they are."""

MISSING, SURPLUS = "an array is missing", "an array too many"
FAULTS = (*CHANGES, MISSING, SURPLUS)
