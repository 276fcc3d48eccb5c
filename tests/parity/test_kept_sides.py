"""`parity compare`: what the reference gave is kept, and only what is new is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from parity.measure.kept import Kept
from restoration.process.launch import Process
from tests.parity.strangers import REFERENCE, sides

pytestmark = pytest.mark.frameworks("torch")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What all processes are asked for, in order, but for the files that they have read."""
    found: list[str] = []
    call = Process.call

    def told(
        self: Process, function: str, arguments: Mapping[str, Any] | None = None, *, about: str = ""
    ) -> Any:
        if not function.startswith("parity.measure.sources"):
            found.append(function.rpartition(":")[2])
        return call(self, function, arguments, about=about)

    monkeypatch.setattr(Process, "call", told)
    return found


def test_the_second_comparison_costs_the_port_and_the_judging(
    tmp_path: Path, asked: list[str]
) -> None:
    """An honest edit, a faulty one and an edit of the reference, each with the result that it has
    without a cache."""
    kept = Kept(tmp_path / "cache")

    def compare(port: str, reference: str = REFERENCE) -> tuple[dict[str, Any], list[str]]:
        asked.clear()
        result = sides(tmp_path, port, reference, kept=kept).to_json()
        said = list(asked)
        assert result == sides(tmp_path, port, reference).to_json()
        return result, said

    _, first = compare(REFERENCE)
    assert first.count("measure_outputs") == 3
    assert first.count("measure_gradients") == 1
    result, again = compare(REFERENCE + "# an edit")
    assert result["verdict"] == "AGREE"
    assert "measure_outputs" not in again
    assert "measure_gradients" not in again
    # The port: its taps once, a second call, another size, the first again, an odd one. The
    # reference: led by the taps.
    assert (again.count("tapped"), again.count("run"), again.count("locate")) == (1, 4, 1)
    assert again.count("gradients") == 1
    result, again = compare(REFERENCE.replace("torch.relu", "torch.tanh"))
    assert [one["cause"]["name"] for one in result["findings"]] == ["activation"]
    assert "measure_outputs" not in again
    other = REFERENCE.replace("x + self", "x - self")
    result, again = compare(other, other)
    assert result["verdict"] == "AGREE"
    assert again.count("measure_outputs") == 3


def test_a_port_that_calls_its_modules_in_another_order_is_mapped_anew(tmp_path: Path) -> None:
    """Weights are told by the order of calls; the order of the last comparison is not believed."""
    reference = """
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 3, 3, padding=1)
        self.b = nn.Conv2d(3, 3, 3, padding=1)
    def forward(self, x):
        return self.b(self.a(x).tanh())
def build():
    return Net()
"""
    kept = Kept(tmp_path / "cache")
    port = reference.replace("self.a", "self.one").replace("self.b", "self.two")
    swapped = reference.replace("self.a", "self.two").replace("self.b", "self.one")
    for text in (port, swapped, port):
        result = sides(tmp_path, text, reference, kept=kept)
        assert (result.verdict, result.findings) == ("AGREE", [])


def test_a_file_that_the_reference_reads_belongs_to_its_source(tmp_path: Path) -> None:
    reference = REFERENCE.replace(
        "def build(width=8):",
        "from pathlib import Path\ndef build(width=8):\n"
        "    Net.scale = float(Path(__file__).with_name('scale.txt').read_text())",
    ).replace("return x +", "return self.scale * x +")
    kept = Kept(tmp_path / "cache")
    for scale, verdict in (("1.0", "AGREE"), ("2.0", "DIFFER"), ("1.0", "AGREE")):
        (tmp_path / "scale.txt").write_text(scale)
        result = sides(tmp_path, REFERENCE, reference, kept=kept)
        assert result.verdict == verdict


def test_an_answer_of_an_error_is_kept_too(tmp_path: Path, asked: list[str]) -> None:
    """Inputs that the reference does not take are not tried again."""
    reference = REFERENCE.replace("return x +", "assert x.shape[-1] == 64\n        return x +")
    kept = Kept(tmp_path / "cache")
    counts = []
    for _ in range(2):
        asked.clear()
        assert sides(tmp_path, reference, reference, kept=kept).verdict == "AGREE"
        counts.append(asked.count("run"))
    # Three shapes are tried, then another size; the port is called a second time.
    assert counts == [5, 1]
