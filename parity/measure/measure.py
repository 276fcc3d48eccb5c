"""What a worker measures of an engine: the problem, the truth, its noise, and a port's answers.

Runs inside a worker process, on NumPy arrays only. Every array has a name that is the same for all
engines: "output/NAME", "tap/MODULE#CALL.KIND", "gradient/input/NAME", "gradient/parameter/NAME",
"parameter/NAME" (read back after loading), and "output@MODE/NAME" for further modes of execution.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.judge.verdicts import BOUND, Error, error_of, size_of
from restoration.engine.contract import Engine, ReferenceEngine
from restoration.models.spec import Spec
from restoration.process import arrays

Arrays = dict[str, np.ndarray]
Report = Callable[[str], None]

_BIAS_SCALE = 0.1
_MOVED_RUNS = 3  # float32 runs on numbers moved by one unit in the last place
_WEIGHT_DRAWS = 12  # how often weights are drawn to find some whose gradients have no kink nearby
_KINK_RUNS = 2  # float32 runs on numbers moved by so many units that decisions near a tie change


@dataclass(frozen=True)
class Problem:
    """What every engine gets: inputs, inputs for the gradients, weights, and the objective's
    factors for each output."""

    inputs: Arrays
    gradient_inputs: Arrays
    weights: Arrays
    objective: Arrays

    @classmethod
    def read(cls, file: arrays.Reader) -> Problem:
        """Read the groups that a file holds; gradients are taken at the inputs unless it says."""
        inputs = file.group("inputs")
        return cls(
            inputs,
            file.group("gradient_inputs") or inputs,
            file.group("weights"),
            file.group("objective"),
        )

    def write(self, path: Path) -> None:
        """Write all groups."""
        groups = [_prefixed(name, group) for name, group in vars(self).items()]
        arrays.write(path, functools.reduce(operator.or_, groups))

    def moved(self, ulps: int, seed: tuple[int, ...]) -> Problem:
        """The same problem with every number moved by units in the last place, up or down."""
        rng = np.random.default_rng(seed)
        return Problem(*(_moved(group, ulps, rng) for group in vars(self).values()))


def measure_reference(
    make_engine: Callable[..., ReferenceEngine],
    spec: Spec,
    folder: Path,
    seed: int,
    report: Report,
) -> dict[str, Any]:
    """Complete the problem, and write the truth and the noise of float32.

    Returns what a judge needs beside the arrays: the order of taps, and for each array its size,
    the errors of the float32 runs in both norms, or why they cannot be used.
    """
    exact, approximate = make_engine(dtype="float64"), make_engine(dtype="float32")
    exact_model, model = exact.build(spec), approximate.build(spec)
    with arrays.reading(folder / arrays.GIVEN_FILE) as given:
        problem = Problem.read(given)
    if not problem.objective:
        report("shapes of the outputs")
        outputs = approximate.run(model, problem.gradient_inputs)
        problem = dataclasses.replace(problem, objective=seeded_objective(outputs, seed))
    if problem.weights:
        problem = _with_decisions(exact, exact_model, problem)
    else:
        without = problem
        for attempt in range(_WEIGHT_DRAWS):
            report(f"drawing weights: {attempt + 1}")
            weights = seeded_weights(approximate.state(model), (seed, attempt))
            problem = dataclasses.replace(without, weights=weights)
            problem = _with_decisions(exact, exact_model, problem)
            if not _has_kinks(exact, exact_model, approximate, model, problem):
                break
    problem.write(folder / arrays.PROBLEM_FILE)
    report("float64 truth")
    exact.load(exact_model, problem.weights)
    truth, taps = _answers(exact, exact_model, problem)
    arrays.write(folder / arrays.TRUTH_FILE, truth)
    del exact_model

    sizes = {name: list(size_of(array)) for name, array in truth.items()}
    noise: dict[str, dict[str, list[float]]] = {name: {} for name in truth}
    unusable: dict[str, str] = {}

    def run(problem: Problem) -> Iterator[tuple[str, Error]]:
        approximate.load(model, problem.weights)
        answers, _ = _answers(approximate, model, problem)
        for name, array in answers.items():
            yield name, error_of(array, truth[name])

    def add(title: str, problem: Problem) -> None:
        report(f"float32 noise: {title}")
        for name, error in run(problem):
            noise[name][title] = [error.two_norm, error.max_norm]
            if error.mismatch:
                unusable[name] = error.mismatch

    for title, context in approximate.variations().items():
        with context:
            add(title, problem)
    for number in range(_MOVED_RUNS):
        add(f"moved by one ulp ({number + 1})", problem.moved(1, (seed, number)))
    for number in range(_KINK_RUNS):
        title = f"at a kink ({number + 1})"
        report(f"float32 noise: {title}")
        for name, error in run(problem.moved(int(BOUND), (number,))):
            if name.startswith("gradient/") and _is_kink(error, noise[name].values()):
                noise[name][title] = [error.two_norm, error.max_norm]
    return {
        "taps": taps,
        "sizes": sizes,
        "noise": noise,
        "unusable": unusable,
        "decisions": dict(spec.decisions),
        "engine": approximate.describe(),
    }


def _with_decisions(engine: Engine, model: Any, problem: Problem) -> Problem:
    """Where a network decides, let every run follow the decisions that it comes to by itself."""
    if not model.spec.decisions:
        return problem
    engine.load(model, problem.weights)

    def decided(inputs: Arrays) -> Arrays:
        return {**model.spec.enforced(engine.run(model, inputs)), **inputs}

    return dataclasses.replace(
        problem,
        inputs=decided(problem.inputs),
        gradient_inputs=decided(problem.gradient_inputs),
    )


def measure_port(
    make_engine: Callable[..., Engine], spec: Spec, folder: Path, name: str, report: Report
) -> dict[str, Any]:
    """Run a port on the problem and write its answers as NAME.safetensors."""
    with arrays.reading(folder / arrays.PROBLEM_FILE) as file:
        problem = Problem.read(file)
    engine = make_engine()
    report("building")
    model = engine.build(spec)
    engine.load(model, problem.weights)
    answers, taps = _answers(engine, model, problem, report)
    answers |= _prefixed("parameter", engine.state(model))
    refusals = {}
    for mode in engine.modes[1:]:
        reason = spec.graph_unsupported.get(engine.name)
        if reason:
            refusals[mode] = reason
            continue
        report(f"outputs in {mode} mode")
        answers |= _prefixed(f"output@{mode}", engine.run(model, problem.inputs, mode=mode))
    arrays.write(folder / f"{name}.safetensors", answers)
    return {
        "taps": taps,
        "modes": [mode for mode in engine.modes[1:] if mode not in refusals],
        "refusals": refusals,
        "engine": engine.describe(),
    }


def seeded_weights(state: Mapping[str, np.ndarray], seed: tuple[int, ...]) -> Arrays:
    """Weights that make every parameter matter, the same whatever the framework's generator.

    Matrices and kernels keep the scale of what passes through them, factors are near 1, offsets are
    small and not zero. Integer entries (index tables) are kept.
    """
    weights = {}
    for name, value in state.items():
        rng = np.random.default_rng((*seed, zlib.crc32(name.encode())))
        draw = rng.standard_normal(value.shape)
        if not np.issubdtype(value.dtype, np.floating):
            weights[name] = value
            continue
        if value.ndim > 1:
            draw /= np.sqrt(np.prod(value.shape[1:]))
        elif name.endswith("weight"):
            draw = 1 + _BIAS_SCALE * draw
        else:
            draw *= _BIAS_SCALE
        weights[name] = draw.astype(np.float32)
    return weights


def seeded_objective(outputs: Mapping[str, np.ndarray], seed: int) -> Arrays:
    """White noise that weights each output's pixels, so that every pixel's gradient is seen."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(output.shape).astype(np.float32)
        for name, output in outputs.items()
    }


