"""What must be true of the process before PyTorch is imported."""

from __future__ import annotations

from collections.abc import Callable


def prepare(device: str, *, report: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Set up this process for PyTorch; nothing is needed.

    report: takes a line of progress. warn: takes a line that the user should read.
    """
