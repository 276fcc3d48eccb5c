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
    "torch_impl": {"restoration"},
    "jittor_impl": {"restoration"},
    "mindspore_impl": {"restoration"},
    "weights_convert": {"restoration"},
    "parity": {"restoration", "weights_convert"},
}


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
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                if top in MAY_IMPORT and top != package:
                    assert top in MAY_IMPORT[package], f"{file} imports {name}"


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
