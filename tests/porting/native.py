"""What the tests of docs/porting share: native programs, and a word when one is fixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.backends import Backend


class Native:
    """Runs lines in a framework's own words, in its process; see `native` in tests/work.py."""

    def __init__(self, backend: Backend):
        self.backend = backend

    def __call__(self, program: str, **arrays: np.ndarray) -> Any:
        """The value of an expression, or what several lines leave in `result`."""
        lines = program if "result = " in program else f"result = {program}"
        return self.backend.call("native", lines, arrays)

    def refuses(self, program: str, words: str, answer: str, **arrays: np.ndarray) -> None:
        """The framework must raise an error with these words."""
        raised = ""
        try:
            self(program, **arrays)
        except RuntimeError as problem:
            raised = str(problem)
        differs(raised != "", f"`{program}`", answer)
        assert words in raised


def differs(is_different: bool, what: str, answer: str) -> None:
    """The native behavior must still be another than PyTorch's."""
    assert is_different, f"native {what} is right now: drop {answer}"


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest, value by value."""
    return float(np.max(np.abs(found - exact) / np.abs(exact)))
