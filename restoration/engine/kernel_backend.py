"""The choice between kernels of our own and a framework's operators."""

from __future__ import annotations

import os

from restoration.errors import InputError

METHODS = ("auto", "compiled", "composed")


def chosen_method(method: str | None, variable: str) -> str:
    """One of `METHODS`: the argument, else what the environment variable says, else "auto".

    Raises:
        InputError: neither names a method.
    """
    chosen = method or os.environ.get(variable) or "auto"
    if chosen not in METHODS:
        raise InputError(
            "kernels",
            expected="one of " + ", ".join(METHODS),
            got=repr(chosen),
            where=f"argument, or environment variable {variable}",
            next_step='"auto" compiles where it can',
        )
    return chosen
