"""Attention, with what is added to its logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restoration.models import windows


def attention(
    query: Tensor, key: Tensor, value: Tensor, offsets: Tensor | None, scale: float
) -> Tensor:
    """Softmax of scaled products plus offsets, times the values.

    (rows, heads, q, d), (rows, heads, k, d) twice, (1 or rows, heads, q, k) -> (rows, heads, q, d).
    """
    # Native: scale 1/sqrt(d) by default.
    return F.scaled_dot_product_attention(query, key, value, attn_mask=offsets, scale=scale)


class RelativeBias(nn.Module):
    """Adds a learned number per head and offset between pixels, (b, heads, w w, w w) -> the same.

    Its table is ((2 w - 1)^2, heads) for windows of w x w pixels.
    """

    # Native: a parameter takes part in what its module moves and stores; a buffer too.
    def __init__(self, window: int, heads: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.weight, std=0.02)
        places = torch.from_numpy(windows.relative_positions(window))
        self.register_buffer("_places", places, persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        heads, size = logits.shape[1], logits.shape[2]
        bias = self.weight.index_select(0, self._places).reshape(size, size, heads)
        return logits + bias.permute(2, 0, 1)


def window_mask(logits: Tensor, height: int, width: int, window: int, shift: int) -> Tensor:
    """Bar a shifted window's pixels from those that lie elsewhere, (n windows, heads, l, l).

    Adds -100 between pixels of a map (height, width) that the shift brought together.
    """
    # Native: a tensor made from an array.
    n, heads, size, _ = logits.shape
    bars = torch.from_numpy(windows.shift_mask(height, width, window, shift)).to(logits)
    count = bars.shape[0]
    barred = logits.reshape(n // count, count, heads, size, size) + bars.unsqueeze(1)
    return barred.reshape(n, heads, size, size)
