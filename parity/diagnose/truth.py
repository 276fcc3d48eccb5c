"""The reference's outputs in float64, and how far float32 is from them, inside its own process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from parity.adapters import serving
from parity.diagnose.forced import ULP
from parity.diagnose.locating import read_given
from parity.judge.errors import Norms, norms_of
from parity.judge.noise import largest
from parity.measure.problem import Problem
from restoration.process import arrays
from restoration.process.serve import Session

_NOISE_RUNS = 3


def measure_outputs(session: Session, *, inputs: str, weights: str, path: str) -> None:
    """Write the outputs in float64 by their numbers; what is complex is left out."""
    given = read_given(inputs, session)
    tapes, held = session.module("tape"), serving.current()
    network = tapes.double(serving.copy_with(weights)[0])
    with held.bridge.on_this_machine(), given.drawing():
        found = tapes.outputs(lambda values: given.call(network, values), given.arrays)
    arrays.write(Path(path), _numbered(found))


def measure_noise(
    session: Session, *, inputs: str, weights: str, truth: str
) -> dict[str, Sequence[float]]:
    """The largest error of some float32 runs, in both norms, by an output's number: one as it is,
    others on numbers that are moved by one unit in the last place.

    truth: what `measure_outputs` wrote.
    """
    given = read_given(inputs, session)
    network, state = serving.copy_with(weights)
    tapes, held = session.module("tape"), serving.current()
    problem = Problem(_numbered(given.arrays), weights=state)
    with arrays.reading(Path(truth)) as file:
        exact = {name: file[name] for name in file.names}
    errors: dict[str, list[Norms]] = {name: [] for name in exact}
    for seed in range(_NOISE_RUNS):
        moved = problem.perturbed(1, (seed,)) if seed else problem
        serving.give(held.bridge, network, moved.weights.items())
        with held.bridge.on_this_machine(), given.drawing():
            found = tapes.outputs(
                lambda values: given.call(network, values),
                list(moved.inputs.values()),
                single=True,
            )
        for name, array in _numbered(found).items():
            if np.issubdtype(array.dtype, np.floating):  # a decision that flips is no noise
                errors[name].append(norms_of(array.astype(np.float64) - exact[name]))
    return {name: largest([*runs, least_units(exact[name])]) for name, runs in errors.items()}


def least_units(truth: np.ndarray) -> Norms:
    """The error, in both norms, that any float32 result may have."""
    norms = norms_of(truth)
    return Norms(ULP * norms.two, ULP * norms.max)


def _numbered(outputs: Sequence[np.ndarray | None]) -> Mapping[str, np.ndarray]:
    return {str(number): one for number, one in enumerate(outputs) if one is not None}
