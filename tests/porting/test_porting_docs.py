"""docs/porting: every line has its test and every test its line; what they name is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backends import Backend
from tests.porting.native import Native, differs

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("jittor", "mindspore")
COLUMNS = 4


def _rows(framework: str) -> list[list[str]]:
    """The cells of each line of the page's tables, without the heads."""
    page = (ROOT / "docs" / "porting" / f"{framework}.md").read_text()
    lines = re.findall(r"^\| (.*) \|$", page, re.MULTILINE)
    rows = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return [row for row in rows if row[-1] != "test"]


def _definitions(path: Path) -> list[str]:
    """Names of all functions, methods and classes of a file."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


@pytest.mark.parametrize("framework", PORTS)
def test_every_line_has_its_test_and_every_test_its_line(framework: str) -> None:
    rows = _rows(framework)
    assert len(rows) >= 10
    own = f"test_porting_{framework}.py"
    named = []
    for row in rows:
        assert len(row) == COLUMNS, row
        *file, test = row[-1].strip("`").split("::")
        (path,) = (ROOT / "tests").rglob(file[0] if file else own)
        assert test in _definitions(path), f"{row[-1]} of docs/porting/{framework}.md"
        named += [test] if path.name == own else []
    written = [
        name for name in _definitions(ROOT / "tests/porting" / own) if name.startswith("test_")
    ]
    assert sorted(named) == sorted(written)


def test_a_trap_that_is_gone_is_told(backends: Callable[[str], Backend]) -> None:
    """PyTorch has none of them: here every test would say what to drop."""
    native = Native(backends("torch"))
    x = np.float32([[1, 2]])
    with pytest.raises(AssertionError, match=r"native roll is right now: drop layers\.roll"):
        differs(native("torch.roll(x, 1, 1)", x=x).tolist() != [[2, 1]], "roll", "layers.roll")
    with pytest.raises(AssertionError, match=r"`torch\.roll.*is right now: drop layers\.roll"):
        native.refuses("torch.roll(x, 1, 1)", "no kernel", "layers.roll", x=x)


@pytest.mark.parametrize("framework", PORTS)
def test_what_the_answers_name_is_there(framework: str) -> None:
    count = 0
    for row in _rows(framework):
        answers = r"`(layers|losses|arrays|engine|training|runtime)\.(?:\w+\.)?(\w+)`"
        for module, name in re.findall(answers, row[2]):
            package = ROOT / f"{framework}_impl"
            files = [*package.glob(f"{module}.py"), *package.glob(f"{module}/*.py")]
            names = [name for file in files for name in _definitions(file)]
            assert name in names, f"{module}.{name} of docs/porting/{framework}.md"
            count += 1
    assert count >= 10


@pytest.mark.parametrize("framework", PORTS)
def test_the_pages_speak_of_the_pinned_version(framework: str) -> None:
    pin = re.search(rf"{framework}==(\d+\.\d+(\.\d+)?)", (ROOT / "constraints.txt").read_text())
    assert pin
    page = (ROOT / "docs" / "porting" / f"{framework}.md").read_text().partition("\n| ")[0]
    version = re.search(r"(?:Jittor|MindSpore) (\d[\d.]*\d)", page)
    assert version
    assert pin[1].startswith(version[1])
