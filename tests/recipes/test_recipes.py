"""CONTRIBUTING's two recipes, followed in a temporary copy: a model, and a framework."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).parent / "toy"
FRAMEWORKS = ("torch", "jittor", "mindspore")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tree as git has it, and what is new in it."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    copy = tmp_path / "copy"
    for name in names.split("\0"):
        if name and not name.startswith("tests/golden") and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    return copy


def _run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )


def _files(copy: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(copy)): path.read_bytes()
        for path in copy.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "runs" not in path.parts
    }


def _add_line(copy: Path, name: str, after: str, line: str) -> None:
    """A line behind the first one that contains a text."""
    path = copy / name
    lines = path.read_text().splitlines(keepends=True)
    place = next(number for number, known in enumerate(lines) if after in known)
    lines.insert(place + 1, line + "\n")
    path.write_text("".join(lines))


def _steps(heading: str) -> str:
    """The part of CONTRIBUTING under a heading."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.frameworks(*FRAMEWORKS)
def test_a_model_takes_its_files_and_a_line_each(copy: Path, tmp_path: Path) -> None:
    before, steps = _files(copy), _steps("Adding a model")
    for file in sorted(TOY.glob("*.py")):
        folder = re.sub(r"_toy$", "", file.stem).replace("restoration_", "restoration/")
        folder = folder.replace("weights_convert_", "weights_convert/")
        assert f"`{folder}/X.py`" in steps, f"CONTRIBUTING does not name {folder}/X.py"
        shutil.copy(file, copy / folder / "toy.py")
    lines = {
        "restoration/models/registry.py": ('"mimo_unet",', '    "toy",'),
        "benchmarks/jobs.yaml": ("  mimo_unet:", "  toy: {size_px: [64, 64], gmac: 0.01}"),
        "README.md": ("| [MIMO-UNet", "| [Toy](torch_impl/toy.py) | a test |"),
    }
    for name, (after, line) in lines.items():
        assert f"`{name}`" in steps, f"CONTRIBUTING does not name {name}"
        _add_line(copy, name, after, line)
    assert "`python -m weights_convert.build_schemas`" in steps
    built = _run(copy, "-m", "weights_convert.build_schemas")
    assert built.returncode == 0, built.stderr

    after_steps = _files(copy)
    changed = {name for name, content in after_steps.items() if before.get(name) != content}
    allowed = {name for name in changed if name.endswith("/toy.py")} | {*lines}
    assert changed == allowed | {"weights_convert/checkpoints/schemas.json"}

    agreed = _run(copy, "-m", "parity", "run", "toy", "--json", "--quiet")
    assert agreed.returncode == 0, agreed.stdout + agreed.stderr
    rows = json.loads(agreed.stdout)["rows"]
    assert [row["framework"] for row in rows] == list(FRAMEWORKS)

    mirror = _run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/mirror", "-k", "toy")
    assert mirror.returncode == 0, mirror.stdout

    rng = np.random.default_rng(0)
    shapes = {"0.weight": (6, 3, 3, 3), "0.bias": (6,), "1.weight": (3, 6, 3, 3), "1.bias": (3,)}
    theirs = {f"convs.{name}": rng.random(shape, np.float32) for name, shape in shapes.items()}
    save_file(theirs, tmp_path / "theirs.safetensors")
    ours, back = tmp_path / "ours.safetensors", tmp_path / "back.safetensors"
    for source, target, *options in (
        (tmp_path / "theirs.safetensors", ours),
        (ours, back, "--to", "published"),
    ):
        converted = _run(copy, "-m", "weights_convert", str(source), str(target), *options)
        assert converted.returncode == 0, converted.stderr
    assert set(load_file(ours)) == {"first.weight", "first.bias", "last.weight", "last.bias"}
    found = load_file(back)
    assert found.keys() == theirs.keys()
    assert all(np.array_equal(found[name], array) for name, array in theirs.items())


def test_a_framework_takes_a_row_and_its_package(copy: Path) -> None:
    """A copy of the reference under another name is a framework of its own."""
    steps = _steps("Adding a framework")
    for name in ("restoration/process/frameworks.py", "pyproject.toml", "constraints.txt"):
        assert f"`{name}`" in steps, f"CONTRIBUTING does not name {name}"
    shutil.copytree(copy / "torch_impl", copy / "other_impl")
    for file in (copy / "other_impl").rglob("*.py"):
        text = file.read_text().replace("torch_impl", "other_impl")
        file.write_text(text.replace('name = "torch"', 'name = "other"'))
    row = '        Framework("other", "Other", "torch", "2.13.0", devices=("cpu",)),'
    _add_line(copy, "restoration/process/frameworks.py", 'Framework("torch"', row)
    agreed = _run(
        copy, "-m", "parity", "run", "mimo_unet", "--frameworks", "other", "--json", "--quiet"
    )
    assert agreed.returncode == 0, agreed.stdout + agreed.stderr
    reference, port = json.loads(agreed.stdout)["rows"]
    assert (reference["framework"], port["framework"]) == ("torch", "other")
    assert port["compared"] == port["expected"] > 200
    imports = _run(
        copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/mirror/test_imports.py",
        "-k", "below and other",
    )  # fmt: skip
    assert imports.returncode == 0, imports.stdout
