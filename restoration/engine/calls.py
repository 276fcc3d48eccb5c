"""How a network is called: its arguments in order, and the names of its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from restoration.arrays import Arrays
from restoration.engine.contract import Engine, Network
from restoration.engine.taps import leaves
from restoration.errors import InputError
from restoration.models.spec import Spec


def name_outputs(spec: Spec, result: Any) -> dict[str, Any]:
    """Pair a network's result, one array or nested sequences, with the spec's output names."""
    results = list(leaves(result))
    if len(results) != len(spec.outputs):
        raise InputError(
            f"outputs of {spec.network}",
            expected=", ".join(spec.outputs),
            got=f"{len(results)} results",
            where=f"{spec.module}.py",
            next_step="the spec and the network must name the same outputs",
        )
    return dict(zip(spec.outputs, results, strict=True))


def arguments(spec: Spec, inputs: Mapping[str, Any]) -> list[Any]:
    """A network's positional arguments, None for optional inputs that were left out."""
    values = [inputs.get(name) for name in spec.inputs]
    while values and values[-1] is None:
        values.pop()
    return values


def run(engine: Engine, network: Network, inputs: Mapping[str, np.ndarray]) -> Arrays:
    """The network's outputs, of one image at a time where its mode of execution says so."""
    if not network.execution.per_sample:
        return engine.run(network, inputs)
    count = len(next(iter(inputs.values())))
    runs = [
        engine.run(network, {name: array[place : place + 1] for name, array in inputs.items()})
        for place in range(count)
    ]
    return {name: np.concatenate([outputs[name] for outputs in runs]) for name in runs[0]}
