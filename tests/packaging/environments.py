"""A wheel of the working tree, and environments made for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from restoration.process.frameworks import PACKAGES
from tests.backends import ROOT


def build_wheel(folder: Path) -> Path:
    """The wheel of the working tree, built from a copy, so that nothing stale gets into it."""
    tree = folder / "tree"
    no_caches = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=no_caches)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
        "--wheel-dir", folder / "dist", tree, cwd=folder,
    )  # fmt: skip
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


class Environment:
    """A virtual environment with nothing in it but what is installed here, not even pip."""

    def __init__(self, folder: Path):
        venv.create(folder, with_pip=False)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        (self.packages,) = folder.glob("lib/python*/site-packages")

    def install(self, *what: str | Path) -> None:
        """Install by the pip of this process, in the versions of constraints.txt."""
        run(
            sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet",
            "--constraint", ROOT / "constraints.txt", *what, cwd=self.bin,
        )  # fmt: skip

    def run(
        self, command: str, *arguments: str | Path, cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment; it does not have to succeed."""
        return run(self.bin / command, *arguments, cwd=cwd, check=False)


def run(*command: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command that sees nothing of the working tree; its output is shown if it fails."""
    finished = subprocess.run(
        [str(part) for part in command],
        cwd=cwd, env=_clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if check and finished.returncode:
        raise RuntimeError(f"{command} failed:\n{finished.stdout}\n{finished.stderr}")
    return finished


def _clean_environment() -> dict[str, str]:
    """This process's environment without what leads Python to the working tree."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
