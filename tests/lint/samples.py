"""The samples of rules as files: what their programs see in tests/work.py, imported."""

from __future__ import annotations

from pathlib import Path

from parity.lint.rule import Rule
from parity.lint.source import Project, Source

_STARTS = {
    "jittor": """\
import jittor as jt
import numpy as np
from jittor import nn
x = jt.rand(1, 3, 4, 4)
""",
    "mindspore": """\
import mindspore as ms
import numpy as np
from mindspore import nn, ops
x = ms.Tensor(np.zeros((1, 3, 4, 4), np.float32))
""",
    "torch": """\
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
x = torch.rand(1, 3, 4, 4)
""",
}


def framework_of(rule: Rule) -> str:
    """The framework of a rule's samples. General ones that speak of NumPy are put in a port."""
    if rule.code.startswith("PT"):
        is_torch = "torch." in rule.bad or "F." in rule.bad
        return "torch" if is_torch else "jittor"
    return "jittor" if rule.code.startswith("JT") else "mindspore"


def program_of(sample: str) -> str:
    """The lines of a sample, which leave `result`."""
    return sample if "result = " in sample else f"result = {sample}"


def source_of(folder: Path, text: str, framework: str) -> Source:
    """A file with these lines, after the framework's imports."""
    file = folder / "sample.py"
    file.write_text(_STARTS[framework] + text)
    return Project().source(file)
