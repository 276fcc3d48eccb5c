"""Borders."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torch.compiler import is_exporting


def pad_to(x: Tensor, height: int, width: int) -> Tensor:
    """Zeros around, the odd one at the bottom and right, (n, c, h, w) -> (n, c, height, width)."""
    # Native: torch.nn.functional.pad: amounts from the last axis to the first; zeros by default.
    top, left = (height - x.shape[2]) // 2, (width - x.shape[3]) // 2
    bottom, right = height - x.shape[2] - top, width - x.shape[3] - left
    # An exported network takes other sizes, which may need what this one does not.
    if not is_exporting() and top + bottom + left + right == 0:
        return x
    return F.pad(x, (left, right, top, bottom), mode="constant", value=0.0)


def pad_bottom_right(x: Tensor, height: int, width: int, *, mode: str) -> Tensor:
    """Extend at the bottom and right, (n, c, h, w) -> (n, c, height, width).

    mode "zeros", "replicate" or "reflect".
    """
    # Native: torch.nn.functional.pad: amounts from the last axis to the first; mode "constant", 0,
    # by default.
    amounts = (0, width - x.shape[3], 0, height - x.shape[2])
    if not is_exporting() and amounts == (0, 0, 0, 0):
        return x
    native = {"zeros": "constant", "replicate": "replicate", "reflect": "reflect"}
    return F.pad(x, amounts, mode=native[mode])


def pad_replicate(x: Tensor, amount: int) -> Tensor:
    """Replicate the outermost pixels on all sides, (n, c, h, w) -> (n, c, h + 2 a, w + 2 a)."""
    # Native: torch.nn.functional.pad: mode "constant", 0, by default.
    return F.pad(x, (amount, amount, amount, amount), mode="replicate")


def shift_reflected(x: Tensor, down: int, right: int) -> Tensor:
    """The map moved by whole pixels, reflected into the gap, (n, c, h, w) -> the same."""
    # Native: torch.nn.functional.pad: mode "constant" by default; negative amounts cut, so one call
    # does it.
    return F.pad(x, (right, -right, down, -down), mode="reflect")
