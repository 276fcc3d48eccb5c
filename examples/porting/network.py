"""A small denoiser in PyTorch, as one finds it: the reference of docs/porting/guide.md."""

import torch
from torch import nn
from torch.nn import functional as F


class Denoiser(nn.Module):
    """(n, 3, h, w) -> (n, 3, h, w), in [0, 1]; h and w even."""

    def __init__(self, width=16):
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(2 * width)
        self.body = nn.Conv2d(2 * width, width, 3, padding=1)
        self.tail = nn.Conv2d(2 * width, 3, 3, padding=1)

    def forward(self, noisy):
        fine = F.leaky_relu(self.head(noisy), 0.1)
        coarse = F.leaky_relu(self.norm(self.down(fine)), 0.1)
        coarse = F.interpolate(
            self.body(coarse), scale_factor=2, mode="bilinear", align_corners=False
        )
        return noisy - self.tail(torch.cat([fine, coarse], dim=1))


def build(width=16):
    return Denoiser(width)
