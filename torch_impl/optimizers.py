"""How gradients become steps: PyTorch's own optimizers, by names of parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from restoration.arrays import Arrays
from restoration.training.optimizers import Group, moment_names
from restoration.training.settings import OptimizerSettings
from torch_impl.arrays import to_numpy

_MOMENTS = {"adam": ("exp_avg", "exp_avg_sq"), "sgd": ("momentum_buffer",)}


class Optimizer:
    """Moves parameters by their gradients; those without one stand still, and so do their moments.

    counts: how many steps each has taken.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        groups: Sequence[Group],
        settings: OptimizerSettings,
    ):
        self._parameters = parameters
        self._groups = groups
        self._settings = settings
        self._optimizer = _make(parameters, groups, settings)
        self._native = _MOMENTS["sgd" if settings.name == "sgd" else "adam"]
        self.counts: Counter[str] = Counter()

    def step(self, gradients: Mapping[str, Tensor], factor: float) -> None:
        """Move the parameters that have a gradient. factor: of every group's rate."""
        for name, parameter in self._parameters.items():
            parameter.grad = gradients.get(name)
        for group, settings in zip(self._groups, self._optimizer.param_groups, strict=True):
            settings["lr"] = group.learning_rate * factor
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.counts.update(gradients.keys())

    def moments(self) -> Arrays:
        """Copies, as "NAME.first" and "NAME.second", of all that have taken a step."""
        return {
            f"{name}.{moment}": to_numpy(self._optimizer.state[self._parameters[name]][native])
            for name in self.counts
            for moment, native in zip(moment_names(self._settings), self._native, strict=False)
        }

    def load(self, moments: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> None:
        """Go on from moments and counts, which fit."""
        self.counts = Counter(counts)
        self._optimizer.state.clear()
        for name, count in counts.items():
            parameter = self._parameters[name]
            state = self._optimizer.state[parameter]
            for moment, native in zip(moment_names(self._settings), self._native, strict=False):
                state[native] = torch.empty_like(parameter, requires_grad=False)
                state[native].copy_(torch.from_numpy(np.array(moments[f"{name}.{moment}"])))
            if self._settings.name != "sgd":
                state["step"] = torch.tensor(float(count))


def _make(
    parameters: Mapping[str, Tensor], groups: Sequence[Group], settings: OptimizerSettings
) -> torch.optim.Optimizer:
    members = [
        {
            "params": [parameters[name] for name in group.names],
            "lr": group.learning_rate,
            "weight_decay": group.weight_decay,
        }
        for group in groups
    ]
    # fused: one pass over memory; the others take a pass for each operation.
    if settings.name == "sgd":
        return torch.optim.SGD(members, momentum=settings.momentum, fused=True)
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(members, betas=settings.betas, eps=settings.eps, fused=True)
