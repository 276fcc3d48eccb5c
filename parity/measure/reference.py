"""What the reference measures: it completes the problem, then writes the truth and its noise.

Runs inside a worker process, on NumPy arrays only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.judge.errors import Error, Norms, error_of, nonfinite, norms_of
from parity.judge.measurement import ArrayKey, ReferenceMeasurement
from parity.measure import results
from parity.measure.kinks import has_kinks, is_kink, perturbed_past_ties
from parity.measure.problem import Problem
from parity.measure.results import Report, gradients_of, tapped_results_of
from parity.measure.weights import seeded_cotangents, seeded_weights
from restoration.engine.contract import Engine, ReferenceEngine
from restoration.models.spec import Spec
from restoration.process import arrays

_PERTURBED_RUNS = 3  # float32 runs on numbers perturbed by one unit in the last place
_WEIGHT_DRAWS = 12  # how often weights are drawn to find some whose gradients have no kink nearby


def measure_reference(
    make_engine: Callable[..., ReferenceEngine],
    spec: Spec,
    folder: Path,
    seed: int,
    report: Report,
) -> ReferenceMeasurement:
    """Complete the problem, and write the truth and the noise of float32."""
    exact, approximate = make_engine(dtype="float64"), make_engine(dtype="float32")
    exact_model, model = exact.build(spec), approximate.build(spec)
    with arrays.reading(folder / arrays.GIVEN_FILE) as given:
        problem = Problem.read(given)
    if not problem.cotangents:
        report("shapes of the outputs")
        outputs = approximate.run(model, problem.gradient_inputs)
        problem = dataclasses.replace(problem, cotangents=seeded_cotangents(outputs, seed))
    if problem.weights:
        problem = _with_decisions(exact, exact_model, problem)
    else:
        without = problem
        for attempt in range(_WEIGHT_DRAWS):
            report(f"drawing weights: {attempt + 1}")
            weights = seeded_weights(approximate.state(model), (seed, attempt))
            problem = dataclasses.replace(without, weights=weights)
            problem = _with_decisions(exact, exact_model, problem)
            if not has_kinks(exact, exact_model, approximate, model, problem):
                break
    problem.write(folder / arrays.PROBLEM_FILE)
    report("float64 truth")
    exact.load(exact_model, problem.weights)
    truth = tapped_results_of(exact, exact_model, problem)
    results.write(folder / arrays.TRUTH_FILE, truth.arrays)
    del exact_model
    noise, unusable = _noise(approximate, model, problem, truth.arrays, seed=seed, report=report)
    return ReferenceMeasurement(
        taps=truth.taps,
        norms={key: norms_of(array) for key, array in truth.arrays.items()},
        noise=noise,
        unusable=unusable,
        nonfinite={
            key: counts for key, array in truth.arrays.items() if (counts := nonfinite(array))
        },
        decisions={
            ArrayKey.output(name): ArrayKey.output(margin)
            for name, margin in spec.decisions.items()
        },
        engine=approximate.describe(),
    )


def _noise(
    engine: ReferenceEngine,
    model: Any,
    problem: Problem,
    truth: Mapping[ArrayKey, np.ndarray],
    *,
    seed: int,
    report: Report,
) -> tuple[dict[ArrayKey, dict[str, Norms]], dict[ArrayKey, str]]:
    """The errors of each float32 run by its title, and what cannot be used and why."""
    noise: dict[ArrayKey, dict[str, Norms]] = {key: {} for key in truth}
    unusable: dict[ArrayKey, str] = {}

    def errors(
        title: str, problem: Problem, measured: Callable[..., Mapping[ArrayKey, np.ndarray]]
    ) -> Iterator[tuple[ArrayKey, Error]]:
        report(f"float32 noise: {title}")
        engine.load(model, problem.weights)
        for key, array in measured(engine, model, problem).items():
            yield key, error_of(array, truth[key])

    def add(title: str, problem: Problem) -> None:
        for key, error in errors(title, problem, _everything):
            noise[key][title] = error.norms
            if error.mismatch:
                unusable[key] = error.mismatch

    for title, context in engine.variations().items():
        with context:
            add(title, problem)
    for number in range(_PERTURBED_RUNS):
        add(f"perturbed by one ulp ({number + 1})", problem.perturbed(1, (seed, number)))
    for number, perturbed in enumerate(perturbed_past_ties(problem)):
        title = f"at a kink ({number + 1})"
        for key, error in errors(title, perturbed, gradients_of):
            if is_kink(error.norms, noise[key].values()):
                noise[key][title] = error.norms
    return noise, unusable


def _everything(engine: Engine, model: Any, problem: Problem) -> Mapping[ArrayKey, np.ndarray]:
    return tapped_results_of(engine, model, problem).arrays


def _with_decisions(engine: Engine, model: Any, problem: Problem) -> Problem:
    """Where a network decides, let every run follow the decisions that it comes to by itself."""
    if not model.spec.decisions:
        return problem
    engine.load(model, problem.weights)

    def decided(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {**model.spec.enforced(engine.run(model, inputs)), **inputs}

    return dataclasses.replace(
        problem,
        inputs=decided(problem.inputs),
        gradient_inputs=decided(problem.gradient_inputs),
    )
