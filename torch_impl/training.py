"""Training of a network in PyTorch, one step at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from restoration.arrays import Arrays
from restoration.engine.calls import arguments, name_outputs
from restoration.engine.contract import Network, StepResult, TrainingState
from restoration.training import optimizers as rules
from restoration.training.losses import build_loss
from restoration.training.settings import TrainerSettings
from torch_impl import distributed, losses
from torch_impl.arrays import HALF, to_numpy, to_tensor
from torch_impl.optimizers import Optimizer


class TorchTrainer:
    """Trains a network by a loss; see `restoration/engine/contract.py`.

    Between steps the network is in evaluation mode.
    """

    def __init__(self, network: Network, settings: TrainerSettings):
        self._network = network
        self._settings = settings
        module = network.module
        place = next(module.parameters())
        self._device, self._dtype = place.device, place.dtype
        self._loss = build_loss(losses, network.spec, settings.loss).to(place.device, place.dtype)
        parameters = dict(module.named_parameters()) | {
            rules.LOSS + name: value
            for name, value in self._loss.named_parameters()
            if value.requires_grad
        }
        groups = rules.groups(list(parameters), settings.optimizer)
        self._trained = {name: parameters[name] for group in groups for name in group.names}
        for name in rules.frozen(list(parameters), settings.optimizer):
            parameters[name].requires_grad_(False)
        self._optimizer = Optimizer(self._trained, groups, settings.optimizer)
        self._values = module.state_dict() | {
            name: value.detach()
            for name, value in parameters.items()
            if name.startswith(rules.LOSS)
        }
        self._averages: dict[str, Tensor] = {}
        if settings.average is not None:
            self._averages = {name: v.clone() for name, v in module.state_dict().items()}
        self._averaged = parameters.keys() & self._averages.keys()  # buffers are copied
        self._step = 0
        self._scale = rules.first_scale(settings)

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
            self._update(self._taking_part(gradients, norms), norm, factor)
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
        for parameter in self._trained.values():
            parameter.grad = None
        found = [self._backward(batch, self._scale / len(batches)) for batch in batches]
        gradients = {
            name: parameter.grad
            for name, parameter in self._trained.items()
            if parameter.grad is not None
        }
        values = torch.stack([torch.stack(list(part.values())) for part in found]).mean(dim=0)
        if distributed.world() > 1:
            full = [
                torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                for parameter in self._trained.values()
            ]
            values, *full = distributed.reduce([values, *full])
            gradients = dict(zip(self._trained, full, strict=True))
        if self._scale != 1:
            _multiply(gradients.values(), 1 / self._scale)
        return dict(zip(found[0], values.tolist(), strict=True)), gradients

    def _backward(self, batch: Mapping[str, np.ndarray], factor: float) -> dict[str, Tensor]:
        """Add the gradients of a part times a factor to the parameters'; its loss and terms."""
        spec = self._network.spec
        spec.check_inputs({name: batch[name] for name in spec.inputs if name in batch})
        tensors = {n: to_tensor(array, self._device, self._dtype) for n, array in batch.items()}
        outputs = name_outputs(spec, self._network.module(*arguments(spec, tensors)))
        for name, output in outputs.items():
            if output.dtype in HALF:
                outputs[name] = output.float()
        values = self._loss(outputs, tensors)
        loss = values["loss"].reshape(())
        (loss if factor == 1 else loss * factor).backward()
        return {name: value.detach().reshape(()) for name, value in values.items()}

    def _norms(self, gradients: Mapping[str, Tensor]) -> tuple[dict[str, float], float]:
        """The 2-norm of each gradient, and that of all of the network's together."""
        if not gradients:
            return {}, 0.0
        norms = torch.stack(torch._foreach_norm(list(gradients.values())))
        named = dict(zip(gradients, norms.tolist(), strict=True))
        own = [not name.startswith(rules.LOSS) for name in gradients]
        return named, float(torch.linalg.vector_norm(norms if all(own) else norms[own]))

    def _taking_part(
        self, gradients: Mapping[str, Tensor], norms: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """The gradients of parameters that are not sitting out."""
        spec = self._network.spec
        return {
            name: gradient
            for name, gradient in gradients.items()
            # Squares of the smallest numbers are zero.
            if norms[name] or rules.takes_part(spec, name, is_zero=not bool(gradient.any()))
        }

    def _update(self, gradients: dict[str, Tensor], norm: float, factor: float) -> None:
        clipping = rules.clip_factor(norm, self._settings.optimizer.clip_norm)
        if clipping != 1:
            _multiply(
                [g for name, g in gradients.items() if not name.startswith(rules.LOSS)], clipping
            )
        self._optimizer.step(gradients, factor)
        if self._settings.average is not None:
            kept = rules.kept_share(self._settings.average, self._step)
            for name, average in self._averages.items():
                if name in self._averaged:
                    average.lerp_(self._values[name], 1 - kept)
                else:
                    average.copy_(self._values[name])


def set_training(module: nn.Module, training: bool) -> None:
    """Switch modules like dropout."""
    module.train(training)


def _multiply(tensors: Iterable[Tensor], factor: float) -> None:
    torch._foreach_mul_(list(tensors), factor)


def _copies(tensors: Mapping[str, Tensor]) -> Arrays:
    return {name: to_numpy(value) for name, value in tensors.items()}


def _set(tensors: Mapping[str, Tensor], arrays: Mapping[str, np.ndarray]) -> None:
    with torch.no_grad():
        for name, value in tensors.items():
            value.copy_(torch.from_numpy(np.array(arrays[name])))
