"""Arrays to and from MindSpore: arguments and results of networks in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor

from restoration.arrays import Arrays
from restoration.engine.calls import arguments, name_outputs
from restoration.models.spec import Spec


def to_tensor(array: np.ndarray) -> Tensor:
    """An array on the device; MindSpore would keep float64, and refuse to mix it with float32."""
    array = np.ascontiguousarray(array)
    return Tensor(array.astype(np.float32) if array.dtype == np.float64 else array)


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A copy as NumPy."""
    return tensor.asnumpy().copy()


def to_arguments(spec: Spec, inputs: Mapping[str, np.ndarray]) -> list[Tensor | None]:
    """A network's positional arguments, None for inputs that were left out.

    Raises:
        InputError: an input is missing, unknown, or has a shape that the network cannot take.
    """
    spec.check_inputs(inputs)
    return [None if value is None else to_tensor(value) for value in arguments(spec, inputs)]


def to_outputs(spec: Spec, result: Any) -> Arrays:
    """Outputs by name; what was computed at half precision becomes float32, which holds it."""
    return {
        name: to_numpy(value.astype(ms.float32) if value.dtype == ms.float16 else value)
        for name, value in name_outputs(spec, result).items()
    }


def name_gradients(names: list[str], values: Any) -> Arrays:
    """Gradients by name; MindSpore gives a single one bare."""
    values = values if isinstance(values, tuple | list) else (values,)
    return {name: to_numpy(value) for name, value in zip(names, values, strict=True)}
