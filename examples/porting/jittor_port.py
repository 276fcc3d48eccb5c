"""The port to Jittor that agrees."""

import jittor as jt
from jittor import nn


class BatchNorm(nn.BatchNorm):
    """Moves the variance by the unbiased one, as PyTorch does; Jittor's takes the biased one."""

    def execute(self, x):
        before = self.running_var.clone()
        result = super().execute(x)
        if self.is_train:
            count = x.numel() // x.shape[1]
            biased = (self.running_var - (1 - self.momentum) * before) / self.momentum
            self.running_var.update(self.running_var + self.momentum * biased / (count - 1))
        return result


class Denoiser(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.head = nn.Conv(3, width, 3, padding=1)
        self.down = nn.Conv(width, 2 * width, 3, stride=2, padding=1)
        self.norm = BatchNorm(2 * width)
        self.body = nn.Conv(2 * width, width, 3, padding=1)
        self.tail = nn.Conv(2 * width, 3, 3, padding=1)

    def execute(self, noisy):
        fine = nn.leaky_relu(self.head(noisy), 0.1)
        coarse = self.body(nn.leaky_relu(self.norm(self.down(fine)), 0.1))
        size = (noisy.shape[2], noisy.shape[3])
        coarse = nn.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
        return noisy - self.tail(jt.concat([fine, coarse], dim=1))


def build(width=16):
    return Denoiser(width)
