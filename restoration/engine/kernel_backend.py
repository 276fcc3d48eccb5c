"""The choice between kernels of our own and a framework's operators."""

from __future__ import annotations

import os

from restoration.errors import InputError

KERNEL_BACKENDS = ("auto", "compiled", "composed")


def kernel_backend(method: str | None, variable: str) -> str:
    """One of `KERNEL_BACKENDS`: the argument, else what the environment variable says, else "auto".

    Raises:
        InputError: neither names one.
    """
    chosen = method or os.environ.get(variable) or "auto"
    if chosen not in KERNEL_BACKENDS:
        raise InputError(
            "kernels",
            expected="one of " + ", ".join(KERNEL_BACKENDS),
            got=repr(chosen),
            where=f"argument, or environment variable {variable}",
            next_step='"auto" compiles where it can',
        )
    return chosen
