"""What is dropped at random in training."""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn


class DropPath(nn.Module):
    """In training drops members of the first dimension and scales the others by 1 / (1 - rate).

    Factors of the members, when given, are used instead of random ones, in any mode.
    """

    # Native: absent. jittor.nn.dropout drops single numbers, half of them by default.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def execute(self, x: Var, factors: Var | None = None) -> Var:
        if factors is not None:
            return x * factors
        if self.rate == 0.0 or not self.is_training():
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x * ((jt.rand(shape) >= self.rate).float32() / (1 - self.rate))


class ChannelDropout(nn.Module):
    """Drops whole channels in training and scales the others by 1 / (1 - rate).

    A mask (n, c, 1, 1) of factors, when given, is used instead of a random one, in any mode.
    """

    # Native: jittor.nn.Dropout2d: rate 0.5, in training, by default; it draws its own mask.
    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def execute(self, x: Var, mask: Var | None = None) -> Var:
        if mask is not None:
            return x * mask
        return nn.dropout2d(x, p=self.rate, is_train=self.is_training())
