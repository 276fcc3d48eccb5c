"""Borders."""

from __future__ import annotations

import jittor as jt
import numpy as np
from jittor import Var, nn

from restoration.images.borders import reflected


def pad_to(x: Var, height: int, width: int) -> Var:
    """Zeros around, the odd one at the bottom and right, (n, c, h, w) -> (n, c, height, width)."""
    # Native: jittor.nn.pad: amounts from the last axis to the first; zeros by default.
    top, left = (height - x.shape[2]) // 2, (width - x.shape[3]) // 2
    bottom, right = height - x.shape[2] - top, width - x.shape[3] - left
    if top + bottom + left + right == 0:
        return x
    return nn.pad(x, (left, right, top, bottom), mode="constant", value=0.0)


def pad_bottom_right(x: Var, height: int, width: int, *, mode: str) -> Var:
    """Extend at the bottom and right, (n, c, h, w) -> (n, c, height, width).

    mode "zeros", "replicate" or "reflect".
    """
    # Native: jittor.nn.pad: amounts from the last axis to the first; mode "constant", 0, by
    # default.
    amounts = (0, width - x.shape[3], 0, height - x.shape[2])
    if amounts == (0, 0, 0, 0):
        return x
    native = {"zeros": "constant", "replicate": "replicate", "reflect": "reflect"}
    return nn.pad(x, amounts, mode=native[mode])


def pad_replicate(x: Var, amount: int) -> Var:
    """Replicate the outermost pixels on all sides, (n, c, h, w) -> (n, c, h + 2 a, w + 2 a)."""
    # Native: jittor.nn.pad: mode "constant", 0, by default.
    return nn.pad(x, (amount, amount, amount, amount), mode="replicate")


def shift_reflected(x: Var, down: int, right: int) -> Var:
    """The map moved by whole pixels, reflected into the gap, (n, c, h, w) -> the same."""
    # Native: jittor.nn.pad: mode "constant" by default; it has "reflect", but no negative amounts.
    rows = reflected(np.arange(x.shape[2]) - down, x.shape[2])
    columns = reflected(np.arange(x.shape[3]) - right, x.shape[3])
    return x[:, :, jt.array(rows)][:, :, :, jt.array(columns)]
