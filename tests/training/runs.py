"""Small runs of training as users start them, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from restoration.training.loggers import LOG, read_log

QUICK = (
    "data.crop_px=16",
    "data.valid_px=32",
    "data.samples=5",
    "batch=2",
    "steps=12",
    "settings.width=4",
    "validation.every=5",
    "validation.pictures=0",
    "checkpoints.every=3",
    "log_every=1",
    "workers=1",
    "schedule.warmup=2",
)
"""Overrides of mimo_unet:demo for a run of seconds."""


def command(output: Path, *words: str, framework: str = "torch") -> list[str]:
    """The command that trains it."""
    program = [sys.executable, "-m", f"{framework}_impl.train"]
    return [*program, "mimo_unet:demo", *QUICK, "--output", str(output), *words]


def train(output: Path, *words: str, framework: str = "torch") -> subprocess.CompletedProcess[str]:
    """Train to the end; what was printed."""
    return subprocess.run(
        command(output, *words, framework=framework), capture_output=True, text=True, check=False
    )


def curve(output: Path) -> list[dict[str, Any]]:
    """The log of a run without what depends on the clock."""
    rows = read_log(output / LOG)
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def last_arrays(output: Path) -> dict[str, tuple[str, bytes]]:
    """All arrays of the last checkpoint, by file and name: type and bytes."""
    files = sorted((output / "checkpoints" / "last").glob("*.safetensors"))
    assert len(files) == 3, "weights, averages and moments"
    return {
        f"{file.name}/{name}": (str(array.dtype), array.tobytes())
        for file in files
        for name, array in load_file(file).items()
    }
