"""What is dropped at random in training."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DropPath(nn.Module):
    """In training drops members of the first dimension and scales the others by 1 / (1 - rate).

    Factors of the members, when given, are used instead of random ones, in any mode.
    """

    # Native: absent. torch.nn.functional.dropout drops single numbers, half of them by default.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, factors: Tensor | None = None) -> Tensor:
        if factors is not None:
            return x * factors
        if self.rate == 0.0 or not self.training:
            return x
        shape = (x.shape[0],) + (1,) * (x.dim() - 1)
        return x * (x.new_empty(shape).bernoulli_(1 - self.rate) / (1 - self.rate))


class ChannelDropout(nn.Module):
    """Drops whole channels in training and scales the others by 1 / (1 - rate).

    A mask (n, c, 1, 1) of factors, when given, is used instead of a random one, in any mode.
    """

    # Native: torch.nn.functional.dropout2d: rate 0.5, in training, by default; it draws its own
    # mask.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            return x * mask
        return F.dropout2d(x, p=self.rate, training=self.training)
