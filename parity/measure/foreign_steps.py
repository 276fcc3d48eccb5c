"""Steps of training of a stranger's network, inside its own process.

The author's function makes a step, batch in and loss out; or gives a loss, and an optimizer that
was asked for moves the parameters by the rules that all frameworks share (`*_impl/optimizers.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters import imports, serving
from parity.adapters.structures import leaves
from parity.judge.errors import Norms, error_of, norms_of
from parity.judge.measurement import ArrayKey, ArrayKind
from parity.measure.problem import Problem
from restoration.errors import InputError
from restoration.process import arrays
from restoration.process.serve import Session
from restoration.training.optimizers import groups
from restoration.training.settings import OptimizerSettings

_MOVED_RUNS = 3
Batch = Sequence[np.ndarray]


@dataclass(frozen=True)
class Plan:
    """What is trained. source, factory: where the author's function is. optimizer: settings, or
    None where the function moves the parameters itself."""

    source: str
    factory: str
    optimizer: Mapping[str, Any] | None
    batches: Sequence[Batch]

    @classmethod
    def of(
        cls, *, source: str, factory: str, optimizer: Mapping[str, Any] | None, batches: str
    ) -> Plan:
        return cls(source, factory, optimizer, read_batches(Path(batches)))


def read_batches(path: Path) -> list[Batch]:
    """The batches of a file: "STEP/NUMBER"."""
    found: dict[int, dict[int, np.ndarray]] = {}
    with arrays.reading(path) as file:
        for name in file.names:
            step, _, number = name.partition("/")
            found.setdefault(int(step), {})[int(number)] = file[name]
    return [[batch[number] for number in sorted(batch)] for _, batch in sorted(found.items())]


def write_batches(path: Path, batches: Sequence[Batch]) -> None:
    """The inverse of `read_batches`."""
    arrays.write(
        path,
        {f"{n}/{m}": array for n, batch in enumerate(batches) for m, array in enumerate(batch)},
    )


class Training:
    """A network with the weights that were given, in training mode, and what makes its steps."""

    def __init__(
        self,
        session: Session,
        plan: Plan,
        weights: Mapping[str, np.ndarray],
        *,
        is_exact: bool = False,
    ):
        held = serving.current()
        self.bridge = bridge = held.bridge
        self.network = held.make()
        if is_exact:
            self.network = session.module("tape").double(self.network)
        serving.give(bridge, self.network, weights.items())
        bridge.set_training(self.network, True)
        function = imports.load_factory(plan.source, plan.factory)
        self._plan = plan
        if plan.optimizer is None:
            with bridge.on_this_machine():
                self._step = function(self.network)
            if not callable(self._step):
                raise InputError(
                    "step",
                    expected="a function of the network that gives the step, batch in and loss out",
                    got=type(self._step).__name__,
                    where=f"{plan.source}:{plan.factory}",
                    next_step="or name an --optimizer, and give a loss of the network and a batch",
                )
            return
        settings = OptimizerSettings(**plan.optimizer)
        names = bridge.trainable(self.network)
        known = bridge.entries(self.network)
        parameters = {name: known[name] for name in names}
        optimizer = session.module("optimizers").Optimizer(
            parameters, groups(names, settings), settings
        )

        def step(*batch: Any) -> Any:
            loss, gradients = bridge.loss_gradients(
                self.network, lambda: function(self.network, *batch)
            )
            optimizer.step(gradients, 1.0)
            return loss

        self._step = step

    def run(self, batch: Batch) -> float:
        """Take a step; the loss before it."""
        bridge = self.bridge
        given = [bridge.to_array(array) for array in batch]
        with bridge.on_this_machine():
            result = self._step(*given)
        found = [value for _, value in leaves(result, bridge.is_array)]
        return float(bridge.to_numpy(found[0]).mean()) if found else float(result)

    def state(self) -> dict[str, np.ndarray]:
        """Parameters and buffers that are no integers."""
        found = self.bridge.entries(self.network)
        state = {name: self.bridge.to_numpy(value) for name, value in found.items()}
        return {
            name: array for name, array in state.items() if np.issubdtype(array.dtype, np.floating)
        }


def trained(
    session: Session,
    plan: Plan,
    weights: Mapping[str, np.ndarray],
    *,
    is_exact: bool = False,
    prepare: Callable[[Training], None] = lambda _: None,
) -> Iterator[tuple[float, dict[str, np.ndarray]]]:
    """Loss and entries of each step.

    is_exact: in float64, of which only PyTorch is asked. prepare: gets the network before the
    first step.
    """
    with session.module("tape").double_by_default() if is_exact else contextlib.nullcontext():
        serving.seed_generators(serving.current().bridge)
        training = Training(session, plan, weights, is_exact=is_exact)
        prepare(training)
        for number, batch in enumerate(plan.batches):
            loss = training.run(batch)
            session.report(f"step {number + 1} of {len(plan.batches)}")
            yield loss, training.state()


def by_key(
    steps: Iterator[tuple[float, dict[str, np.ndarray]]], dtype: Any
) -> dict[str, np.ndarray]:
    """The arrays of all steps under the keys that a judge reads."""
    found = {}
    for number, (loss, state) in enumerate(steps):
        named = {"loss/loss": np.array([loss])} | {f"weights/{n}": a for n, a in state.items()}
        for name, array in named.items():
            key = ArrayKey(ArrayKind.STEP, f"{number + 1}/{name}")
            found[str(key)] = np.asarray(array, dtype)
    return found


def read_state(path: str) -> dict[str, np.ndarray]:
    with arrays.reading(Path(path)) as file:
        return {name: file[name] for name in file.names}


def order_of_calls(session: Session, *, weights: str, **plan: Any) -> list[str]:
    """The modules in the order in which a step calls them first."""
    chosen = Plan.of(**plan)
    training = Training(session, chosen, read_state(weights))
    called: dict[str, None] = {}
    with training.bridge.hooked(
        training.network,
        lambda module, _args, _kwargs: called.setdefault(module),
        lambda _module, _result: None,
    ):
        training.run(chosen.batches[0])
    return list(called)


def measure_port(session: Session, *, weights: str, path: str, **plan: Any) -> None:
    """Train, and write the arrays of each step."""
    steps = trained(session, Plan.of(**plan), read_state(weights))
    arrays.write(Path(path), by_key(steps, np.float32))


def measure_reference(
    session: Session, *, weights: str, path: str, is_exact: bool, **plan: Any
) -> dict[str, Any]:
    """Train in float64 if that can be, else in float32, and write the arrays of each step; their
    norms, and the largest error of float32 runs from weights that are moved by an ulp."""
    chosen, state = Plan.of(**plan), read_state(weights)
    truth = by_key(trained(session, chosen, state, is_exact=is_exact), np.float64)
    arrays.write(Path(path), truth)
    noise = {name: Norms(0.0, 0.0) for name in truth}
    for number in range(-1 if is_exact else 0, _MOVED_RUNS):
        moved: Mapping[str, np.ndarray] = state
        if number >= 0:
            moved = Problem(inputs={}, weights=state).perturbed(1, (number,)).weights
        found = by_key(trained(session, chosen, moved), np.float32)
        for name, array in found.items():
            error = error_of(array, truth[name])
            noise[name] = Norms(*map(max, zip(noise[name], error.norms, strict=True)))
    return {"norms": {name: norms_of(array) for name, array in truth.items()}, "noise": noise}
