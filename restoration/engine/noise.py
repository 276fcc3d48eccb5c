"""How far an output is from the truth, in units of what float32 itself is: the ratio of `parity`.

For what is judged where it runs: exported and compiled networks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

BOUND = 16.0
"""The largest ratio of errors that still counts as the same; parity's, and a test compares."""

_HALF_ULP = 2.0**-24


def worst_ratio(outputs: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> float:
    """The largest ratio of an output's error to that of float32 itself, in both norms.

    known: "truth/NAME", and "0/NAME", "1/NAME", ... of legitimate float32 runs.
    """
    worst = 0.0
    ways = {name.partition("/")[0] for name in known} - {"truth"}
    for name, array in outputs.items():
        exact = known[f"truth/{name}"].astype(np.float64)
        if array.shape != exact.shape or not np.isfinite(array).all():
            return math.inf
        for norm in (np.linalg.norm, lambda x: np.abs(x).max(initial=0)):
            error = float(norm((array - exact).ravel()))
            noise = max(float(norm((known[f"{way}/{name}"] - exact).ravel())) for way in ways)
            floor = _HALF_ULP * float(norm(exact.ravel()))
            worst = max(worst, error / max(noise, floor, 1e-30))
    return worst
