"""Imports go one way, and what is neutral imports no framework."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from restoration.process.frameworks import FRAMEWORKS

ROOT = Path(__file__).resolve().parents[2]
IMPLEMENTATIONS = tuple(row.package for row in FRAMEWORKS.values())
NEUTRAL = ("restoration", "parity", "weights_convert")
MAY_IMPORT = {
    "restoration": set(),
    **{package: {"restoration"} for package in IMPLEMENTATIONS},
    "weights_convert": {"restoration"},
    "parity": {"restoration", "weights_convert"},
}
PROGRAMS = ("train.py", "evaluate.py", "restore.py", "export.py")
"""Of an implementation: the only files of it that may read weights."""


def _modules(package: str) -> list[str]:
    files = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


@pytest.mark.parametrize("package", NEUTRAL)
def test_neutral_packages_import_no_framework(package: str) -> None:
    """Import every module in a fresh process and look at what came along."""
    program = (
        "import importlib, sys\n"
        f"for name in {_modules(package)!r}: importlib.import_module(name)\n"
        f"found = [name for name in {(*FRAMEWORKS, *IMPLEMENTATIONS)!r} if name in sys.modules]\n"
        "sys.exit(f'imported {found}' if found else 0)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_is_below_them(package: str) -> None:
    for file in sorted((ROOT / package).rglob("*.py")):
        is_program = package in IMPLEMENTATIONS and file.name in PROGRAMS
        allowed = MAY_IMPORT[package] | ({"weights_convert"} if is_program else set())
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                if top in MAY_IMPORT and top != package:
                    assert top in allowed, f"{file} imports {name}"


HEAVY = ("skimage", "scipy", "cv2", "imageio", "PIL", "rich")
"""What reading pictures, degrading them and telling of it takes, and computing does not."""

RUN = """
import importlib, os, sys
from restoration.models.registry import MODELS
import numpy as np
framework = sys.argv[1]
runtime = importlib.import_module(framework + "_impl.runtime")
runtime.prepare("cpu", report=lambda text: None, warn=lambda text: None)
importlib.import_module(framework)
before = set(sys.modules)
engine = importlib.import_module(framework + "_impl.engine").ENGINE()
network = engine.build(MODELS["mimo_unet"].spec("tiny"))
outputs = engine.run(network, {"image": np.zeros((1, 3, 16, 16), np.float32)})
ours = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(ours), file=sys.stderr, flush=True)
os._exit(4 if ours & set(sys.argv[2:]) else len(outputs))  # frameworks may crash in the end
"""


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_engines_import_nothing_heavy(framework: str) -> None:
    """Nor does what they take of the neutral packages: only frameworks may."""
    package = ROOT / f"{framework}_impl"
    names = {
        node.module
        for file in package.rglob("*.py")
        if file.name not in PROGRAMS
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("restoration")
    }
    program = (
        "import importlib, sys\n"
        f"for name in {sorted(names)!r}: importlib.import_module(name)\n"
        f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported {found}' if found else 0)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_engines_run_with_nothing_heavy(framework: str) -> None:
    """A framework's own imports do not count: MindSpore brings SciPy, say."""
    finished = subprocess.run(
        [sys.executable, "-c", RUN, framework, *HEAVY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 3, finished.stderr  # outputs of the network


def test_workers_need_only_numpy_and_safetensors() -> None:
    """A worker may run under an interpreter that has little beside its framework."""
    program = (
        "import sys, parity.worker, restoration.process.serve, weights_convert.checkpoints.ask\n"
        "heavy = ['rich', 'skimage', 'scipy', 'imageio', 'cv2', 'PIL']\n"
        "found = [name for name in heavy if name in sys.modules]\n"
        "sys.exit(f'imported {found}' if found else 0)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
