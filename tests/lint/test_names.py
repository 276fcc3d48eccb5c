"""What names mean: imports, aliases, scopes; which framework a file is for; what a value is."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.lint.check import lint
from parity.lint.registry import RULES


def _codes(folder: Path, text: str, name: str = "port.py") -> list[str]:
    (folder / name).write_text(text)
    report = lint([folder / name], list(RULES.values()))
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize(
    "text",
    [
        "import jittor\njittor.nn.softplus(1)",
        "import jittor as jt\njt.nn.softplus(1)",
        "import jittor.nn as F\nF.softplus(1)",
        "from jittor import nn\nnn.softplus(1)",
        "from jittor.nn import softplus\nsoftplus(1)",
        "from jittor.nn import softplus as act\nact(1)",
        "from jittor.nn import *\nsoftplus(1)",
        "from jittor import nn\nact = nn.softplus\nact(1)",
        "from jittor import nn\ndef f(x, act=nn.softplus):\n    return act(x)",
        "from functools import partial\nfrom jittor import nn\nact = partial(nn.softplus)",
        "def f(x):\n    from jittor import nn\n    return nn.softplus(x)",
        "from jittor import nn as layers\nclass A:\n    def f(self):\n        layers.softplus(1)",
        "try:\n    import jittor.nn as n\nexcept:\n    from jittor import nn as n\nn.softplus(1)",
    ],
)
def test_a_name_is_found_however_it_was_imported(text: str, tmp_path: Path) -> None:
    assert _codes(tmp_path, text) == ["JT101"]


@pytest.mark.parametrize(
    "text",
    [
        "from torch.nn import functional as nn\nnn.softplus(1)",
        "import jittor\nclass nn:\n    softplus = print\nnn.softplus(1)",
        "from jittor import nn\ndef f(nn):\n    return nn.softplus(1)",
        "from jittor import nn\ndef f(x):\n    nn = x\n    return nn.softplus(1)",
        "from jittor import nn\n[nn.softplus(1) for nn in ()]",
        "from jittor import nn\ndef softplus(x):\n    return x\nsoftplus(1)",
        "import jittor\nfrom mine import nn\nnn.softplus(1)",
    ],
)
def test_another_thing_of_that_name_is_another_thing(text: str, tmp_path: Path) -> None:
    assert _codes(tmp_path, text) == []


def test_names_are_followed_into_files_nearby(tmp_path: Path) -> None:
    (tmp_path / "common.py").write_text("from jittor import nn\nact = nn.softplus\n")
    assert _codes(tmp_path, "from .common import nn\nnn.softplus(1)") == ["JT101"]
    assert _codes(tmp_path, "from common import act\nact(1)") == ["JT101"]


def test_files_that_import_each_other_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("from .port import nn\nimport jittor\n")
    assert _codes(tmp_path, "from .other import nn\nnn.softplus(1)") == []


def test_a_file_is_for_the_framework_of_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("from jittor import nn\n")
    loss = "def f(loss):\n    loss.backward()\n"
    assert _codes(tmp_path, f"from .layers import nn\n{loss}") == ["JT206"]
    assert _codes(tmp_path, loss) == []
    assert _codes(tmp_path, f"import torch\n{loss}") == []
    assert _codes(tmp_path, f"import mindspore\n{loss}") == ["MS311"]


def test_converters_that_know_two_frameworks_are_not_taken_for_one(tmp_path: Path) -> None:
    text = "import jittor as jt\nimport torch\nfor v in ():\n    v.detach().cpu().item()\n"
    assert _codes(tmp_path, text) == []
    assert _codes(tmp_path, text + "jt.nn.softplus(1)\n") == ["JT101"]


@pytest.mark.parametrize(
    "line",
    [
        "y = x.numpy().std()",
        "y = np.abs(x).std()",
        "z = np.zeros(3)\ny = (z + 1)[0].std()",
        "y = x.data.round()",
        "def f(a: np.ndarray):\n    return a.std()",
        "class A:\n    def f(self):\n        return self.std()",
        "y = len(x) // 2",
        "y = x.shape[0] // 2",
    ],
)
def test_arrays_of_numpy_are_no_tensors(line: str, tmp_path: Path) -> None:
    text = f"import jittor as jt\nimport numpy as np\nx = jt.rand(3)\n{line}\n"
    assert set(_codes(tmp_path, text)) <= {"PT303"}


def test_arguments_are_known_by_name_and_place_and_unknown_behind_stars(tmp_path: Path) -> None:
    start = "from jittor import nn\ndef f(x, *rest, **more):\n    return "
    assert _codes(tmp_path, f"{start}nn.interpolate(x, (8, 8))") == ["JT104"]
    assert _codes(tmp_path, f"{start}nn.interpolate(x, (8, 8), None, 'nearest')") == []
    assert _codes(tmp_path, f"{start}nn.interpolate(x, (8, 8), **more)") == []
    assert _codes(tmp_path, f"{start}nn.interpolate(x, *rest)") == []


def test_long_and_deep_files_are_read(tmp_path: Path) -> None:
    text = "import jittor as jt\nx = jt.rand(3)\ny = " + " + ".join(["x"] * 900) + "\n"
    assert _codes(tmp_path, text) == []
    nested = (
        "import jittor\n" + "".join(f"{' ' * i}if 1:\n" for i in range(90)) + " " * 90 + "pass\n"
    )
    assert _codes(tmp_path, nested) == []


def test_what_was_added_up_along_an_axis_is_few(tmp_path: Path) -> None:
    start = "import jittor as jt\ndef f(x: jt.Var, y: jt.Var):\n    "
    assert _codes(tmp_path, f"{start}return (x * y).mean()") == ["JT102"]
    assert _codes(tmp_path, f"{start}return x.sum((2, 3))") == ["JT102"]
    assert _codes(tmp_path, f"{start}return (x * y).mean(3).mean(2).mean()") == []
    assert (
        _codes(tmp_path, f"{start}rows = x.sum(dim=3) / 2\n    return (rows * rows).mean()") == []
    )
    assert _codes(tmp_path, f"{start}return jt.stack([x, y], dim=0).sum()") == []
    assert _codes(tmp_path, f"{start}return x.float64().mean()") == []
