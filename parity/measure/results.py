"""What an engine computes on a problem: outputs, taps and gradients under their keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.judge.measurement import ArrayKey
from parity.measure.problem import Problem
from restoration.engine.contract import Engine
from restoration.process import arrays

Report = Callable[[str], None]
"""Takes a line of progress."""


@dataclass(frozen=True)
class Results:
    """All arrays of a run. taps: in order of occurrence."""

    arrays: Mapping[ArrayKey, np.ndarray]
    taps: list[ArrayKey]


def results_of(
    engine: Engine, model: Any, problem: Problem, report: Report = lambda _text: None
) -> Results:
    """Run a loaded network on the problem, then again with taps, then differentiate it."""
    report("outputs")
    outputs = engine.run(model, problem.inputs)
    found = tapped_results_of(engine, model, problem, report)
    plain = {ArrayKey.output(name): array for name, array in outputs.items()}
    return Results({**found.arrays, **plain}, found.taps)


def tapped_results_of(
    engine: Engine, model: Any, problem: Problem, report: Report = lambda _text: None
) -> Results:
    """The same of a network whose outputs do not depend on taps, as PyTorch's: it runs once."""
    report("every module")
    outputs, taps = engine.run_tapped(model, problem.inputs)
    found = {ArrayKey.output(name): array for name, array in outputs.items()}
    tapped = {ArrayKey.tap(tap.key): tap.array for tap in taps}
    report("gradients")
    return Results(found | tapped | gradients_of(engine, model, problem), list(tapped))


def gradients_of(engine: Engine, model: Any, problem: Problem) -> dict[ArrayKey, np.ndarray]:
    """The gradients by inputs and by parameters."""
    found = engine.gradients(model, problem.gradient_inputs, problem.cotangents)
    by_input = {ArrayKey.input_gradient(name): array for name, array in found.inputs.items()}
    return by_input | {
        ArrayKey.parameter_gradient(name): array for name, array in found.parameters.items()
    }


def write(path: Path, results: Mapping[ArrayKey, np.ndarray]) -> None:
    """Write arrays under their keys."""
    arrays.write(path, {str(key): array for key, array in results.items()})
