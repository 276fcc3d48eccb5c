"""Outputs of a port against the reference in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parity.adapters.networks import Running
from parity.diagnose.forced import ratio_of
from parity.diagnose.layouts import nearest
from parity.diagnose.truth import least_units
from parity.judge.errors import Norms
from parity.judge.verdicts import BOUND
from restoration.process import arrays

_MEASURED = "parity.diagnose.truth"


@dataclass(frozen=True)
class Judged:
    """How far a port's outputs are, by the reference's numbers, in units of float32's own error."""

    ratios: Mapping[int, float]

    @property
    def worst(self) -> float:
        """The largest ratio of those that differ, or 0."""
        return max((one for one in self.ratios.values() if one > BOUND), default=0.0)


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
    ratios: dict[int, float] = {}
    noise: Mapping[str, list[float]] | None = None
    with arrays.reading(truth) as file:
        for number, output in port.items():
            if str(number) not in file:
                continue
            exact = file[str(number)]
            value = nearest(output.astype(np.float64), exact)
            if value is None:
                continue
            ratio = ratio_of(value, exact, least_units(exact))
            if ratio > BOUND:
                noise = noise or reference.call(
                    f"{_MEASURED}:measure_noise", **given, truth=str(truth)
                )
                ratio = ratio_of(value, exact, Norms(*noise[str(number)]))
            ratios[number] = ratio
    return Judged(ratios)