def _answers(
    engine: Engine, model: Any, problem: Problem, report: Report = lambda _text: None
) -> tuple[Arrays, list[dict[str, Any]]]:
    """Outputs, taps and gradients by name, and the taps in order of occurrence."""
    report("outputs")
    answers = _prefixed("output", engine.run(model, problem.inputs))
    report("every module")
    _, taps = engine.run_tapped(model, problem.inputs)
    answers |= {f"tap/{tap.key}": tap.array for tap in taps}
    report("gradients")
    gradients = engine.gradients(model, problem.gradient_inputs, problem.objective)
    answers |= _prefixed("gradient/input", gradients.inputs)
    answers |= _prefixed("gradient/parameter", gradients.parameters)
    order = [
        {"key": tap.key, "module": tap.module, "call": tap.call, "kind": tap.kind} for tap in taps
    ]
    return answers, order


def _has_kinks(
    exact: Engine, exact_model: Any, approximate: Engine, model: Any, problem: Problem
) -> bool:
    """Whether gradients are taken where rounding decides the side of a ReLU or the like."""

    def gradients(engine: Engine, model: Any, problem: Problem) -> Arrays:
        engine.load(model, problem.weights)
        found = engine.gradients(model, problem.gradient_inputs, problem.objective)
        return _prefixed("input", found.inputs) | _prefixed("parameter", found.parameters)

    truth = gradients(exact, exact_model, problem)
    plain, *moved = (
        {
            name: error_of(array, truth[name])
            for name, array in gradients(approximate, model, candidate).items()
        }
        for candidate in (
            problem,
            *(problem.moved(int(BOUND), (number,)) for number in range(_KINK_RUNS)),
        )
    )
    return any(
        _is_kink(run[name], [[plain[name].two_norm, plain[name].max_norm]])
        for run in moved
        for name in truth
    )


def _is_kink(error: Error, regular: Iterable[Sequence[float]]) -> bool:
    """Whether moving numbers by BOUND ulps did more than make rounding errors BOUND times larger.

    Then a decision inside the network changed, as of a ReLU at zero. A port's rounding may change
    it too, and its gradient is then as wrong, and as right, as this one.
    """
    two_regular, max_regular = map(max, zip(*regular, strict=True))
    return error.two_norm > 2 * BOUND * two_regular or error.max_norm > 2 * BOUND * max_regular


def _prefixed(prefix: str, group: Mapping[str, np.ndarray]) -> Arrays:
    return {f"{prefix}/{name}": array for name, array in group.items()}


def _moved(group: Arrays, ulps: int, rng: np.random.Generator) -> Arrays:
    """Each number moved up or down by units in its last place, at random.

    Zeros and integers are exact, and stay.
    """
    moved = dict(group)
    for name, array in group.items():
        if np.issubdtype(array.dtype, np.floating):
            step = np.where(array == 0, 0, ulps * np.spacing(np.abs(array)))
            moved[name] = array + np.where(rng.random(array.shape) < 0.5, -step, step)
    return moved
