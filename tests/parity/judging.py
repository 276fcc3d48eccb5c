"""Judges what is no network as parity judges a network; see docs/how-parity-is-judged.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.judge.errors import error_of, norms_of
from parity.judge.measurement import ArrayKey, ReferenceMeasurement
from parity.judge.noise import noise_of
from parity.judge.verdicts import judge_array
from parity.measure.problem import Problem

Arrays = dict[str, np.ndarray]


def perturbed_by_an_ulp(arrays: Arrays, seed: int) -> Arrays:
    """Every number but zeros goes up or down by a unit in its last place."""
    return dict(Problem(arrays).perturbed(1, (seed,)).inputs)


def worst_ratio(port: Arrays, truth: Arrays, float32_runs: Sequence[Arrays]) -> tuple[float, str]:
    """The largest ratio of a port's error to that of the reference's float32 runs, and where."""
    assert port.keys() == truth.keys()
    keys = {name: _key(name) for name in truth}
    reference = ReferenceMeasurement(
        norms={keys[name]: norms_of(array) for name, array in truth.items()},
        noise={
            keys[name]: {
                str(number): error_of(run[name], array).norms
                for number, run in enumerate(float32_runs)
            }
            for name, array in truth.items()
        },
    )
    noise = noise_of(reference)
    return max(
        (judge_array(key, port[name], truth[name], noise[key]).ratio, name)
        for name, key in keys.items()
    )


def _key(name: str) -> ArrayKey:
    """Gradients are a kind of their own; anything else is judged as an output."""
    kind, _, rest = name.partition("/")
    return ArrayKey.input_gradient(rest) if kind == "gradient" else ArrayKey.output(name)


def distance(found: np.ndarray, stored: np.ndarray) -> float:
    """How far an array is from a stored one, in the 2-norm, relative."""
    assert found.shape == stored.shape
    assert found.dtype == np.float64
    return float(np.linalg.norm(found - stored) / np.linalg.norm(stored))
