"""Weights that a run starts from, drawn once in NumPy, so that all frameworks start alike.

Each tensor has a stream of its own, by its name. The laws are those of the authors' code as
measured on fresh networks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np

from restoration.arrays import Arrays
from restoration.data.streams import stream
from restoration.errors import unknown_name
from restoration.models.laws import Law, Rules
from restoration.models.model import Model
from restoration.models.spec import Spec

ORTHOGONAL_GAIN = 0.2
TRUNCATED_STD = 0.02
CUT = 4.0  # deviations: float32 samplers cut at 2.0 give that number now and then


def initial_weights(
    model: Model, spec: Spec, state: Mapping[str, np.ndarray], *, seed: int, law: str = ""
) -> Arrays:
    """Weights in place of a network's own by the laws of its spec; constants and buffers are kept.

    law: a named variant of the model's, empty for the usual.

    Raises:
        InputError: the model has no such variant.
    """
    variants = spec.initialization
    if law and law not in variants:
        named = [name for name in variants if name]
        raise unknown_name(f"initialization of {model.name}", law, named, where="the recipe")
    rules = variants.get(law, ())
    return {
        name: _first(name, value, state, rules, stream(seed, f"weights of {name}"))
        for name, value in state.items()
    }


def _first(
    name: str,
    value: np.ndarray,
    state: Mapping[str, np.ndarray],
    rules: Rules,
    rng: np.random.Generator,
) -> np.ndarray:
    shape = _layer_shape(name, state)
    if shape is None or value.dtype.kind != "f":
        return value
    law: Law = next(
        (
            rule.law
            for rule in rules
            if fnmatchcase(name, rule.match) and rule.axes in (None, len(shape))
        ),
        "uniform",
    )
    return draw(law, value.shape, shape, rng).astype(value.dtype)


def _layer_shape(name: str, state: Mapping[str, np.ndarray]) -> tuple[int, ...] | None:
    """The shape of the weight of a parameter's layer; None for what belongs to no layer."""
    layer, _, kind = name.rpartition(".")
    weight = state.get(f"{layer}.weight")
    if kind not in ("weight", "bias") or weight is None or weight.ndim < 2:
        return None
    return weight.shape


def draw(
    law: Law, shape: tuple[int, ...], layer: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """An array by a law, float64. layer: the shape of the layer's weight, (out, in, ...)."""
    area = math.prod(layer[2:])
    if law == "zeros":
        return np.zeros(shape)
    if law == "normal":
        return rng.standard_normal(shape)
    if law == "truncated_normal":
        numbers = rng.standard_normal(shape)
        while (outside := np.abs(numbers) > CUT).any():
            numbers[outside] = rng.standard_normal(int(outside.sum()))
        return TRUNCATED_STD * numbers
    if law == "orthogonal":
        return ORTHOGONAL_GAIN * _orthogonal(shape, rng)
    # Of a transposed convolution the weight is (in, out, ...), and PyTorch's fan-in its second.
    fan_in, fan_out = layer[1] * area, layer[0] * area
    square = {"xavier": 6 / (fan_in + fan_out), "he": 6 / fan_in}.get(law, 1 / fan_in)
    bound = math.sqrt(square)
    return rng.uniform(-bound, bound, shape)


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    rows, columns = shape[0], math.prod(shape[1:])
    numbers = rng.standard_normal((max(rows, columns), min(rows, columns)))
    basis, triangle = np.linalg.qr(numbers)
    basis *= np.sign(np.diag(triangle))
    return (basis if rows >= columns else basis.T).reshape(shape)
