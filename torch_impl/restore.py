"""`python -m torch_impl.restore INPUT... -o OUTPUT`: restore with PyTorch.

`restore` and `Restorer` start this module's `load` by name, in a process of its own.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from restoration.inference import serving
from restoration.process.serve import Session
from torch_impl.fusing import fused
from weights_convert.checkpoints.loading import load_weights


def main(words: list[str] | None = None) -> int:
    """Restore as the command line says; the exit code."""
    from restoration.inference import cli  # not for the framework's process

    return cli.main(["--framework", "torch", *(sys.argv[1:] if words is None else words)])


def load(
    session: Session,
    *,
    slot: str,
    weights: str,
    model: str | None,
    settings: dict[str, Any],
    execution: dict[str, Any],
    is_compiled: bool = False,
) -> dict[str, Any]:
    """Build the network that a file's weights are of, and keep it under a name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said below
        found = load_weights(Path(weights), model=model, settings=settings)
    opened = serving.open_network(
        session,
        slot,
        found.model,
        found.spec,
        found.arrays,
        execution=execution,
        is_compiled=is_compiled,
        prepare=fused,
    )
    return opened | {"warning": found.nonfinite and f"weights {weights}: {found.nonfinite}"}


if __name__ == "__main__":
    sys.exit(main())
