"""VGG's features, by which perceptual losses compare images; its weights are given and stay so.

Source: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
ICLR 2015, arXiv 1409.1556.

Input: images (n, 3, h, w), on whatever range the loss takes. Output: a map (n, c, h/2^i, w/2^i) of
each stage i, at its last convolution.
"""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from torch_impl.layers import conv2d, fixed_parameter, max_pool


class FixedConv(nn.Module):
    """A 3x3 convolution that is not trained, (n, in, h, w) -> (n, out, h, w)."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray):
        super().__init__()
        self.weight = fixed_parameter(weight)
        self.bias = fixed_parameter(bias.reshape(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, padding=1) + self.bias


class VGG(nn.Module):
    """The stages whose weights and biases are given, halved in between; see the module's docstring.

    is_activated: maps are given after their ReLU, else the last one before.
    """

    def __init__(self, stages: list[list[tuple[np.ndarray, np.ndarray]]], *, is_activated: bool):
        super().__init__()
        self.is_activated = is_activated
        self.counts = [len(stage) for stage in stages]
        self.convs = nn.ModuleList(
            [FixedConv(weight, bias) for stage in stages for weight, bias in stage]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        found, place = [], 0
        for stage, count in enumerate(self.counts):
            if stage:
                x = max_pool(x, 2)
            for _ in range(count):
                x = self.convs[place](x)
                place = place + 1
                if self.is_activated or place < len(self.convs):
                    x = F.relu_(x)
            found.append(x)
        return found
