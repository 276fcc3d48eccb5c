"""Attention, with what is added to its logits."""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn

from jittor_impl.layers.activation import softmax
from restoration.models import windows


def attention(query: Var, key: Var, value: Var, offsets: Var | None, scale: float) -> Var:
    """Softmax of scaled products plus offsets, times the values.

    (rows, heads, q, d), (rows, heads, k, d) twice, (1 or rows, heads, q, k) -> (rows, heads, q, d).
    """
    # Native: no function of its own.
    logits = jt.matmul(query * scale, key.transpose(0, 1, 3, 2))
    if offsets is not None:
        logits = logits + offsets
    return jt.matmul(softmax(logits, axis=3), value)


class RelativeBias(nn.Module):
    """Adds a learned number per head and offset between pixels, (b, heads, w w, w w) -> the same.

    Its table is ((2 w - 1)^2, heads) for windows of w x w pixels.
    """

    # Native: any Var that a module holds is a parameter unless its name begins with "_".
    def __init__(self, window: int, heads: int):
        super().__init__()
        self.weight = jt.init.trunc_normal_(jt.zeros((2 * window - 1) ** 2, heads), std=0.02)
        self._places = windows.relative_positions(window)

    def execute(self, logits: Var) -> Var:
        heads, size = logits.shape[1], logits.shape[2]
        bias = self.weight[jt.array(self._places)].reshape(size, size, heads)
        return logits + bias.permute(2, 0, 1)


def window_mask(logits: Var, height: int, width: int, window: int, shift: int) -> Var:
    """Bar a shifted window's pixels from those that lie elsewhere, (n windows, heads, l, l).

    Adds -100 between pixels of a map (height, width) that the shift brought together.
    """
    # Native: a Var made from an array.
    n, heads, size, _ = logits.shape
    bars = jt.array(windows.shift_mask(height, width, window, shift))
    count = bars.shape[0]
    barred = logits.reshape(n // count, count, heads, size, size) + bars.unsqueeze(1)
    return barred.reshape(n, heads, size, size)
