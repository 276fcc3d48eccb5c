"""The first port to MindSpore, translated line by line: three of its lines mean something else."""

from mindspore import nn, ops


class Denoiser(nn.Cell):
    def __init__(self, width=16):
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, has_bias=True)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, has_bias=True)
        self.norm = nn.BatchNorm2d(2 * width, momentum=0.1)
        self.body = nn.Conv2d(2 * width, width, 3, has_bias=True)
        self.tail = nn.Conv2d(2 * width, 3, 3, has_bias=True)
        self.act = nn.LeakyReLU()

    def construct(self, noisy):
        fine = self.act(self.head(noisy))
        coarse = self.act(self.norm(self.down(fine)))
        coarse = ops.interpolate(
            self.body(coarse), scale_factor=2.0, mode="bilinear", recompute_scale_factor=True
        )
        return noisy - self.tail(ops.cat([fine, coarse], axis=1))


def build(width=16):
    return Denoiser(width)
