"""Functions of single numbers, and softmax."""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn


def softmax(x: Var, *, axis: int) -> Var:
    """Shares that add up to one along an axis, any shape."""
    # Native: the axis is named dim.
    return nn.softmax(x, dim=axis)


def gelu(x: Var) -> Var:
    """x times the normal distribution's integral up to x, any shape."""
    # Native: exact by default.
    return nn.gelu(x)


def sigmoid(x: Var) -> Var:
    """1 / (1 + exp(-x)), any shape."""
    # Native: the same.
    return jt.sigmoid(x)


def leaky_relu(x: Var, slope: float) -> Var:
    """Values below zero times a slope, any shape."""
    # Native: slope 0.01 by default.
    return nn.leaky_relu(x, slope)


class PRelu(nn.Module):
    """Values below zero times one slope that is learned, any shape."""

    # Native: the same.
    def __init__(self) -> None:
        super().__init__()
        self.weight = jt.full((1,), 0.25)

    def execute(self, x: Var) -> Var:
        return nn.relu(x) - self.weight * nn.relu(-x)


def softplus(x: Var) -> Var:
    """log(1 + exp(x)), any shape."""
    # Native: log(1 + exp(x)) as written, which is off by 2 % of the value at x = -13.
    # Here log(1 + t) = 2 artanh(t / (2 + t)) by its series, t = exp(-|x|) being at most 1.
    t = jt.exp(-jt.abs(x))
    s = t / (2 + t)
    square = s * s
    series = jt.full_like(x, 1 / 17)
    for odd in (15, 13, 11, 9, 7, 5, 3, 1):
        series = 1 / odd + square * series
    return nn.relu(x) + 2 * s * series


def cos_sin(x: Var) -> Var:
    """All cosines, then all sines, (r, k) -> (r, 2 k)."""
    # Native: two functions.
    return jt.concat([jt.cos(x), jt.sin(x)], dim=1)
