"""Training of a network in MindSpore, one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindspore_impl import compiled, distributed, losses
from mindspore_impl.arrays import to_numpy, to_tensor
from mindspore_impl.optimizers import Optimizer
from restoration.arrays import Arrays
from restoration.engine.calls import arguments, name_outputs
from restoration.engine.contract import Network, StepResult, TrainingState
from restoration.training import optimizers as rules
from restoration.training.losses import build_loss
from restoration.training.settings import TrainerSettings


class MindSporeTrainer:
    """Trains a network by a loss; see `restoration/engine/contract.py`.

    Between steps the network is in evaluation mode.
    """

    def __init__(self, network: Network, settings: TrainerSettings):
        self._network = network
        self._settings = settings
        self._loss = build_loss(losses, network.spec, settings.loss)
        own = dict(network.module.parameters_and_names())
        parameters = {name: value for name, value in own.items() if value.requires_grad} | {
            rules.LOSS + name: value
            for name, value in self._loss.parameters_and_names()
            if value.requires_grad
        }
        groups = rules.groups(list(parameters), settings.optimizer)
        self._trained = {name: parameters[name] for group in groups for name in group.names}
        self._optimizer = Optimizer(self._trained, groups, settings.optimizer)
        self._values = own | parameters
        self._averages: dict[str, Parameter] = {}
        if settings.average is not None:
            self._averages = {
                name: Parameter(Tensor(to_numpy(value)), name=f"average.{name}")
                for name, value in own.items()
            }
        self._averaged = parameters.keys() & self._averages.keys()  # buffers are copied
        self._step = 0
        self._scale = rules.first_scale(settings)
        self._weights = ms.ParameterTuple(self._trained.values())
        self._value_and_grad = ms.value_and_grad(
            self._losses, grad_position=None, weights=self._weights, has_aux=True
        )
        self._graph: Callable[..., Any] | None = None  # compiled at the first step

    def step(self, batches: Sequence[Mapping[str, np.ndarray]], factor: float = 1.0) -> StepResult:
        set_training(self._network.module, True)
        try:
            values, gradients = self._gradients(batches)
        finally:
            set_training(self._network.module, False)
        self._step += 1
        loss = values.pop("loss")
        norms, norm = self._norms(gradients)
        finite = rules.is_finite(loss, norm)
        if finite:
            spec = self._network.spec
            taking_part = {
                name: gradient
                for name, gradient in gradients.items()
                if rules.takes_part(spec, name, is_zero=not norms[name])
            }
            self._update(taking_part, norm, factor)
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
        self._step = state.step
        self._scale = state.loss_scale

    def _gradients(
        self, batches: Sequence[Mapping[str, np.ndarray]]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """The loss and its terms, and the gradients; means over parts and processes."""
        found: list[dict[str, Tensor]] = []
        total: list[Tensor] = []
        for batch in batches:
            values, gradients = self._backward(batch, self._scale / len(batches))
            found.append(values)
            total = [a + b for a, b in zip(total, gradients, strict=True)] if total else gradients
        numbers = ops.stack([ops.cat(list(values.values())) for values in found]).mean(axis=0)
        if distributed.world() > 1:
            numbers, *total = distributed.reduce([numbers, *total])
        if self._scale != 1:
            total = [gradient / self._scale for gradient in total]
        named = dict(zip(found[0], numbers.asnumpy().tolist(), strict=True))
        return named, dict(zip(self._trained, total, strict=True))

    def _backward(
        self, batch: Mapping[str, np.ndarray], factor: float
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """The loss and terms of a part, (1,) each, and its gradients times a factor."""
        spec = self._network.spec
        spec.check_inputs({name: batch[name] for name in spec.inputs if name in batch})
        tensors = {name: to_tensor(array) for name, array in batch.items()}
        if self._network.execution.is_graph:
            (_, values), gradients = self._in_graph(tensors, factor)
        else:
            (_, values), gradients = self._value_and_grad(tensors, factor)
        return {name: value.reshape(1) for name, value in values.items()}, list(gradients)

    def _in_graph(self, tensors: dict[str, Tensor], factor: float) -> Any:
        """As `_value_and_grad`, compiled; anew for batches of other shapes."""
        if self._graph is None:
            step = _Step(self._network, self._loss, list(tensors))
            self._graph = ms.jit(
                ms.value_and_grad(step, grad_position=None, weights=self._weights, has_aux=True)
            )
        with compiled.composed():
            return self._graph(Tensor(factor, ms.float32), *tensors.values())

    def _losses(
        self, tensors: dict[str, Tensor], factor: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss times a factor; the loss and its terms."""
        spec = self._network.spec
        outputs = name_outputs(spec, self._network.module(*arguments(spec, tensors)))
        for name, output in outputs.items():
            if output.dtype == ms.float16:
                outputs[name] = output.astype(ms.float32)
        values = self._loss(outputs, tensors)
        return values["loss"] if factor == 1 else values["loss"] * factor, values

    def _norms(self, gradients: Mapping[str, Tensor]) -> tuple[dict[str, float], float]:
        """The 2-norm of each gradient, 0 where it is zero, and of all of the network's together."""
        norms = {}
        for name, gradient in gradients.items():
            array = gradient.asnumpy().ravel()  # on a CPU it is the tensor's memory
            norms[name] = float(np.linalg.norm(array))
            if not norms[name] and array.any():  # squares of the smallest numbers are zero
                norms[name] = float(np.abs(array).max())
        own = [norm for name, norm in norms.items() if not name.startswith(rules.LOSS)]
        return norms, float(np.linalg.norm(own))

    def _update(self, gradients: dict[str, Tensor], norm: float, factor: float) -> None:
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
                if name in self._averaged:
                    ops.assign_add(average, (value - average) * (1 - kept))
                else:
                    ops.assign(average, value)


class _Step(nn.Cell):
    """The loss of a batch times a factor, and its terms, as Graph mode compiles it: by places
    instead of names."""

    def __init__(self, network: Network, loss: nn.Cell, names: Sequence[str]):
        super().__init__(auto_prefix=False)
        self.module = network.module
        self.loss = loss
        self.names = tuple(names)
        self.inputs = tuple(name for name in network.spec.inputs if name in names)
        self.outputs = tuple(network.spec.outputs)

    def construct(self, factor: Tensor, *tensors: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        batch = {}
        for place in range(len(self.names)):
            batch[self.names[place]] = tensors[place]
        results = self.module(*[batch[name] for name in self.inputs])
        outputs = {}
        for place in range(len(self.outputs)):
            outputs[self.outputs[place]] = results[place].astype(ms.float32)
        values = self.loss(outputs, batch)
        return values["loss"] * factor, values


def set_training(module: nn.Cell, training: bool) -> None:
    """Switch cells like dropout."""
    module.set_train(training)


def _copies(parameters: Mapping[str, Parameter]) -> Arrays:
    return {name: to_numpy(value) for name, value in parameters.items()}


def _set(parameters: Mapping[str, Parameter], arrays: Mapping[str, np.ndarray]) -> None:
    for name, value in parameters.items():
        value.set_data(Tensor(np.ascontiguousarray(arrays[name]), dtype=value.dtype))
