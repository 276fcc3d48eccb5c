"""Training of a network in MindSpore, one step at a time."""

from __future__ import annotations

from collections.abc import Mapping

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from mindspore.experimental import optim

from mindspore_impl import losses
from mindspore_impl.arrays import to_arguments, to_tensor
from restoration.engine.calls import name_outputs
from restoration.engine.contract import Network

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPS = 1e-8


class MindSporeTrainer:
    """Adam on the loss that a network's spec names. Puts the network in training mode."""

    def __init__(self, network: Network, *, learning_rate: float):
        self._network = network
        module, spec = network.module, network.spec
        loss = getattr(losses, spec.require_loss())()
        module.set_train(True)
        # MindSpore's nn.Adam adds eps before the bias correction; this one does as the paper says.
        self._optimizer = optim.AdamW(
            module.trainable_params(),
            lr=learning_rate,
            betas=_ADAM_BETAS,
            eps=_ADAM_EPS,
            weight_decay=0.0,
        )

        def loss_of(values: tuple[Tensor, ...], target: Tensor) -> Tensor:
            named = name_outputs(spec, module(*values))
            return loss(*(named[name] for name in spec.trained_outputs), target)

        self._value_and_grad = ms.value_and_grad(
            loss_of, grad_position=None, weights=self._optimizer.parameters
        )

    @property
    def learning_rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"].asnumpy())

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            ops.assign(group["lr"], Tensor(rate, group["lr"].dtype))

    def step(self, batch: Mapping[str, np.ndarray]) -> float:
        inputs = {name: array for name, array in batch.items() if name != "target"}
        values = tuple(to_arguments(self._network.spec, inputs))
        loss, gradients = self._value_and_grad(values, to_tensor(batch["target"]))
        self._optimizer(gradients)
        return float(loss.asnumpy()[0])
