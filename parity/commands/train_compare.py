"""`parity train-compare REFERENCE PORT`: whether a stranger's training takes the same steps.

Both start from the same weights and get the same batches. Losses, parameters and buffers after each
step are judged by the reference's drift between float32 and float64.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters import rules
from parity.adapters.mapping import WeightMap, drawn, map_weights
from parity.adapters.networks import Running, fitted, read_weights
from parity.adapters.sides import FILES, Side
from parity.adapters.weight_findings import leftovers
from parity.compare.sides import both_started
from parity.judge.errors import nonfinite
from parity.judge.steps import Departure, Held, departure, judge_steps
from parity.measure.foreign_steps import read_state, write_batches
from parity.report.training import StepCause, TrainingComparison
from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.process import arrays
from restoration.process.frameworks import REFERENCE

_MEASURE = "parity.measure.foreign_steps"
_EXPLAIN = "parity.diagnose.optimizers:explain_steps"


@dataclass(frozen=True)
class TrainOptions:
    """What is trained. batches: the arrays of each step, in the order of the step's arguments.
    optimizer: settings (`restoration/training/settings.py`), or None where the steps of both sides
    move their parameters. weights, rules: as of `parity compare`."""

    batches: Sequence[Sequence[np.ndarray]]
    optimizer: Mapping[str, Any] | None = None
    weights: Path | None = None
    rules: Path | None = None
    seed: int = 0
    silence_s: float = 600.0


def train_compare(
    sides: tuple[Side, Side],
    steps: tuple[Side, Side],
    options: TrainOptions,
    show: Callable[[str, str], None],
) -> TrainingComparison:
    """Compare steps of training.

    sides: the networks, the reference first. steps: the functions that make their steps. show:
    takes who works and a line of progress.

    Raises:
        InputError: a side or its step cannot be made, or the weights do not fit the reference.
    """
    for side in sides:
        if side.framework in FILES:
            raise InputError(
                "side",
                expected="a network that can be trained",
                got=side.title,
                where="command line",
                next_step="name the file and factory of a network",
            )
    result = TrainingComparison(sides[0].title, sides[1].title, len(options.batches))
    with both_started(sides, options.silence_s, show, result.warnings.append) as (*running, pool):
        reference, port = (
            _Trained(side, step, options) for side, step in zip(running, steps, strict=True)
        )
        _compare(reference, port, options, result, pool)
    return result


class _Trained:
    """A side, asked for steps."""

    def __init__(self, running: Running, step: Side, options: TrainOptions):
        self.running = running
        batches = running.folder / "batches.safetensors"
        write_batches(batches, options.batches)
        request = step.request()
        self.plan = {
            "source": request["source"],
            "factory": request["factory"],
            "optimizer": None if options.optimizer is None else dict(options.optimizer),
            "batches": str(batches),
        }
        self.weights = running.folder / "start.safetensors"

    def give(self, weights: Mapping[str, np.ndarray]) -> None:
        """The weights to start from."""
        arrays.write(self.weights, weights)

    def ask(self, function: str, **more: Any) -> Any:
        return self.running.call(function, weights=str(self.weights), **self.plan, **more)

    def order(self) -> dict[str, int]:
        names = self.ask(f"{_MEASURE}:order_of_calls")
        return {name: place for place, name in enumerate(names)}


def _compare(
    reference: _Trained,
    port: _Trained,
    options: TrainOptions,
    result: TrainingComparison,
    pool: concurrent.futures.Executor,
) -> None:
    own, theirs = _start(reference, options, result), port.running.state()
    reference.give(own)
    port.give(theirs)
    orders = [pool.submit(one.order) for one in (reference, port)]
    mapped = map_weights(
        own,
        theirs,
        orders[0].result(),
        orders[1].result(),
        by_values=False,
        rules=rules.read(options.rules) if options.rules else (),
    )
    result.assumptions += mapped.assumptions
    result.entries = {"": ""} | {pair.reference: pair.port for pair in mapped.pairs}
    for names, one, values in (
        (mapped.reference_left, reference, own),
        (mapped.port_left, port, theirs),
    ):
        matter, _ = leftovers(names, values, one.running.trained)
        result.gaps += [f"{name} of {one.running.side.title} has no partner" for name in matter]
    port.give(mapped.converted(own, theirs))
    is_exact = reference.running.side.framework == REFERENCE
    if not is_exact:
        result.assumptions.append(
            "the reference is not PyTorch: its float32 steps are the truth, drift is that of steps "
            "from weights that are moved by an ulp, and no causes are looked for"
        )
    truth = reference.running.folder / "truth.safetensors"
    of_reference = pool.submit(
        reference.ask, f"{_MEASURE}:measure_reference", path=str(truth), is_exact=is_exact
    )
    path = port.running.folder / "steps.safetensors"
    port.ask(f"{_MEASURE}:measure_port", path=str(path))
    measured = of_reference.result()
    exact = Held(read_state(str(truth)))
    _check_finite(exact, reference.running.side.title)
    found = _by_reference(read_state(str(path)), mapped, own)
    # What has no partner is told once, as a gap.
    exact = Held({name: array for name, array in exact.items() if _entry(name) in result.entries})
    result.judged = judge_steps(found, exact, measured["norms"], measured["noise"])
    result.departure = departure(result.judged)
    if result.departure is None or not is_exact:
        return
    result.causes = _untrained(result.departure, found, own)
    if not result.causes:
        given = reference.running.folder / "port.safetensors"
        arrays.write(given, found)
        causes = reference.ask(_EXPLAIN, port=str(given), truth=str(truth), noise=measured["noise"])
        result.causes = [StepCause(**cause) for cause in causes]


def _start(
    reference: _Trained, options: TrainOptions, result: TrainingComparison
) -> dict[str, np.ndarray]:
    """The weights that the reference starts from."""
    state = reference.running.state()
    if options.weights is None:
        result.assumptions.append(f"weights were drawn (seed {options.seed})")
        return state | dict(drawn(state, options.seed))
    return state | fitted(read_weights(options.weights), reference.running, options.weights)


def _entry(key: str) -> str:
    """The entry that a key is of; "" for a loss."""
    kind, _, name = key.split("/", 2)[2].partition("/")
    return "" if kind == "loss" else name


def _by_reference(found: Mapping[str, np.ndarray], mapped: WeightMap, own: Arrays) -> Held:
    """The port's arrays of all steps by the reference's names and in its layouts."""
    by_step: dict[str, dict[str, np.ndarray]] = {}
    result = Held()
    for key, array in found.items():
        if entry := _entry(key):
            by_step.setdefault(key.removesuffix(entry), {})[entry] = array
        else:
            result[key] = array
    for start, state in by_step.items():
        restored = mapped.restored(state, own)
        result |= {start + name: array for name, array in restored.items()}
    return result


def _untrained(found: Departure, port: Arrays, own: Arrays) -> list[StepCause]:
    """Whether what differs first stands still in the port."""
    last = max(int(key.split("/")[1]) for key in port)
    still = [
        name
        for name, start in own.items()
        if np.array_equal(port.get(f"step/{last}/weights/{name}", np.nan), start)
    ]
    if _entry(str(found.array.key)) not in still:
        return []
    listing = ", ".join(still[:4]) + (f" and {len(still) - 4} more" if len(still) > 4 else "")
    return [StepCause("not trained", f"{listing} as at the start", None)]


def _check_finite(truth: Arrays, title: str) -> None:
    """Raise InputError where the reference's own training fails."""
    for name, array in truth.items():
        if problem := nonfinite(array):
            raise InputError(
                f"training of {title}",
                expected="finite numbers",
                got=f"{problem} at {name.replace('/', ' ')}",
                where="reference",
                next_step="give other batches, weights or a smaller rate",
            )
