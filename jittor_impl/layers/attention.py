"""Attention, with what is added to its logits."""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn

from jittor_impl.layers.activation import softmax
from restoration.models import windows


def scaled_dot_product_attention(
    query: Var, key: Var, value: Var, offsets: Var | None, scale: float
) -> Var:
    """Softmax of scaled products plus offsets, times the values.

    (rows, heads, q, d), (rows, heads, k, d) twice, (1 or rows, heads, q, k) -> (rows, heads, q, d).
    """
    # Native: absent.
    logits = jt.matmul(query * scale, key.transpose(0, 1, 3, 2))
    if offsets is not None:
        logits = logits + offsets
    return jt.matmul(softmax(logits, dim=3), value)


class RelativePositionBias(nn.Module):
    """Adds a learned number per head and offset between pixels, (b, heads, w w, w w) -> the same.

    Its table is ((2 w - 1)^2, heads) for windows of w x w pixels.
    """

    # Native: jittor.nn.Module: any Var that it holds is a parameter unless its name begins with _;
    # an array of NumPy is none.
    def __init__(self, window: int, heads: int):
        super().__init__()
        self.weight = jt.init.trunc_normal_(jt.zeros((2 * window - 1) ** 2, heads), std=0.02)
        self._indices = windows.relative_positions(window)

    def execute(self, logits: Var) -> Var:
        heads, size = logits.shape[1], logits.shape[2]
        bias = self.weight[jt.array(self._indices)].reshape(size, size, heads)
        return logits + bias.permute(2, 0, 1)


def mask_shifted_windows(logits: Var, height: int, width: int, window: int, shift: int) -> Var:
    """Mask pairs of a shifted window's pixels, (n windows, heads, l, l) -> the same.

    Adds -100 to the logits of pixels of a map (height, width) that the shift brought together.
    """
    # Native: jittor.array: a copy in the array's precision.
    n, heads, size, _ = logits.shape
    masks = jt.array(windows.shift_mask(height, width, window, shift))
    count = masks.shape[0]
    masked = logits.reshape(n // count, count, heads, size, size) + masks.unsqueeze(1)
    return masked.reshape(n, heads, size, size)
