"""Borders."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops

from restoration.images.borders import reflected


def pad_to(x: Tensor, height: int, width: int) -> Tensor:
    """Zeros around, the odd one at the bottom and right, (n, c, h, w) -> (n, c, height, width)."""
    # Native: mindspore.ops.pad: amounts from the last axis to the first; zeros by default.
    top, left = (height - x.shape[2]) // 2, (width - x.shape[3]) // 2
    bottom, right = height - x.shape[2] - top, width - x.shape[3] - left
    if top + bottom + left + right == 0:
        return x
    return ops.pad(x, (left, right, top, bottom), mode="constant", value=0.0)


def pad_bottom_right(x: Tensor, height: int, width: int, *, mode: str) -> Tensor:
    """Extend at the bottom and right, (n, c, h, w) -> (n, c, height, width).

    mode "zeros", "replicate" or "reflect".
    """
    # Native: mindspore.ops.pad: amounts from the last axis to the first; mode "constant", 0, by
    # default.
    amounts = (0, width - x.shape[3], 0, height - x.shape[2])
    if amounts == (0, 0, 0, 0):
        return x
    native = {"zeros": "constant", "replicate": "replicate", "reflect": "reflect"}
    return ops.pad(x, amounts, mode=native[mode])


def pad_replicate(x: Tensor, amount: int) -> Tensor:
    """Replicate the outermost pixels on all sides, (n, c, h, w) -> (n, c, h + 2 a, w + 2 a)."""
    # Native: mindspore.ops.pad: mode "constant", 0, by default.
    return ops.pad(x, (amount, amount, amount, amount), mode="replicate")


def shift_reflected(x: Tensor, down: int, right: int) -> Tensor:
    """The map moved by whole pixels, reflected into the gap, (n, c, h, w) -> the same."""
    # Native: mindspore.ops.pad: mode "constant" by default; "reflect" is slow, and there are no
    # negative amounts.
    rows = reflected(np.arange(x.shape[2]) - down, x.shape[2])
    columns = reflected(np.arange(x.shape[3]) - right, x.shape[3])
    return ops.gather(ops.gather(x, Tensor(rows), 2), Tensor(columns), 3)
