"""`python -m torch_impl.train RECIPE --output DIR`: train with PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path

from restoration.arrays import Arrays
from restoration.models.spec import Spec
from restoration.process.frameworks import FRAMEWORKS
from restoration.training import cli
from weights_convert.checkpoints.loading import load_weights


def main(words: list[str] | None = None) -> int:
    """Train as the command line says; the exit code."""
    return cli.main(FRAMEWORKS["torch"], _load, words)


def _load(path: Path, model: str) -> tuple[Spec, Arrays]:
    found = load_weights(path, model=model)
    return found.spec, found.arrays


if __name__ == "__main__":
    sys.exit(main())
