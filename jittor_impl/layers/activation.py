"""Functions of single numbers, and softmax."""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn


def softmax(x: Var, *, dim: int) -> Var:
    """Shares that add up to one along a dimension, any shape."""
    # Native: jittor.nn.softmax: over everything by default.
    return nn.softmax(x, dim=dim)


def gelu(x: Var) -> Var:
    """x times the normal distribution's integral up to x, any shape."""
    # Native: jittor.nn.gelu: exact, and nothing else.
    return nn.gelu(x)


def sigmoid(x: Var) -> Var:
    """1 / (1 + exp(-x)), any shape."""
    # Native: jittor.sigmoid: right to the last places everywhere.
    return jt.sigmoid(x)


def leaky_relu(x: Var, slope: float) -> Var:
    """Values below zero times a slope, any shape."""
    # Native: jittor.nn.leaky_relu: slope 0.01 by default.
    return nn.leaky_relu(x, slope)


class PReLU(nn.Module):
    """Values below zero times one slope that is learned, any shape."""

    # Native: jittor.nn.PReLU: one slope, 0.25 at first, by default; called weight, by way of a
    # comparison.
    def __init__(self) -> None:
        super().__init__()
        self.weight = jt.full((1,), 0.25)

    def execute(self, x: Var) -> Var:
        return nn.relu(x) - self.weight * nn.relu(-x)


def softplus(x: Var) -> Var:
    """log(1 + exp(x)), any shape."""
    # Native: jittor.nn.softplus: beta 1, and x itself above a threshold of 20, by default; below it
    # log(1 + exp(x)) as written, which is off by 2 % of the value at x = -13. Here log(1 + t) = 2
    # artanh(t / (2 + t)) by its series, t = exp(-|x|) being at most 1.
    t = jt.exp(-jt.abs(x))
    s = t / (2 + t)
    square = s * s
    series = jt.full_like(x, 1 / 17)
    for odd in (15, 13, 11, 9, 7, 5, 3, 1):
        series = 1 / odd + square * series
    return nn.relu(x) + 2 * s * series


def cos_sin(x: Var) -> Var:
    """All cosines, then all sines, (r, k) -> (r, 2 k)."""
    # Native: jittor.cos and jittor.sin, joined by jittor.concat.
    return jt.concat([jt.cos(x), jt.sin(x)], dim=1)
