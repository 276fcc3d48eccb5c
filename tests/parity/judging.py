"""Judges what is no network as parity judges a network; see docs/how-parity-is-judged.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.judge.verdicts import error_of, judge_array, noise_of, size_of
from parity.measure.measure import Problem

Arrays = dict[str, np.ndarray]


def moved_by_an_ulp(arrays: Arrays, seed: int) -> Arrays:
    """Every number but zeros goes up or down by a unit in its last place."""
    return Problem(arrays, {}, {}, {}).moved(1, (seed,)).inputs


def worst_ratio(port: Arrays, truth: Arrays, float32_runs: Sequence[Arrays]) -> tuple[float, str]:
    """The largest ratio of a port's error to that of the reference's float32 runs, and where."""
    assert port.keys() == truth.keys()
    reference = {
        "sizes": {name: size_of(array) for name, array in truth.items()},
        "unusable": {},
        "decisions": {},
        "noise": {
            name: {
                str(number): [error.two_norm, error.max_norm]
                for number, run in enumerate(float32_runs)
                for error in [error_of(run[name], array)]
            }
            for name, array in truth.items()
        },
    }
    noise = noise_of(reference)
    return max(
        (judge_array(name, port[name], truth[name], noise[name]).ratio, name) for name in truth
    )


def distance(found: np.ndarray, stored: np.ndarray) -> float:
    """How far an array is from a stored one, in the 2-norm, relative."""
    assert found.shape == stored.shape
    assert found.dtype == np.float64
    return float(np.linalg.norm(found - stored) / np.linalg.norm(stored))
