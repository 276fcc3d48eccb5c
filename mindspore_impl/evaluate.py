"""`python -m mindspore_impl.evaluate DATA -w WEIGHTS...`: numbers by the rules of papers."""

from __future__ import annotations

import sys

from restoration.evaluation import evaluate


def main(words: list[str] | None = None) -> int:
    """Evaluate as the command line says; the exit code."""
    return evaluate.main("mindspore", words)


if __name__ == "__main__":
    sys.exit(main())
