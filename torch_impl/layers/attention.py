"""Attention, with what is added to its logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_exporting

from restoration.models import windows


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, offsets: Tensor | None, scale: float
) -> Tensor:
    """Softmax of scaled products plus offsets, times the values.

    (rows, heads, q, d), (rows, heads, k, d) twice, (1 or rows, heads, q, k) -> (rows, heads, q, d).
    """
    # Native: torch.nn.functional.scaled_dot_product_attention: scale 1/sqrt(d), nothing added to
    # the logits by default.
    if is_exporting():  # it asks whether there is one row, which may be known when it runs
        logits = query @ key.transpose(-2, -1) * scale
        return torch.softmax(logits if offsets is None else logits + offsets, dim=-1) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=offsets, scale=scale)


class RelativePositionBias(nn.Module):
    """Adds a learned number per head and offset between pixels, (b, heads, w w, w w) -> the same.

    Its table is ((2 w - 1)^2, heads) for windows of w x w pixels.
    """

    # Native: torch.nn.Module.register_buffer: indices follow their module, and are stored with it
    # by default.
    def __init__(self, window: int, heads: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.weight, std=0.02)
        indices = torch.from_numpy(windows.relative_positions(window))
        self.register_buffer("_indices", indices, persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        heads, size = logits.shape[1], logits.shape[2]
        bias = self.weight.index_select(0, self._indices).reshape(size, size, heads)
        return logits + bias.permute(2, 0, 1)


def mask_shifted_windows(
    logits: Tensor, height: int, width: int, window: int, shift: int
) -> Tensor:
    """Mask pairs of a shifted window's pixels, (n windows, heads, l, l) -> the same.

    Adds -100 to the logits of pixels of a map (height, width) that the shift brought together.
    """
    # Native: torch.from_numpy: keeps the array's precision, on CPU; `to` gives x's.
    n, heads, size, _ = logits.shape
    if is_exporting():  # the kinds of windows by tensors: sizes that are open stay so
        down = torch.arange(height // window, device=logits.device) == height // window - 1
        right = torch.arange(width // window, device=logits.device) == width // window - 1
        kinds = (2 * down.long().unsqueeze(1) + right.long().unsqueeze(0)).reshape(-1)
        masks = torch.from_numpy(windows.masks_of_kinds(window, shift)[:, 0]).to(logits)[kinds]
    else:
        masks = torch.from_numpy(windows.shift_mask(height, width, window, shift)).to(logits)
    count = masks.shape[0]
    masked = logits.reshape(n // count, count, heads, size, size) + masks.unsqueeze(1)
    return masked.reshape(n, heads, size, size)
