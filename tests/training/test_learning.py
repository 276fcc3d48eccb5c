"""A demo recipe learns: the score of photographs that it is not trained on rises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from restoration.training.loggers import LOG, read_log


def _scores_db(folder: Path, *overrides: str) -> list[float]:
    """Train mimo_unet:demo in PyTorch; its scores from the first to the last."""
    program = [sys.executable, "-m", "torch_impl.train", "mimo_unet:demo", *overrides]
    subprocess.run([*program, "--quiet", "--output", str(folder)], check=True)
    return [row["psnr_db"] for row in read_log(folder / LOG) if "psnr_db" in row]


@pytest.mark.frameworks("torch")
def test_a_demo_learns_from_its_first_steps_on(tmp_path: Path) -> None:
    quick = ("steps=60", "data.crop_px=32", "data.valid_px=64", "validation.every=60")
    first, last = _scores_db(tmp_path / "run", *quick, "average.decay=0.9")
    assert last > first + 5
