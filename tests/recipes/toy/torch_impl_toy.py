"""Toy: two convolutions and a skip connection.

Input: image (n, 3, h, w), RGB in [0, 1]. Output: the same shape, not clamped.
"""

from __future__ import annotations

import torch.nn.functional as F
from restoration.models.toy import ToySpec
from torch import Tensor, nn

from torch_impl.layers import Conv2d


class Toy(nn.Module):
    """The whole network; see the module's docstring for shapes."""

    def __init__(self, spec: ToySpec):
        super().__init__()
        self.first = Conv2d(3, spec.width, 3, padding=1, bias=True)
        self.last = Conv2d(spec.width, 3, 3, padding=1, bias=True)

    def forward(self, image: Tensor) -> Tensor:
        return image + self.last(F.relu_(self.first(image)))
