"""Training of a network in Jittor, one step at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jittor as jt
import numpy as np
from jittor import Var, nn

from jittor_impl import distributed, losses
from jittor_impl.arrays import to_numpy, to_tensor
from jittor_impl.optimizers import Optimizer
from restoration.arrays import Arrays
from restoration.engine.calls import arguments, name_outputs
from restoration.engine.contract import Network, StepResult, TrainingState
from restoration.training import optimizers as rules
from restoration.training.losses import build_loss
from restoration.training.settings import TrainerSettings


class JittorTrainer:
    """Trains a network by a loss; see `restoration/engine/contract.py`.

    Between steps the network is in evaluation mode.
    """

    def __init__(self, network: Network, settings: TrainerSettings):
        self._network = network
        self._settings = settings
        self._loss = build_loss(losses, network.spec, settings.loss)
        own = dict(network.module.named_parameters())
        parameters = {name: value for name, value in own.items() if not value.is_stop_grad()} | {
            rules.LOSS + name: value
            for name, value in self._loss.named_parameters()
            if not value.is_stop_grad()
        }
        groups = rules.groups(list(parameters), settings.optimizer)
        self._trained = {name: parameters[name] for group in groups for name in group.names}
        self._optimizer = Optimizer(self._trained, groups, settings.optimizer)
        self._values = own | parameters
        self._averages: dict[str, Var] = {}
        if settings.average is not None:
            self._averages = {n: to_tensor(to_numpy(value)).stop_grad() for n, value in own.items()}
        self._averaged = parameters.keys() & self._averages.keys()  # buffers are copied
        self._step = 0
        self._scale = rules.first_scale(settings)

    def step(self, batches: Sequence[Mapping[str, np.ndarray]], factor: float = 1.0) -> StepResult:
        set_training(self._network.module, True)
        try:
            values, gradients, norms = self._gradients(batches)
        finally:
            set_training(self._network.module, False)
        self._step += 1
        loss = values.pop("loss")
        norm = float(np.linalg.norm([n for k, n in norms.items() if not k.startswith(rules.LOSS)]))
        finite = rules.is_finite(loss, norm)
        if finite:
            self._update(self._taking_part(gradients, norms), norm, factor)
        jt.sync_all(True)  # unsynchronised updates would fuse into one ever larger kernel
        self._scale = rules.next_scale(self._settings, self._scale, self._step, finite=finite)
        return StepResult(loss, values, norm, finite)

    def averages(self) -> Arrays:
        return _copies(self._averages)

    def state(self) -> TrainingState:
        return TrainingState(
            weights=_copies(self._values),
            averages=self.averages(),
            moments=self._optimizer.moments(),
            counts=dict(self._optimizer.counts),
            step=self._step,
            loss_scale=self._scale,
        )

    def load(self, state: TrainingState) -> None:
        shapes = {name: tuple(value.shape) for name, value in self._values.items()}
        rules.check_training_state(
            state, self._settings, shapes, list(self._trained), network=self._network.spec.network
        )
        _set(self._values, state.weights)
        _set(self._averages, state.averages)
        self._optimizer.load(state.moments, state.counts)
        jt.sync_all(True)
        self._step = state.step
        self._scale = state.loss_scale

    def _gradients(
        self, batches: Sequence[Mapping[str, np.ndarray]]
    ) -> tuple[dict[str, float], dict[str, Var], dict[str, float]]:
        """The loss and its terms, gradients, and their norms; means over parts and processes."""
        values, gradients = self._backward(batches[0], self._scale / len(batches))
        for batch in batches[1:]:
            jt.sync([*values.values(), *gradients.values()])  # frees what the part has computed
            more, further = self._backward(batch, self._scale / len(batches))
            values = {name: value + more[name] for name, value in values.items()}
            gradients = {name: value + further[name] for name, value in gradients.items()}
        numbers = jt.concat(list(values.values())) / len(batches)
        if distributed.world() > 1:
            numbers, *means = distributed.reduce([numbers, *gradients.values()])
            gradients = dict(zip(gradients, means, strict=True))
        if self._scale != 1:
            gradients = {name: value / self._scale for name, value in gradients.items()}
        squares = [_squares(gradient) for gradient in gradients.values()]
        found = jt.concat([numbers.float64(), *squares]).numpy()
        norms = dict(zip(gradients, np.sqrt(found[len(values) :]).tolist(), strict=True))
        return dict(zip(values, found.tolist(), strict=False)), gradients, norms

    def _backward(
        self, batch: Mapping[str, np.ndarray], factor: float
    ) -> tuple[dict[str, Var], dict[str, Var]]:
        """The loss and terms of a part, (1,) each, and its gradients times a factor."""
        spec = self._network.spec
        spec.check_inputs({name: batch[name] for name in spec.inputs if name in batch})
        tensors = {name: to_tensor(array) for name, array in batch.items()}
        outputs = name_outputs(spec, self._network.module(*arguments(spec, tensors)))
        values = self._loss(outputs, tensors)
        loss = values["loss"] if factor == 1 else values["loss"] * factor
        found = jt.grad(loss, list(self._trained.values()))
        gradients = dict(zip(self._trained, found, strict=True))
        return {name: value.detach().reshape(1) for name, value in values.items()}, gradients

    def _taking_part(
        self, gradients: Mapping[str, Var], norms: Mapping[str, float]
    ) -> dict[str, Var]:
        """The gradients of parameters that are not sitting out."""
        spec = self._network.spec
        return {
            name: gradient
            for name, gradient in gradients.items()
            # Squares of the smallest numbers are zero.
            if norms[name] or rules.takes_part(spec, name, is_zero=not bool(gradient.numpy().any()))
        }

    def _update(self, gradients: dict[str, Var], norm: float, factor: float) -> None:
        clipping = rules.clip_factor(norm, self._settings.optimizer.clip_norm)
        if clipping != 1:
            for name, gradient in gradients.items():
                if not name.startswith(rules.LOSS):
                    gradients[name] = gradient * clipping
        self._optimizer.step(gradients, factor)
        if self._settings.average is not None:
            kept = rules.kept_share(self._settings.average, self._step)
            for name, average in self._averages.items():
                value = self._values[name]
                moved = average + (1 - kept) * (value - average)
                average.update(moved if name in self._averaged else value)


def set_training(module: nn.Module, training: bool) -> None:
    """Switch modules like dropout. Jittor's own eval() would also stop all gradients."""
    for part in module.modules():
        part.is_train = training


def _squares(x: Var) -> Var:
    """The sum of squares, (1,), in float64: Jittor adds one after another."""
    x = x.reshape(-1).float64()
    return (x * x).sum().reshape(1)


def _copies(variables: Mapping[str, Var]) -> Arrays:
    return {name: to_numpy(value) for name, value in variables.items()}


def _set(variables: Mapping[str, Var], arrays: Mapping[str, np.ndarray]) -> None:
    for name, value in variables.items():
        value.assign(jt.array(np.ascontiguousarray(arrays[name]).astype(str(value.dtype))))
