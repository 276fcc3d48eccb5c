"""Parameters and buffers by name: what has to fit before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from restoration.arrays import Arrays
from restoration.errors import InputError

RECORD = "weights_convert"
"""Key in the metadata of a safetensors file of weights: {"model", "spec"} and more, as JSON."""

_LISTED = 5  # how many names an error shows of each kind


def check_state(
    expected: Mapping[str, tuple[int, ...]], given: Mapping[str, np.ndarray], *, network: str
) -> None:
    """Check that a state fits a network, before anything of it is loaded.

    Raises:
        InputError: lists every missing (-), unexpected (+) and misshapen (~) entry.
    """
    differences = [f"-{name}" for name in expected if name not in given]
    differences += [f"+{name}" for name in given if name not in expected]
    differences += [
        f"~{name} {tuple(given[name].shape)} for {shape}"
        for name, shape in expected.items()
        if name in given and tuple(given[name].shape) != shape
    ]
    if differences:
        shown = ", ".join(differences[:_LISTED])
        more = f" and {len(differences) - _LISTED} more" if len(differences) > _LISTED else ""
        raise InputError(
            f"weights of {network}",
            expected=f"its {len(expected)} entries",
            got=f"{len(given)} entries that differ in {len(differences)}: {shown}{more}",
            where="- model only, + file only, ~ other shape",
            next_step="check that the file belongs to this model and spec",
        )


def load_partial(
    own: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]
) -> tuple[Arrays, list[str]]:
    """Weights of a file where they fit a network's own, and what did not.

    Returns a whole state to load, and a list: "-name" of the network only, which keeps its own
    value; "+name" of the file only; "~name" of another shape.
    """
    filled = dict(own)
    differences = []
    for name, array in own.items():
        if name not in given:
            differences.append(f"-{name}")
        elif given[name].shape != array.shape:
            differences.append(f"~{name} {given[name].shape} for {array.shape}")
        else:
            filled[name] = given[name]
    differences += [f"+{name}" for name in given if name not in own]
    return filled, differences
