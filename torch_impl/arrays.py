"""Arrays to and from PyTorch: arguments and results of networks in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restoration.arrays import Arrays
from restoration.engine.calls import arguments, name_outputs
from restoration.models.spec import Spec

HALF = (torch.bfloat16, torch.float16)


def to_tensor(array: np.ndarray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """An array on a device; floating-point numbers become those of `dtype`."""
    # In the caller's memory where that can be: networks do not write to their inputs.
    tensor = torch.from_numpy(np.require(array, requirements="CW")).to(device)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A copy as NumPy, without gradient."""
    return tensor.detach().cpu().numpy().copy()


def to_arguments(
    spec: Spec, inputs: Mapping[str, np.ndarray], device: torch.device, dtype: torch.dtype
) -> list[Tensor | None]:
    """A network's positional arguments, None for inputs that were left out.

    Raises:
        InputError: an input is missing, unknown, or has a shape that the network cannot take.
    """
    spec.check_inputs(inputs)
    return [
        None if value is None else to_tensor(value, device, dtype)
        for value in arguments(spec, inputs)
    ]


def to_outputs(spec: Spec, result: Any) -> Arrays:
    """Outputs by name; what was computed at half precision becomes float32, which holds it."""
    return {
        name: to_numpy(value.float() if value.dtype in HALF else value)
        for name, value in name_outputs(spec, result).items()
    }
