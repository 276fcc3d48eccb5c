"""What frameworks measure of training: the same steps of one recipe, and how far float32 drifts.

Runs inside a worker process, on NumPy arrays only. Of each step: loss and terms (before the
update), the learning rate, and after it parameters, averaged weights and the optimizer's moments.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.judge.errors import Norms, error_of, norms_of
from parity.judge.measurement import ArrayKey, ArrayKind
from parity.measure.problem import Problem
from restoration.arrays import Arrays
from restoration.data.loader import Batch
from restoration.engine.contract import Engine, Network
from restoration.process import arrays, memory
from restoration.process.serve import Session
from restoration.training import recipe as recipes
from restoration.training import session as parts
from restoration.training.recipe import Recipe

_PERTURBED_RUNS = 3
_DECISIONS_FILE = "decisions.safetensors"
_SAY_EVERY_S = 30.0  # often enough for whoever waits for a sign of life


def measure_reference(
    session: Session, *, recipe: Mapping[str, Any], steps: int, folder: str
) -> dict[str, Any]:
    """Write the truth; its norms, the noise of each array, and digests of the batches.

    The noise is the largest error of float32 runs: with other kernels, and from weights that are
    moved by a unit in the last place.
    """
    plan, place = recipes.from_plain(recipe, "parity train"), Path(folder)
    batches = _batches(plan, steps)
    exact = session.make_engine(dtype="float64")
    decided = _Decisions(exact)
    train = functools.partial(_train, session.report)
    truth, start = train("float64 truth", exact, plan, batches, decisions=decided)
    arrays.write(place / arrays.TRUTH_FILE, truth)
    arrays.write(place / _DECISIONS_FILE, decided.taken or {"none": np.zeros(0)})
    noise: dict[str, Norms] = {name: Norms(0.0, 0.0) for name in truth}
    engine = session.make_engine()

    def add(title: str, first: Arrays | None) -> None:
        title = f"float32 drift: {title}"
        found, _ = train(title, engine, plan, batches, init=first, decisions=decided)
        for name, array in found.items():
            error = error_of(array, truth[name])
            noise[name] = Norms(*map(max, zip(noise[name], error.norms, strict=True)))

    for title, context in engine.variations().items():
        with context:
            add(title, None)
    for number in range(_PERTURBED_RUNS):
        moved = Problem(inputs={}, weights=start).perturbed(1, (number,)).weights
        add(f"moved by one ulp ({number + 1})", dict(moved))
    return {
        "norms": {name: norms_of(array) for name, array in truth.items()},
        "noise": noise,
        "digests": [batch.digest() for batch in batches],
        "engine": engine.describe(),
    }


def measure_port(
    session: Session, *, recipe: Mapping[str, Any], steps: int, folder: str, name: str
) -> dict[str, Any]:
    """Train the same steps and write their arrays as NAME.safetensors; digests of the batches."""
    plan, place = recipes.from_plain(recipe, "parity train"), Path(folder)
    batches = _batches(plan, steps)
    engine = session.make_engine()
    with arrays.reading(place / _DECISIONS_FILE) as file:
        taken = {key: file[key] for key in file.names}
    memory.reset_peak()
    started = time.monotonic()
    decided = _Decisions(None, taken)
    found, _ = _train(session.report, f"{steps} steps", engine, plan, batches, decisions=decided)
    arrays.write(place / f"{name}.safetensors", found)
    return {
        "digests": [batch.digest() for batch in batches],
        "engine": engine.describe(),
        "seconds": round(time.monotonic() - started, 3),
        "peak_mb": memory.peak_mb(),
    }


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


def _batches(recipe: Recipe, steps: int) -> list[Batch]:
    loader = parts.make_loader(recipe, workers=0)
    made = loader.batches(0)
    found = [next(made) for _ in range(steps)]
    loader.close()
    return found


def _train(
    report: Callable[[str], None],
    title: str,
    engine: Engine,
    recipe: Recipe,
    batches: Sequence[Batch],
    *,
    decisions: _Decisions,
    init: Arrays | None = None,
) -> tuple[Arrays, Arrays]:
    """The arrays of all steps under their keys, and the weights at the start.

    title: of the run, for `report`.
    """
    report(title)
    said_at = time.monotonic()
    network, trainer = parts.make_trainer(engine, recipe, init)
    start = engine.state(network)
    found: Arrays = {}
    for step, batch in enumerate(batches):
        if time.monotonic() - said_at > _SAY_EVERY_S:
            report(f"{title}, step {step + 1} of {len(batches)}")
            said_at = time.monotonic()
        factor = recipe.schedule.factor(step, steps=len(batches), steps_per_epoch=len(batches))
        given = [
            decisions.enforced(network, part, f"{step}/{place}")
            for place, part in enumerate(batch.parts)
        ]
        result = trainer.step(given, factor)
        state = trainer.state()
        kind = np.float64 if start[next(iter(start))].dtype == np.float64 else np.float32
        scalars = {
            "loss": result.loss,
            "gradient_norm": result.gradient_norm,
            "rate": recipe.optimizer.learning_rate * factor,
            **{f"terms/{name}": value for name, value in result.terms.items()},
        }
        groups = {"weights": state.weights, "averages": state.averages, "moments": state.moments}
        members = {name: np.array([value], kind) for name, value in scalars.items()}
        members |= {
            f"{group}/{name}": array
            for group, arrays_of in groups.items()
            for name, array in arrays_of.items()
        }
        found |= {str(key(step + 1, name)): array for name, array in members.items()}
    return found, start


def key(step: int, name: str) -> ArrayKey:
    """The key of an array of a step, counted from 1: "step/7/weights/stem.weight"."""
    return ArrayKey(ArrayKind.STEP, f"{step}/{name}")
