"""Whatever a stranger's network takes and gives, and whatever it draws."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from parity.adapters.calling import bound
from parity.adapters.draws import Stream
from tests.parity.strangers import causes, sides

STRUCTURED = """
from __future__ import annotations
import dataclasses
import torch
from torch import nn
@dataclasses.dataclass
class Frames:
    now: torch.Tensor
    before: torch.Tensor
@dataclasses.dataclass
class Result:
    image: torch.Tensor
    features: dict
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 6, 3, padding=1)
        self.cell = nn.GRUCell(6, 6)
        self.tail = nn.Conv2d(6, 3, 3, padding=1)
    def forward(self, frames: Frames, bias=0, *, mask, state=None):
        x = self.head(frames.now) + self.head(frames.before)
        for part in x.mean((2, 3)).unsqueeze(0):
            state = self.cell(part, state)
        for part in x.amax((2, 3)).unsqueeze(0):
            state = self.cell(part, state)
        y = self.tail(torch.relu(x) + state[:, :, None, None]) * mask + bias
        return Result(y, {"state": state, "scales": [y[..., ::2], y[..., ::4]]})
def build():
    return Net()
"""
RANDOM = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.drop = nn.Dropout(0.4)
        self.last = nn.Conv2d(8, 3, 3, padding=1)
    def forward(self, x):
        y = self.last(self.drop(torch.relu(self.first(x))))
        if self.training:
            keep = torch.floor(0.7 + torch.rand((x.shape[0], 1, 1, 1)))
            y = y / 0.7 * keep + 0.1 * torch.randn_like(y)
        return x + y
def build():
    return Net()
"""
RANDOM_JITTOR = """
import jittor as jt
from jittor import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.drop = nn.Dropout(0.4)
        self.last = nn.Conv2d(8, 3, 3, padding=1)
    def execute(self, x):
        y = self.last(self.drop(nn.relu(self.first(x))))
        if self.is_training():
            keep = jt.floor(0.7 + jt.rand((x.shape[0], 1, 1, 1)))
            y = y / 0.7 * keep + 0.1 * jt.randn_like(y)
        return x + y
def build():
    return Net()
"""
RANDOM_MINDSPORE = """
from mindspore import nn, ops
class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.drop = nn.Dropout(p=0.4)
        self.last = nn.Conv2d(8, 3, 3, pad_mode="pad", padding=1, has_bias=True)
    def construct(self, x):
        y = self.last(self.drop(ops.relu(self.first(x))))
        if self.training:
            keep = ops.floor(0.7 + ops.rand((x.shape[0], 1, 1, 1)))
            y = y / 0.7 * keep + 0.1 * ops.randn_like(y)
        return x + y
def build():
    return Net()
"""


def _inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shape = (1, 3, 12, 16)
    return {
        name: rng.standard_normal(shape).astype(np.float32)
        for name in ("frames.now", "frames.before", "mask")
    }


@pytest.mark.frameworks("torch")
def test_dataclasses_keywords_nested_outputs_and_recurrent_states_are_compared(
    tmp_path: Path,
) -> None:
    right = sides(tmp_path, STRUCTURED, STRUCTURED, inputs=_inputs())
    assert right.verdict == "AGREE", [one.in_words for one in right.findings]
    assert len(right.outputs) == 4
    port = STRUCTURED.replace("state[:, :, None, None]) * mask", "state[:, :, None, None]) + mask")
    wrong = sides(tmp_path, port, STRUCTURED, inputs=_inputs())
    assert set(causes(wrong)) == {"sum for product"}


@pytest.mark.frameworks("torch")
def test_masks_and_noise_of_training_come_from_one_stream(tmp_path: Path) -> None:
    right = sides(tmp_path, RANDOM.replace("first", "stem"), RANDOM, is_training=True)
    assert right.verdict == "AGREE", [one.in_words for one in right.findings]
    assert any("both sides draw random numbers (3 and 3 arrays)" in t for t in right.assumptions)
    port = RANDOM.replace("nn.Dropout(0.4)", "nn.Dropout(0.6)")
    assert sides(tmp_path, port, RANDOM, is_training=True).verdict == "DIFFER"


@pytest.mark.goldens
@pytest.mark.parametrize(
    ("framework", "port"),
    [
        pytest.param(name, port, marks=pytest.mark.frameworks("torch", name), id=name)
        for name, port in (("jittor", RANDOM_JITTOR), ("mindspore", RANDOM_MINDSPORE))
    ],
)
def test_masks_and_noise_are_the_same_in_other_frameworks(
    tmp_path: Path, framework: str, port: str
) -> None:
    result = sides(tmp_path, port, RANDOM, frameworks=("torch", framework), is_training=True)
    assert result.verdict == "AGREE", [one.in_words for one in result.findings]


class _Pair(NamedTuple):
    one: int
    other: int


class _Network:
    def forward(self, x: int, pair: _Pair, many: tuple[int, ...] = (), *, flag: int = 0) -> None:
        """Takes what is bound below."""


def test_names_become_arguments_by_place_and_by_keyword() -> None:
    given = {"x": 1, "pair.one": 2, "pair.other": 3, "many.0": 4, "many.1": 5, "flag": 6}
    assert bound(_Network(), given) == ([1, _Pair(2, 3), (4, 5)], {"flag": 6})
    skipped: dict[str, Any] = {"x": 1, "flag": 2}
    assert bound(_Network(), skipped) == ([1], {"flag": 2})
    assert bound(_Network(), {"image": 1, "both.a": 2})[0][1] == {"a": 2}
    assert bound(SimpleNamespace(), {}) == ([], {})


def test_a_stream_gives_the_same_numbers_for_the_same_draw() -> None:
    one, other = Stream(0), Stream(0)
    other.normal((5,))
    first, second = one.uniform((5,)), other.uniform((5,))
    assert not np.array_equal(first, second)
    assert np.array_equal(one.uniform((5,)), second)
    assert one.kept((1000,), 0.7).mean() == pytest.approx(0.7, abs=0.05)
