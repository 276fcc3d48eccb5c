"""`python -m torch_impl.evaluate DATA -w WEIGHTS...`: numbers by the rules of papers."""

from __future__ import annotations

import sys


def main(words: list[str] | None = None) -> int:
    """Evaluate as the command line says; the exit code."""
    from restoration.evaluation import evaluate  # not for the framework's process

    return evaluate.main("torch", words)


if __name__ == "__main__":
    sys.exit(main())
