"""What frameworks measure of training: the same steps of one recipe, and how far float32 drifts.

Runs inside a worker process, on NumPy arrays only. Of each step: loss and terms (before the
update), the learning rate, and after it parameters, averaged weights and the optimizer's moments.
Only the truth lies on the disk (0.3 GB a step, where a network has ten million parameters), and no
more than a step is in memory: of other runs errors are kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.judge.errors import NOTHING, Error, Norms, norms_of
from parity.judge.measurement import ArrayKey, ArrayKind
from parity.judge.noise import largest
from parity.judge.steps import errors_of
from parity.measure.kinks import RUNS, is_kink, perturbed_past_ties
from parity.measure.problem import Problem
from restoration.arrays import Arrays
from restoration.data.loader import Batch
from restoration.engine.contract import Engine, Network, TrainingState
from restoration.process import arrays, memory
from restoration.process.serve import Session
from restoration.training import recipe as recipes
from restoration.training import session as parts
from restoration.training.recipe import Recipe

_PERTURBED_RUNS = 3
_BESIDE_RUNS = 6
_DECISIONS_FILE = "decisions.safetensors"
_BESIDE_FILE = "beside.safetensors"
_GROUPS = ("weights", "averages", "moments")
_SAY_EVERY_S = 30.0  # often enough for whoever waits for a sign of life


def measure_reference(
    session: Session, *, recipe: Mapping[str, Any], steps: int, folder: str
) -> dict[str, Any]:
    """Write the truth; its norms, the noise of each array, and digests of the batches.

    The noise is the largest error of float32 runs: with other kernels, and from weights that are
    moved by a unit in the last place. Where a decision is so near a tie, as of a ReLU at zero, that
    moving them by as many units as the bound changes it, the jump is noise as well.
    """
    plan, place = recipes.from_plain(recipe, "parity train"), Path(folder)
    batches = _batches(plan, steps)
    exact = session.make_engine(dtype="float64")
    decided = _Decisions(exact)
    run = _Run(exact, plan)
    norms: dict[str, Norms] = {}
    sizes: dict[str, int] = {}
    with arrays.Stream(place / arrays.TRUTH_FILE) as file:
        for name, array in run.steps(batches, decided, "float64 truth", session.report):
            file.add(name, array)
            norms[name], sizes[name] = norms_of(array), array.size
    arrays.write(place / _DECISIONS_FILE, decided.taken or {"none": np.zeros(0)})
    noise = dict.fromkeys(norms, NOTHING)
    drift = _Drift(session, plan, batches, decided, place / arrays.TRUTH_FILE)
    for title, context in drift.engine.variations().items():
        with context:
            drift.add_to(noise, title, None)
    drift.add_moved(noise, range(_PERTURBED_RUNS))
    return {
        "norms": norms,
        "sizes": sizes,
        "noise": noise | drift.jumps(noise, range(RUNS)),
        "digests": [batch.digest() for batch in batches],
        "engine": drift.engine.describe(),
    }


def measure_more(
    session: Session,
    *,
    recipe: Mapping[str, Any],
    steps: int,
    folder: str,
    noise: Mapping[str, Sequence[float]],
    runs: int,
) -> dict[str, Any]:
    """The noise, of more runs of each kind that `measure_reference` takes it from.

    folder: that it wrote to. noise: what it found.
    """
    plan, place = recipes.from_plain(recipe, "parity train"), Path(folder)
    batches, decisions = _batches(plan, steps), _kept_decisions(place)
    drift = _Drift(session, plan, batches, decisions, place / arrays.TRUTH_FILE)
    found = {name: Norms(*error) for name, error in noise.items()}
    drift.add_moved(found, range(_PERTURBED_RUNS, _PERTURBED_RUNS + runs))
    found |= drift.jumps(found, range(RUNS, RUNS + runs))
    return {"noise": found, "engine": drift.engine.describe()}


def measure_beside(
    session: Session,
    *,
    recipe: Mapping[str, Any],
    steps: int,
    folder: str,
    noise: Mapping[str, Sequence[float]],
    state: str,
    before: int,
) -> dict[str, Any]:
    """The noise, of runs from where a port stood before a step, which may have been at a tie.

    They begin with that state, and with its weights moved by a unit in the last place: how far they
    come apart, and not how far the port was from the truth, counts. So do runs from weights that
    are moved past ties, where they jump. state: what `measure_state` wrote before the step
    `before`, counted from 1.
    """
    plan, place = recipes.from_plain(recipe, "parity train"), Path(folder)
    batches, decisions = _batches(plan, steps), _kept_decisions(place)
    with arrays.reading(Path(state)) as file:
        stood = _read_state(file, before - 1)
    first = place / _BESIDE_FILE
    drift = _Drift(session, plan, batches, decisions, first, state=stood)
    apart: dict[str, Norms] = {}
    with arrays.Stream(first) as kept:
        for name, array in drift.run(f"from before step {before}", None):
            kept.add(name, array)
            apart[name] = NOTHING
    drift.add_moved(apart, range(_BESIDE_RUNS))
    jumps = drift.jumps(apart, range(_BESIDE_RUNS))
    first.unlink()
    found = {
        name: largest([Norms(*error), apart.get(name, NOTHING), jumps.get(name, NOTHING)])
        for name, error in noise.items()
    }
    return {"noise": found, "engine": drift.engine.describe()}


def measure_state(
    session: Session, *, recipe: Mapping[str, Any], steps: int, folder: str, state: str, before: int
) -> dict[str, Any]:
    """Write how a port stands before a step, counted from 1."""
    plan, place = recipes.from_plain(recipe, "parity train"), Path(folder)
    engine = session.make_engine()
    run = _Run(engine, plan)
    batches = _batches(plan, steps)[: before - 1]
    for _ in run.steps(batches, _kept_decisions(place), f"{before - 1} steps", session.report):
        pass
    stood = run.trainer.state()
    content = {f"{group}/{name}": array for group in _GROUPS
               for name, array in getattr(stood, group).items()}  # fmt: skip
    content |= {f"counts/{name}": np.array([count]) for name, count in stood.counts.items()}
    arrays.write(Path(state), content)
    return {"engine": engine.describe()}


def measure_port(
    session: Session, *, recipe: Mapping[str, Any], steps: int, folder: str, keep: str
) -> dict[str, Any]:
    """Train the same steps; errors of their arrays, and digests of the batches.

    keep: the file that the arrays are written to, "" for none.
    """
    plan, place = recipes.from_plain(recipe, "parity train"), Path(folder)
    batches = _batches(plan, steps)
    engine = session.make_engine()
    decided = _kept_decisions(place)
    memory.reset_peak()
    started = time.monotonic()
    run = _Run(engine, plan)
    found = run.steps(batches, decided, f"{steps} steps", session.report)
    with contextlib.ExitStack() as stack:
        if keep:
            found = _written(found, stack.enter_context(arrays.Stream(Path(keep))))
        errors = {
            name: dataclasses.astuple(error)
            for name, error in _errors(found, place / arrays.TRUTH_FILE)
        }
    return {
        "errors": errors,
        "digests": [batch.digest() for batch in batches],
        "engine": engine.describe(),
        "seconds": round(time.monotonic() - started, 3),
        "peak_mb": memory.peak_mb(),
    }


Named = Iterator[tuple[str, np.ndarray]]


def _errors(found: Named, file: Path) -> Iterator[tuple[str, Error]]:
    """How far arrays are from those of a file; see `errors_of`."""
    with arrays.reading(file) as known:
        yield from errors_of(found, known)


def _written(found: Named, file: arrays.Stream) -> Named:
    for name, array in found:
        file.add(name, array)
        yield name, array


class _Decisions:
    """Decisions of each step, which every run follows: those that the truth comes to by itself."""

    def __init__(self, engine: Engine | None, taken: Arrays | None = None):
        """engine: that of the truth, which takes them."""
        self._engine = engine
        self.taken: Arrays = dict(taken or {})

    def enforced(self, network: Network, part: Arrays, place: str) -> Arrays:
        """A part of a batch with the decisions that are to be taken."""
        spec = network.spec
        if not spec.decisions:
            return part
        prefix = f"{place}/"
        is_known = any(name.startswith(prefix) for name in self.taken)
        if self._engine is not None and not is_known:
            inputs = {name: array for name, array in part.items() if name in spec.inputs}
            given = spec.enforced(self._engine.run(network, inputs))
            self.taken |= {prefix + name: array for name, array in given.items()}
        given = {
            name.removeprefix(prefix): array
            for name, array in self.taken.items()
            if name.startswith(prefix)
        }
        return {**part, **given}


def _kept_decisions(folder: Path) -> _Decisions:
    with arrays.reading(folder / _DECISIONS_FILE) as file:
        return _Decisions(None, {key: file[key] for key in file.names})


class _Drift:
    """Trainings of the reference in float32, and how far each is from those of a file.

    known: that file, of the truth. state: what they go on from, if not from the beginning.
    """

    def __init__(
        self,
        session: Session,
        recipe: Recipe,
        batches: Sequence[Batch],
        decisions: _Decisions,
        known: Path,
        *,
        state: TrainingState | None = None,
    ):
        self.engine = session.make_engine()
        self._recipe, self._batches, self._decisions = recipe, batches, decisions
        self._known, self._state, self._report = known, state, session.report
        start = state.weights if state else _Run(self.engine, recipe).start
        self._start = Problem(inputs={}, weights=start)

    def run(self, title: str, first: Arrays | None) -> Named:
        """The arrays of a run. first: the weights it begins with, if others."""
        if self._state is None:
            run = _Run(self.engine, self._recipe, first)
        else:
            weights = self._state.weights if first is None else first
            state = dataclasses.replace(self._state, weights=weights)
            run = _Run(self.engine, self._recipe, state=state)
        title = f"float32 drift: {title}"
        return run.steps(self._batches, self._decisions, title, self._report)

    def errors(self, title: str, first: Arrays | None) -> Iterator[tuple[str, Norms]]:
        """Of each array of a run."""
        for name, error in _errors(self.run(title, first), self._known):
            yield name, error.norms

    def add_to(self, noise: dict[str, Norms], title: str, first: Arrays | None) -> None:
        """Make the noise of arrays as large as their errors in a run, where those are larger."""
        for name, error in self.errors(title, first):
            noise[name] = largest([noise[name], error])

    def add_moved(self, noise: dict[str, Norms], numbers: Iterable[int]) -> None:
        """The same with runs from weights that are moved by a unit in the last place."""
        for number in numbers:
            moved = self._start.perturbed(1, (number,)).weights
            self.add_to(noise, f"moved by one ulp ({number + 1})", dict(moved))

    def jumps(self, noise: Mapping[str, Norms], numbers: Sequence[int]) -> dict[str, Norms]:
        """Errors of runs past ties, of arrays that they change by more than they are moved."""
        found: dict[str, Norms] = {}
        runs = zip(numbers, perturbed_past_ties(self._start, numbers), strict=True)
        for number, past in runs:
            for name, error in self.errors(f"past ties ({number + 1})", dict(past.weights)):
                if is_kink(error, [noise[name]]):
                    found[name] = largest([found.get(name, NOTHING), error])
        return found


def _read_state(file: arrays.Reader, step: int) -> TrainingState:
    weights, averages, moments = (dict(file.group(group)) for group in _GROUPS)
    counts = {name: int(array[0]) for name, array in file.group("counts").items()}
    return TrainingState(weights, averages, moments, counts, step)


def _batches(recipe: Recipe, steps: int) -> list[Batch]:
    loader = parts.make_loader(recipe, workers=0)
    made = loader.batches(0)
    found = [next(made) for _ in range(steps)]
    loader.close()
    return found


class _Run:
    """A training from its start. start: the weights there. init: others. state: to go on from."""

    def __init__(
        self,
        engine: Engine,
        recipe: Recipe,
        init: Arrays | None = None,
        state: TrainingState | None = None,
    ):
        self._recipe = recipe
        self._network, self.trainer = parts.make_trainer(engine, recipe, init)
        self._done = 0
        if state is not None:
            self.trainer.load(state)
            self._done = state.step
        self.start = engine.state(self._network)

    def steps(
        self,
        batches: Sequence[Batch],
        decisions: _Decisions,
        title: str,
        report: Callable[[str], None],
    ) -> Named:
        """The arrays of all steps with their keys.

        batches: of all steps, also of those before the state that it goes on from. title: of the
        run, for `report`.
        """
        report(title)
        said_at = time.monotonic()
        kind = np.float64 if next(iter(self.start.values())).dtype == np.float64 else np.float32
        for step, batch in enumerate(batches):
            if step < self._done:
                continue
            if time.monotonic() - said_at > _SAY_EVERY_S:
                report(f"{title}, step {step + 1} of {len(batches)}")
                said_at = time.monotonic()
            count = len(batches)
            factor = self._recipe.schedule.factor(step, steps=count, steps_per_epoch=count)
            given = [
                decisions.enforced(self._network, part, f"{step}/{place}")
                for place, part in enumerate(batch.parts)
            ]
            result = self.trainer.step(given, factor)
            state = self.trainer.state()
            scalars = {
                "loss": result.loss,
                "gradient_norm": result.gradient_norm,
                "rate": self._recipe.optimizer.learning_rate * factor,
                **{f"terms/{name}": value for name, value in result.terms.items()},
            }
            for name, value in scalars.items():
                yield str(key(step + 1, name)), np.array([value], kind)
            for group in _GROUPS:
                for name, array in getattr(state, group).items():
                    # MindSpore tells its means of squares in more digits than it computes with.
                    found = array.astype(kind) if group == "moments" else array
                    yield str(key(step + 1, f"{group}/{name}")), found


def key(step: int, name: str) -> ArrayKey:
    """The key of an array of a step, counted from 1: "step/7/weights/stem.weight"."""
    return ArrayKey(ArrayKind.STEP, f"{step}/{name}")
