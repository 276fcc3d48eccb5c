"""A network of many small stages, each of which a port may have otherwise, as text.

A stage computes `z` from `y`, what its convolution gave; `w`, `b` are that convolution's weights.
"""

from __future__ import annotations

from typing import NamedTuple


class Stage(NamedTuple):
    """right: what the reference computes. wrong: what a port does. cause: its name."""

    cause: str
    right: str
    wrong: str


_BACK = "F.interpolate({}, size=(12, 12), mode='nearest')"
_SCALED = "F.interpolate(y, scale_factor=1.3, mode='bilinear')"
_MEAN = "y.mean((2, 3), keepdim=True)"
_STD = "y.var((2, 3), keepdim=True, correction=0)"
_INVERSE = "F.pad(torch.fft.irfft2(torch.fft.rfft2(y[..., :11]){}), (0, 2))[..., :12]"
STAGES = tuple(
    Stage(*one)
    for one in (
        (
            "half-pixel",
            "F.interpolate(y, scale_factor=2, mode='bilinear')[..., ::2, 1::2]",
            "asymmetric(y)[..., ::2, 1::2]",
        ),
        (
            "resize scale",
            f"{_SCALED[:-1]}, recompute_scale_factor=False)[..., :12, :12]",
            f"{_SCALED[:-1]}, recompute_scale_factor=True)[..., :12, :12]",
        ),
        (
            "interpolation antialias",
            _BACK.format("F.interpolate(y, size=(5, 5), mode='bilinear')"),
            _BACK.format("F.interpolate(y, size=(5, 5), mode='bilinear', antialias=True)"),
        ),
        (
            "grid coordinates",
            "F.grid_sample(y, grid(y), align_corners=False)",
            "F.grid_sample(y, grid(y).flip(-1), align_corners=False)",
        ),
        (
            "padding value",
            "F.avg_pool2d(F.pad(y, (1, 1, 1, 1), value=0.0), 3, 1)",
            "F.avg_pool2d(F.pad(y, (1, 1, 1, 1), value=1.0), 3, 1)",
        ),
        (
            "stride",
            _BACK.format("F.conv2d(y, w, stride=2, padding=1)"),
            "F.conv2d(y, w, padding=1)",
        ),
        ("dilation", "F.conv2d(y, w, padding=1)", "F.conv2d(y, w, padding=2, dilation=2)"),
        (
            "pooling ceil",
            _BACK.format("F.max_pool2d(y, 3, 2)"),
            _BACK.format("F.max_pool2d(y, 3, 2, ceil_mode=True)"),
        ),
        ("pooling kind", "F.max_pool2d(y, 3, 1, 1)", "F.avg_pool2d(y, 3, 1, 1)"),
        (
            "pooling adaptive",
            _BACK.format("F.adaptive_avg_pool2d(y, 5)"),
            _BACK.format("F.avg_pool2d(y, 4, 2)"),
        ),
        (
            "weight transposed",
            "F.conv2d(y, w, padding=1)",
            "F.conv2d(y, w.transpose(0, 1), padding=1)",
        ),
        ("bias missing", "F.conv2d(y, w, b, padding=1)", "F.conv2d(y, w, padding=1)"),
        (
            "eps place",
            "F.instance_norm(y, eps=0.1)",
            f"(y - {_MEAN}) / ({_STD}.sqrt() + 0.1)",
        ),
        ("eps", "F.instance_norm(y, eps=1e-5)", "F.instance_norm(y, eps=1e-2)"),
        (
            "batch statistics",
            "F.batch_norm(y, b, w.abs().sum((1, 2, 3)))",
            "F.batch_norm(y, None, None, training=True)",
        ),
        ("number of groups", "F.group_norm(y, 4)", "F.group_norm(y, 2)"),
        (
            "affine missing",
            "F.group_norm(y, 2, w.sum((1, 2, 3)), b)",
            "F.group_norm(y, 2)",
        ),
        ("norm missing", "F.instance_norm(y)", "y"),
        ("activation missing", "F.relu(y)", "y"),
        ("GELU form", "F.gelu(y)", "F.gelu(y, approximate='tanh')"),
        ("slope", "F.leaky_relu(y, 0.1)", "F.leaky_relu(y, 0.2)"),
        ("softmax missing", "y.softmax(1)", "y"),
        ("softmax axis", "y.softmax(1)", "y.softmax(2)"),
        ("window shift", "y.roll((2, 2), (2, 3))", "y.roll((1, 1), (2, 3))"),
        ("factor missing", f"y * {_MEAN}", "y"),
        ("product for sum", f"y + {_MEAN}", f"y * {_MEAN}"),
        ("sum for mean", f"y + {_MEAN}", "y + y.sum((2, 3), keepdim=True)"),
        ("wrong axis", "y - y.mean(2, keepdim=True)", "y - y.mean(3, keepdim=True)"),
        ("clamp missing", "y.clamp(-0.5, 0.5)", "y"),
        ("clamp limits", "y.clamp(-0.5, 0.5)", "y.clamp(-0.25, 0.25)"),
        ("flipped", "y + 0", "y.flip(3)"),
        ("rows and columns swapped", "y + 0", "y.transpose(2, 3)"),
        ("constant rounded", "y * 0.70710678", "y * 0.707"),
        ("operand transposed", "y @ y.softmax(1)", "y @ y.softmax(1).transpose(2, 3)"),
        (
            "FFT shift",
            "torch.fft.ifft2(torch.fft.fftshift(torch.fft.fft2(y), (2, 3))).real",
            "torch.fft.ifft2(torch.fft.fft2(y)).real",
        ),
        (
            "FFT norm",
            "torch.fft.rfft2(y).abs()[..., :6].repeat(1, 1, 1, 2)",
            "torch.fft.rfft2(y, norm='ortho').abs()[..., :6].repeat(1, 1, 1, 2)",
        ),
        ("arctan for arctan2", "torch.atan2(y, y.flip(1))", "torch.atan(y / y.flip(1))"),
        ("phase arguments swapped", "torch.atan2(y, y.flip(1))", "torch.atan2(y.flip(1), y)"),
        (
            "real and imaginary swapped",
            "torch.fft.ifft2(torch.complex(y, y.flip(1))).real",
            "torch.fft.ifft2(torch.complex(y.flip(1), y)).real",
        ),
        ("FFT size", _INVERSE.format(", s=(12, 11)"), _INVERSE.format("")),
        (
            "complex conjugate",
            "torch.fft.ifft2(torch.complex(y, y.flip(1))).real",
            "torch.fft.ifft2(torch.complex(y, -y.flip(1))).real",
        ),
        ("group order", "F.group_norm(y, 2)", "F.group_norm(y[:, ORDER], 2)[:, ORDER]"),
        (
            "order of queries, keys and values",
            "attend(*self.three(y).chunk(3, 1))",
            "attend(*[self.three(y).chunk(3, 1)[n] for n in (1, 0, 2)])",
        ),
        (
            "order of queries, keys and values",
            "taken(self.three(y), 0, 1, 2)",
            "taken(self.three(y), 1, 2, 0)",
        ),
        (
            "order of queries, keys and values",
            "attend(*F.conv2d(y, self.three.weight).split(4, 1))",
            "attend(*F.conv2d(y, self.three.weight[THIRDS]).split(4, 1))",
        ),
        (
            "order of parts",
            "gated(*self.three(y).chunk(3, 1))",
            "gated(*[self.three(y).chunk(3, 1)[n] for n in (0, 2, 1)])",
        ),
        ("position index transposed", "y + w.flatten()[INDEX]", "y + w.flatten()[INDEX.T]"),
        ("dropout scale", "F.dropout(y, 0.3, training=False)", "0.7 * y"),
        ("scale", "0.5 * y", "0.2 * y"),
        ("constant", "y + 0.5", "y + 0.2"),
        ("padding amount", "F.conv2d(y, w, padding=1)", "F.conv2d(F.pad(y, (0, 2, 0, 2)), w)"),
        ("biased variance", f"y - {_STD[:-2]}1)", f"y - {_STD}"),
        ("unbiased variance", f"y - {_STD}", f"y - {_STD[:-2]}1)"),
    )
)

