"""Small networks as a stranger would write them, as text, for tests of `parity compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parity.adapters.sides import parse_side
from parity.commands.compare import compare
from parity.compare.state import Options
from parity.report.comparison import Comparison

REFERENCE = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)
    def forward(self, x):
        return x + self.last(torch.relu(self.first(x)))
def build(width=8):
    return Net(width)
"""


def write_sides(folder: Path, port: str, reference: str = REFERENCE) -> None:
    """Write reference.py and port.py."""
    for name, text in (("reference.py", reference), ("port.py", port)):
        (folder / name).write_text(text)


def sides(
    folder: Path,
    port: str,
    reference: str = REFERENCE,
    *,
    frameworks: Sequence[str] = ("torch", "torch"),
    **options: Any,
) -> Comparison:
    """Compare two networks that are given as text, each with a factory `build`."""
    write_sides(folder, port, reference)
    chosen = Options(options.pop("inputs", {}), **options)
    one, other = (
        parse_side(f"{framework}:{folder / file}.py:build", where=file)
        for framework, file in zip(frameworks, ("reference", "port"), strict=True)
    )
    return compare(one, other, chosen, lambda _who, _text: None)


def causes(result: Comparison) -> list[str]:
    return [finding.cause for finding in result.findings]
