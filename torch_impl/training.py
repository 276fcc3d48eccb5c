"""Training of a network in PyTorch, one step at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from restoration.engine.calls import name_outputs
from restoration.engine.contract import Network
from torch_impl import losses
from torch_impl.arrays import to_arguments, to_tensor

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPS = 1e-8


class TorchTrainer:
    """Adam on the loss that a network's spec names. Puts the network in training mode."""

    def __init__(self, network: Network, *, learning_rate: float):
        self._network = network
        self._loss = getattr(losses, network.spec.require_loss())()
        network.module.train()
        self._optimizer = torch.optim.Adam(
            network.module.parameters(),
            lr=learning_rate,
            betas=_ADAM_BETAS,
            eps=_ADAM_EPS,
            weight_decay=0,
        )

    @property
    def learning_rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def step(self, batch: Mapping[str, np.ndarray]) -> float:
        module, spec = self._network.module, self._network.spec
        parameter = next(module.parameters())
        inputs = {name: array for name, array in batch.items() if name != "target"}
        target = to_tensor(batch["target"], parameter.device, parameter.dtype)
        outputs = module(*to_arguments(spec, inputs, parameter.device, parameter.dtype))
        named = name_outputs(spec, outputs)
        loss = self._loss(*(named[name] for name in spec.trained_outputs), target)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()
