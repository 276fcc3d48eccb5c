"""What has no known cause comes with a folder that shows it alone: its programs are run here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from parity.report.comparison import Comparison
from tests.parity.strangers import REFERENCE, sides

ODD = REFERENCE.replace("import torch\n", "import torch\nfrom parts import odd\n").replace(
    "torch.relu(self.first(x))", "odd(self.first(x))"
)
ODD_MINDSPORE = """
from mindspore import nn, ops
from parts import odd
class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.last = nn.Conv2d(8, 3, 3, pad_mode="pad", padding=1, has_bias=True)
    def construct(self, x):
        return x + self.last(odd(self.first(x)))
def build():
    return Net()
"""
PARTS = (
    "{imports}\ndef odd(x):\n    return x * {module}.sin(3 * x) + {module}.relu(x) / (1 + x * x)\n"
)


def _run(folder: Path, program: str) -> str:
    """What a program of a reproduction prints, run without anything of the suite."""
    finished = subprocess.run(
        [sys.executable, "-I", program], cwd=folder, check=True, capture_output=True, text=True
    )
    return finished.stdout


def _reproduction(result: Comparison) -> Path:
    (finding,) = [one for one in result.findings if not one.inherited]
    assert (finding.cause, result.verdict) == ("", "DIFFER")
    assert finding.reproduction is not None
    assert finding.to_json()["reproduction"] == str(finding.reproduction)
    return finding.reproduction


def _shows(folder: Path) -> None:
    """Both programs of a folder run, and what they write differs."""
    for name in ("reference", "port"):
        (folder / f"{name}.npy").unlink()
        _run(folder, f"{name}.py")
    said = _run(folder, "compare.py")
    assert said.startswith("largest difference: ")
    assert float(said.split()[2].rstrip(",")) > 1e-3


@pytest.mark.frameworks("torch")
def test_both_programs_of_a_reproduction_run_and_show_the_difference(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text(PARTS.format(imports="import torch", module="torch"))
    folder = _reproduction(sides(tmp_path, ODD, reproductions=tmp_path / "found"))
    program = (folder / "reference.py").read_text()
    assert "return x + self.last(torch.relu(self.first(x)))" in program
    assert "relu" in program.partition("torch.no_grad")[2]
    assert sorted(file.name for file in (folder / "port").iterdir()) == ["parts.py", "port.py"]
    with np.load(folder / "port_weights.npz") as weights:
        assert set(weights.files) == {
            f"{n}.{w}" for n in ("first", "last") for w in ("weight", "bias")
        }
    assert "python compare.py" in (folder / "README.md").read_text()
    _shows(folder)


SURROGATE = """
import torch
class Surrogate(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return torch.relu(x)
    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        return gradient * torch.sigmoid(3 * x)
odd = Surrogate.apply
"""


@pytest.mark.frameworks("torch")
def test_a_gradient_without_a_known_cause_is_shown_by_both_programs(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text(SURROGATE)
    result = sides(tmp_path, ODD, reproductions=tmp_path / "found")
    assert [finding.kind for finding in result.findings] == ["gradient"]
    folder = _reproduction(result)
    assert "by first." in (folder / "port.py").read_text()
    _shows(folder)


@pytest.mark.goldens
@pytest.mark.frameworks("torch", "mindspore")
def test_a_reproduction_in_another_framework_runs_there(tmp_path: Path) -> None:
    imports = "from mindspore import ops"
    (tmp_path / "parts.py").write_text(PARTS.format(imports=imports, module="ops"))
    result = sides(
        tmp_path,
        ODD_MINDSPORE,
        frameworks=("torch", "mindspore"),
        reproductions=tmp_path / "found",
    )
    _shows(_reproduction(result))


@pytest.mark.goldens
@pytest.mark.frameworks("mindspore")
def test_a_reference_that_is_no_pytorch_has_a_program_of_its_own(tmp_path: Path) -> None:
    imports = "from mindspore import ops"
    (tmp_path / "parts.py").write_text(PARTS.format(imports=imports, module="ops"))
    plain = ODD_MINDSPORE.replace("odd(", "ops.relu(")
    result = sides(
        tmp_path,
        ODD_MINDSPORE,
        plain,
        frameworks=("mindspore", "mindspore"),
        reproductions=tmp_path / "found",
    )
    _shows(_reproduction(result))
    assert json.dumps(result.to_json())


@pytest.mark.frameworks("torch")
def test_a_known_cause_has_no_reproduction(tmp_path: Path) -> None:
    result = sides(
        tmp_path, REFERENCE.replace("torch.relu", "torch.tanh"), reproductions=tmp_path / "found"
    )
    assert [one.reproduction for one in result.findings] == [None]
    assert not (tmp_path / "found").exists()
