"""Training of a network in Jittor, one step at a time."""

from __future__ import annotations

from collections.abc import Mapping

import jittor as jt
import numpy as np
from jittor import nn

from jittor_impl import losses
from jittor_impl.arrays import to_arguments, to_tensor
from restoration.engine.calls import name_outputs
from restoration.engine.contract import Network

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPS = 1e-8


class JittorTrainer:
    """Adam on the loss that a network's spec names. Puts the network in training mode."""

    def __init__(self, network: Network, *, learning_rate: float):
        self._network = network
        self._loss = getattr(losses, network.spec.require_loss())()
        set_training(network.module, True)
        # Jittor's Adam adds eps before the bias correction; its AdamW does as the paper says.
        self._optimizer = jt.optim.AdamW(
            network.module.parameters(),
            lr=learning_rate,
            betas=_ADAM_BETAS,
            eps=_ADAM_EPS,
            weight_decay=0,
        )

    @property
    def learning_rate(self) -> float:
        return float(self._optimizer.lr)

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._optimizer.lr = rate

    def step(self, batch: Mapping[str, np.ndarray]) -> float:
        module, spec = self._network.module, self._network.spec
        inputs = {name: array for name, array in batch.items() if name != "target"}
        outputs = module(*to_arguments(spec, inputs))
        named = name_outputs(spec, outputs)
        target = to_tensor(batch["target"])
        loss = self._loss(*(named[name] for name in spec.trained_outputs), target)
        self._optimizer.step(loss)
        jt.sync_all(True)  # unsynchronised updates would fuse into one ever larger kernel
        return float(loss.numpy()[0])


def set_training(module: nn.Module, training: bool) -> None:
    """Switch modules like dropout. Jittor's own eval() would also stop all gradients."""
    for part in module.modules():
        part.is_train = training
