"""Weights that a run starts from, drawn once in NumPy, so that all frameworks start alike."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from restoration.arrays import Arrays
from restoration.data.streams import stream
from restoration.models.model import Model
from restoration.models.spec import Spec


def initial_weights(
    model: Model, spec: Spec, state: Mapping[str, np.ndarray], *, seed: int, law: str = ""
) -> Arrays:
    """Weights in place of a network's own, uniform in +-1/sqrt(fan-in); buffers are kept."""
    weights: Arrays = {}
    for name, value in state.items():
        bound = 1 / math.sqrt(max(math.prod(value.shape[1:]), 1))
        drawn = stream(seed, f"weights of {name}").uniform(-bound, bound, value.shape)
        weights[name] = drawn.astype(value.dtype) if value.dtype.kind == "f" else value
    return weights
