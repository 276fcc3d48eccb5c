"""Whole ports, as users write them: which line falls into which trap, and which do not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parity.lint.check import lint
from parity.lint.registry import RULES

MINDSPORE = """\
import argparse
import mindspore as ms
import mindspore.nn as nn
import mindspore.ops.operations as P
from mindspore import ops, Tensor
from mindspore.ops import functional as F


def conv(cin, cout, k=3):
    return nn.Conv2d(cin, cout, k, padding=k // 2)  # MS101 MS102


class Block(nn.Cell):
    def __init__(self, dim, norm=nn.LayerNorm, act=nn.GELU):
        super().__init__()
        self.body = nn.SequentialCell(conv(dim, dim), act(), nn.Dropout(0.1))  # MS107 MS108
        self.norm = norm((dim,))  # MS106
        self.down = nn.MaxPool2d(2)  # MS105
        self.up = nn.Conv2dTranspose(dim, dim, 2, 2, pad_mode="pad", has_bias=True)
        self.point = nn.Conv2d(dim, dim, 1, has_bias=True)
        self.tail = [nn.Dense(dim, dim) for _ in range(2)]  # MS115
        self.resize = P.ResizeBilinearV2()  # MS114

    def construct(self, x):
        y = F.interpolate(self.body(x), scale_factor=2.0, mode="bilinear")  # MS306 PT301
        y = self.resize(y, x.shape[2:])
        y = ops.cat([x, ops.roll(y, 1, 2)], dim=1)  # MS310 MS301
        y = y[:, :, ::2, ::2]  # MS304
        spectrum = ops.rfft2(y)
        spectrum = spectrum * ops.rfft2(x)  # MS305
        return ops.irfft2(spectrum, s=y.shape[-2:]).astype(ms.float16)  # MS208


def train(network, data, device):
    optimizer = nn.Adam(network.trainable_params(), 1e-4)  # MS403
    network.train()  # MS313
    step = ms.value_and_grad(lambda x: network(x).mean(), None, optimizer.parameters)  # MS110
    ms.load_param_into_net(network, ms.load_checkpoint("a.ckpt"))  # MS401
    for batch in data:
        loss, gradients = step(batch.to(device))  # MS311
        optimizer(gradients)
        print(loss.size(0), loss.detach().asnumpy().std())  # MS314 MS311
"""

JITTOR = """\
import os, sys, time
os.environ['JITTOR_HOME'] = '/data/cache'  # JT215
import jittor as jt
import jittor.nn as nn
from jittor.nn import functional as F  # JT201
from jittor import Module, init
import numpy as np


class Attention(Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.BatchNorm2d(dim, momentum=0.9)  # JT119
        self.pool = nn.AdaptiveAvgPool2d((13, 13))  # JT107
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.act = nn.LeakyReLU(negative_slope=0.1)  # JT202
        self.conv = nn.Conv(dim, dim, 3, padding=1, padding_mode='reflect')  # JT213

    def forward(self, x):  # JT208
        h = x.shape[2] // 2
        w, _ = x.max(dim=1)  # JT114
        y = nn.interpolate(input=x, size=(h, h))  # JT203 JT104
        y = jt.clamp(y, min=0, max=1).std()  # JT210 JT110
        return (y != y).any()  # JT117


def main(model, batches):
    optimizer = jt.optim.Adam(model.parameters(), 1e-4)  # JT303
    model.load_state_dict(jt.load('weights.pkl'))  # JT302 JT308
    model.eval()  # JT301
    start = time.time()
    for x, target in batches:
        target = jt.array(target.astype(np.float64))  # JT118
        loss = (model(x) - target).sqr().mean()
        optimizer.zero_grad()
        loss.backward()  # JT206
        optimizer.step()
        print(loss.item(), np.std(target.data.numpy()))  # JT204 JT205 PT303
"""


@pytest.mark.parametrize("text", [MINDSPORE, JITTOR], ids=["mindspore", "jittor"])
def test_every_trap_of_a_port_is_found_in_its_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "port.py").write_text(text)
    report = lint([tmp_path], list(RULES.values()))
    expected = [
        (number, code)
        for number, line in enumerate(text.splitlines(), 1)
        for code in re.findall(r"[A-Z]{2}\d{3}", line.partition("  # ")[2])
    ]
    found = [(finding.line, finding.code) for finding in report.findings]
    assert sorted(found) == sorted(expected)
