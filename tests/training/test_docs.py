"""What docs/training.md promises, run."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest

from restoration.images import Image, write_image
from tests.backends import ROOT
from tests.training.launching import environment

PAGE = ROOT / "docs" / "training.md"
SMALL = (
    "data.crop_px=16", "data.valid_px=32", "data.samples=4", "batch=2", "settings.width=4",
    "workers=0", "validation.every=20", "checkpoints.every=20",
)  # fmt: skip
TWO = "--frameworks mindspore --quiet"  # the reference takes part anyway


def _lines() -> list[str]:
    found = re.search(
        r"## From nothing to a trained model\n\n```sh\n(.*?)```", PAGE.read_text(), re.S
    )
    assert found
    return found[1].splitlines()


def _small(line: str) -> str:
    """The line with overrides that the page documents, for it to take seconds."""
    if "--show" in line:
        return line.replace(" > ", f" {' '.join(SMALL)} > ")
    if line.startswith("parity train"):
        return " ".join([line, TWO, *(f"--set {one}" for one in SMALL)])
    return line


@pytest.mark.frameworks("torch", "mindspore")
def test_ten_lines_lead_from_nothing_to_a_trained_model(tmp_path: Path) -> None:
    install, *lines = _lines()
    assert 1 + len(lines) == 10
    extras = re.findall(r"[\w-]+", install.partition("[")[2].partition("]")[0])
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert install.startswith("pip install ")
    assert extras
    assert set(extras) <= set(known)
    picture = np.random.default_rng(1).random((1, 3, 40, 48), np.float32)
    write_image(tmp_path / "photo.png", Image(picture))
    for line in map(_small, lines):
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    for name in ("curves.svg", "restored/photo.png", "runs/first/checkpoints/step_00000060"):
        assert (tmp_path / name).exists(), name
