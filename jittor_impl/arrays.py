"""Arrays to and from Jittor: arguments and results of networks in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jittor as jt
import numpy as np
from jittor import Var

from restoration.arrays import Arrays
from restoration.engine.calls import arguments, name_outputs
from restoration.models.spec import Spec


def to_tensor(array: np.ndarray) -> Var:
    """An array on the device."""
    return jt.array(np.ascontiguousarray(array))


def to_numpy(var: Var) -> np.ndarray:
    """A copy as NumPy, for which Jittor computes what it has put off."""
    return var.numpy().copy()


def to_arguments(spec: Spec, inputs: Mapping[str, np.ndarray]) -> list[Var | None]:
    """A network's positional arguments, None for inputs that were left out.

    Raises:
        InputError: an input is missing, unknown, or has a shape that the network cannot take.
    """
    spec.check_inputs(inputs)
    return [None if value is None else to_tensor(value) for value in arguments(spec, inputs)]


def to_outputs(spec: Spec, result: Any) -> Arrays:
    """Outputs by name."""
    return {name: to_numpy(value) for name, value in name_outputs(spec, result).items()}
