"""`parity compare --watch`: again whenever a file of the port changes, until the user ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.adapters.sides import parse_side
from parity.commands.watch import Watch
from restoration.console import INTERRUPTED
from tests.parity.strangers import REFERENCE

pytestmark = pytest.mark.frameworks("torch")

PORT = """
from torch import nn
from layers.parts import activation
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 3, 3, padding=1)
    def forward(self, x):
        return x + self.last(activation(self.first(x)))
def build():
    return Net()
"""


def _verdicts(lines: Iterator[str]) -> Iterator[str]:
    words = ("DIFFER", "AGREE", "INCOMPLETE")
    return (line.split(":")[0] for line in lines if line.startswith(words))


def test_an_edit_of_any_imported_file_compares_again_until_the_user_ends_it(tmp_path: Path) -> None:
    """What changes is beside the port, in a folder; a file of nobody's, and one that is only
    touched by the reference, change nothing."""
    (tmp_path / "reference.py").write_text(REFERENCE)
    parts = tmp_path / "port" / "layers" / "parts.py"
    parts.parent.mkdir(parents=True)
    (tmp_path / "port" / "port.py").write_text(PORT)
    parts.write_text("from torch import tanh as activation")
    words = ["torch:reference.py:build", "torch:port/port.py:build", "--watch", "--quiet"]
    with subprocess.Popen(
        [sys.executable, "-m", "parity", "compare", *words, "--cache", str(tmp_path / "cache")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        verdicts = _verdicts(process.stdout)
        assert next(verdicts) == "DIFFER"
        (tmp_path / "port" / "nobodys.py").write_text("")
        parts.write_text("from torch import relu as")  # in the middle of an edit
        assert "SyntaxError" in process.stderr.readline()
        parts.write_text("from torch import relu as activation")
        assert next(verdicts) == "AGREE"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == INTERRUPTED
        assert "interrupted" in process.stderr.read()
        assert list(verdicts) == []


def test_a_change_while_a_comparison_runs_is_not_lost(tmp_path: Path) -> None:
    port = tmp_path / "port.py"
    port.write_text("x = 1")
    other = tmp_path / "later" / "part.py"
    other.parent.mkdir()
    watch = Watch(parse_side(f"torch:{port}:build", where="port"))
    port.write_text("x = 12")
    watch.wait([str(port)])
    watch.begin()
    other.write_text("")  # it is only now known to belong to the port
    watch.wait([str(port), str(other)])
    watch.begin()
    other.unlink()
    watch.wait([])