_HEAD = """
import torch
from torch import nn
from torch.nn import functional as F


def asymmetric(x):
    for axis in (2, 3):
        size = x.shape[axis]
        later = x.narrow(axis, 1, size - 1)
        later = torch.cat([later, x.narrow(axis, size - 1, 1)], axis)
        x = torch.stack([x, (x + later) / 2], axis + 1).flatten(axis, axis + 1)
    return x


def grid(x):
    theta = torch.tensor([[[0.8, 0.3, 0.1], [-0.2, 0.7, 0.0]]], dtype=x.dtype)
    return F.affine_grid(theta, list(x.shape), align_corners=False)


ORDER = [0, 2, 1, 3]
INDEX = torch.arange(144).reshape(12, 12) * 7 % 144
THIRDS = [*range(4, 8), *range(4), *range(8, 12)]


def gated(x, gate, offset):
    return x * gate.sigmoid() + offset


def attend(q, k, v):
    return (q @ k.transpose(-1, -2)).softmax(-1) @ v


def taken(x, *order):
    qkv = x.unflatten(1, (3, 4)).permute(1, 0, 2, 3, 4)
    return attend(qkv[order[0]], qkv[order[1]], qkv[order[2]])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([stage() for stage in STAGES])

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return x


def build():
    return Net()
"""


def network(*, is_port: bool) -> str:
    """The file of one side."""
    text = _HEAD
    for number, stage in enumerate(STAGES):
        text += f"""

class Stage{number}(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        {"self.three = nn.Conv2d(4, 12, 1, bias=False)" if "three" in stage.right else ""}

    def forward(self, x):
        w, b = self.conv.weight, self.conv.bias
        y = self.conv(x)
        z = {stage.wrong if is_port else stage.right}
        return 2 * z / (1 + z.abs())
"""
    names = ", ".join(f"Stage{number}" for number in range(len(STAGES)))
    return text + f"\n\nSTAGES = [{names}]\n"
