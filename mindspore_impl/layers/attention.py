"""Attention, with what is added to its logits."""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from mindspore_impl.layers.activation import softmax
from restoration.models import windows


def attention(
    query: Tensor, key: Tensor, value: Tensor, offsets: Tensor | None, scale: float
) -> Tensor:
    """Softmax of scaled products plus offsets, times the values.

    (rows, heads, q, d), (rows, heads, k, d) twice, (1 or rows, heads, q, k) -> (rows, heads, q, d).
    """
    # Native: no function of its own on CPU.
    logits = ops.BatchMatMul(transpose_b=True)(query * scale, key)
    if offsets is not None:
        logits = logits + offsets
    return ops.BatchMatMul()(softmax(logits, axis=3), value)


class RelativeBias(nn.Cell):
    """Adds a learned number per head and offset between pixels, (b, heads, w w, w w) -> the same.

    Its table is ((2 w - 1)^2, heads) for windows of w x w pixels.
    """

    # Native: a tensor that is no Parameter is a constant.
    def __init__(self, window: int, heads: int):
        super().__init__()
        shape = ((2 * window - 1) ** 2, heads)
        self.weight = Parameter(initializer(TruncatedNormal(sigma=0.02), shape, ms.float32))
        self._places = Tensor(windows.relative_positions(window))

    def construct(self, logits: Tensor) -> Tensor:
        heads, size = logits.shape[1], logits.shape[2]
        bias = ops.gather(self.weight, self._places, 0).reshape(size, size, heads)
        return logits + bias.permute(2, 0, 1)


def window_mask(logits: Tensor, height: int, width: int, window: int, shift: int) -> Tensor:
    """Bar a shifted window's pixels from those that lie elsewhere, (n windows, heads, l, l).

    Adds -100 between pixels of a map (height, width) that the shift brought together.
    """
    # Native: Graph mode makes tensors from arrays only while it compiles.
    n, heads, size, _ = logits.shape
    bars = _shift_mask(height, width, window, shift)
    count = bars.shape[0]
    barred = logits.reshape(n // count, count, heads, size, size) + ops.expand_dims(bars, 1)
    return barred.reshape(n, heads, size, size)


@ops.constexpr
def _shift_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    return Tensor(windows.shift_mask(height, width, window, shift))
