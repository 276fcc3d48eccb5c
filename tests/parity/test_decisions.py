"""Decisions of a port: what rounding decides is no fault, what another rule decides is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parity.strangers import REFERENCE, sides

DECIDING = REFERENCE.replace(
    "return x + self.last(torch.relu(self.first(x)))",
    "y = self.head(x)\n"
    "        steps = torch.round(y * 65536) / 65536\n"
    "        return steps, y.argmax(1), (y > 0.1) * x.sum(1, keepdim=True)",
).replace(
    "    def forward",
    "    def head(self, x):\n        return self.last(torch.relu(self.first(x)))\n    def forward",
)
OTHERWISE_SUMMED = """
        def conv(layer, x):
            w = layer.weight.double()
            return nn.functional.conv2d(x.double(), w, layer.bias.double(), padding=1).float()
        return conv(self.last, torch.relu(conv(self.first, x)))
"""


def _port(old: str = "", new: str = "") -> str:
    """The same network with its sums done otherwise."""
    text = DECIDING.replace(
        "        return self.last(torch.relu(self.first(x)))\n", OTHERWISE_SUMMED.lstrip("\n")
    )
    return text.replace(old, new) if old else text


@pytest.mark.frameworks("torch")
def test_decisions_that_rounding_takes_are_counted_and_no_fault(tmp_path: Path) -> None:
    result = sides(tmp_path, _port(), DECIDING)
    assert result.verdict == "AGREE", [one.in_words for one in result.findings]
    said = [text for text in result.assumptions if "decisions of round" in text]
    assert said, result.assumptions
    assert "decisions of round (reference.py:" in said[0]


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(
    ("old", "new"),
    [("torch.round(", "torch.floor("), ("y.argmax(1)", "y.argmin(1)"), ("y > 0.1", "y > 0.11")],
)
def test_decisions_by_another_rule_differ(tmp_path: Path, old: str, new: str) -> None:
    assert sides(tmp_path, _port(old, new), DECIDING).verdict == "DIFFER"
