"""Outputs of a port against the reference in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parity.adapters.networks import Running
from parity.diagnose.forced import distance_of, in_units
from parity.diagnose.layouts import nearest
from parity.diagnose.truth import least_units
from parity.judge.errors import Norms, norms_of
from parity.judge.verdicts import BOUND
from restoration.process import arrays

_MEASURED = "parity.diagnose.truth"


@dataclass(frozen=True)
class Output:
    """How far an output is. ratio: in units of float32's own error. error: the largest, and unit:
    that of float32, relative to the largest value."""

    ratio: float
    error: float = 0.0
    unit: float = 0.0


@dataclass(frozen=True)
class Judged:
    """A port's outputs, by the reference's numbers."""

    outputs: Mapping[int, Output]

    @property
    def worst(self) -> float:
        """The largest ratio of those that differ, or 0."""
        return max((one.ratio for one in self.outputs.values() if one.ratio > BOUND), default=0.0)


def judge_outputs(
    reference: Running,
    inputs: Mapping[str, np.ndarray],
    weights: Mapping[str, np.ndarray],
    port: Mapping[int, np.ndarray],
    name: str,
) -> Judged:
    """Judge outputs by those of the reference with some weights.

    port: by the reference's numbers. name: of the files.
    """
    given = {
        "inputs": str(reference.write_inputs(inputs, f"truth-{name}")),
        "weights": str(reference.write_weights(weights, f"truth-{name}-weights")),
    }
    truth = reference.folder / f"truth-{name}.safetensors"
    reference.call(f"{_MEASURED}:measure_outputs", **given, path=str(truth))
    outputs: dict[int, Output] = {}
    noise: Mapping[str, list[float]] | None = None
    with arrays.reading(truth) as file:
        for number, output in port.items():
            if str(number) not in file:
                continue
            exact = file[str(number)].astype(np.float64)
            value = nearest(output.astype(np.float64), exact)
            if value is None:
                continue
            distance, units = distance_of(value, exact), least_units(exact)
            if in_units(distance, units) > BOUND:
                noise = noise or reference.call(
                    f"{_MEASURED}:measure_noise", **given, truth=str(truth)
                )
                units = Norms(*noise[str(number)])
            size = norms_of(exact).max
            error = distance.max if np.isfinite(distance.max) else 0.0
            relative = (error / size, units.max / size) if size else (0.0, 0.0)
            outputs[number] = Output(in_units(distance, units), *relative)
    return Judged(outputs)
