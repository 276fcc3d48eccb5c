"""Attention, with what is added to its logits."""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from mindspore_impl.layers.activation import softmax
from mindspore_impl.layers.linear import matmul
from restoration.models import windows


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, offsets: Tensor | None, scale: float
) -> Tensor:
    """Softmax of scaled products plus offsets, times the values.

    (rows, heads, q, d), (rows, heads, k, d) twice, (1 or rows, heads, q, k) -> (rows, heads, q, d).
    """
    # Native: absent on CPU.
    logits = matmul(query * scale, key, transpose_y=True)
    if offsets is not None:
        logits = logits + offsets
    return matmul(softmax(logits, dim=3), value)


class RelativePositionBias(nn.Cell):
    """Adds a learned number per head and offset between pixels, (b, heads, w w, w w) -> the same.

    Its table is ((2 w - 1)^2, heads) for windows of w x w pixels.
    """

    # Native: mindspore.nn.Cell: a Tensor that it holds is a constant, a Parameter is trained.
    def __init__(self, window: int, heads: int):
        super().__init__()
        shape = ((2 * window - 1) ** 2, heads)
        self.weight = Parameter(initializer(TruncatedNormal(sigma=0.02), shape, ms.float32))
        self._indices = Tensor(windows.relative_positions(window))

    def construct(self, logits: Tensor) -> Tensor:
        heads, size = logits.shape[1], logits.shape[2]
        bias = ops.gather(self.weight, self._indices, 0).reshape(size, size, heads)
        return logits + bias.permute(2, 0, 1)


def mask_shifted_windows(
    logits: Tensor, height: int, width: int, window: int, shift: int
) -> Tensor:
    """Mask pairs of a shifted window's pixels, (n windows, heads, l, l) -> the same.

    Adds -100 to the logits of pixels of a map (height, width) that the shift brought together.
    """
    # Native: mindspore.Tensor: Graph mode makes one from an array only while it compiles.
    n, heads, size, _ = logits.shape
    masks = _shift_mask(height, width, window, shift)
    count = masks.shape[0]
    masked = logits.reshape(n // count, count, heads, size, size) + ops.expand_dims(masks, 1)
    return masked.reshape(n, heads, size, size)


@ops.constexpr
def _shift_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    return Tensor(windows.shift_mask(height, width, window, shift))
