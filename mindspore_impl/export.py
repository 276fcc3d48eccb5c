"""`python -m mindspore_impl.export -w WEIGHTS -o FILE`: a network for other programs, proven."""

from __future__ import annotations

import sys


def main(words: list[str] | None = None) -> int:
    """Export as the command line says; the exit code."""
    from restoration.inference import export  # not for the framework's process

    return export.main("mindspore", words)


if __name__ == "__main__":
    sys.exit(main())
