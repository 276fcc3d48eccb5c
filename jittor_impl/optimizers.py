"""How gradients become steps, by names of parameters: PyTorch's rules, which Jittor's optimizers
are not (eps, decay, one count of steps for all parameters)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import jittor as jt
import numpy as np
from jittor import Var

from jittor_impl.arrays import to_numpy, to_tensor
from restoration.arrays import Arrays
from restoration.training.optimizers import Group, moment_names
from restoration.training.settings import OptimizerSettings


class Optimizer:
    """Moves parameters by their gradients; those without one stand still, and so do their moments.

    counts: how many steps each has taken.
    """

    def __init__(
        self,
        parameters: Mapping[str, Var],
        groups: Sequence[Group],
        settings: OptimizerSettings,
    ):
        self._parameters = parameters
        self._groups = {name: group for group in groups for name in group.names}
        self._settings = settings
        self._moments: dict[str, Var] = {}
        self.counts: Counter[str] = Counter()

    def step(self, gradients: Mapping[str, Var], factor: float) -> None:
        """Move the parameters that have a gradient. factor: of every group's rate."""
        self.counts.update(gradients.keys())
        move = self._sgd if self._settings.name == "sgd" else self._adam
        for name, gradient in gradients.items():
            # Flat, so that one kernel serves all shapes.
            value, flat = self._parameters[name].reshape(-1), gradient.reshape(-1)
            group = self._groups[name]
            moved = move(name, value, flat, group.learning_rate * factor, group.weight_decay)
            self._parameters[name].update(moved.reshape(self._parameters[name].shape))

    def moments(self) -> Arrays:
        """Copies, as "NAME.first" and "NAME.second", of all that have taken a step."""
        return {
            key: to_numpy(self._moments[key]).reshape(self._parameters[name].shape)
            for name in self.counts
            for key in (f"{name}.{moment}" for moment in moment_names(self._settings))
        }

    def load(self, moments: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> None:
        """Go on from moments and counts, which fit."""
        self.counts = Counter(counts)
        self._moments = {
            key: to_tensor(array.astype(np.float32).reshape(-1)) for key, array in moments.items()
        }

    def _adam(self, name: str, value: Var, gradient: Var, rate: float, decay: float) -> Var:
        settings, count = self._settings, self.counts[name]
        keep1, keep2 = settings.betas
        if decay and settings.name == "adamw":
            value = value * (1 - rate * decay)
        elif decay:
            gradient = gradient + decay * value
        first = (1 - keep1) * gradient
        second = (1 - keep2) * gradient * gradient
        if count > 1:
            first = keep1 * self._moments[f"{name}.first"] + first
            second = keep2 * self._moments[f"{name}.second"] + second
        self._keep(name, first=first, second=second)
        # The bias corrections of rate and root: eps is added to the corrected root.
        root = jt.sqrt(second) * (1 / (1 - keep2**count) ** 0.5) + settings.eps
        return value - rate / (1 - keep1**count) * first / root

    def _sgd(self, name: str, value: Var, gradient: Var, rate: float, decay: float) -> Var:
        if decay:
            gradient = gradient + decay * value
        if self._settings.momentum:
            if self.counts[name] > 1:
                gradient = self._settings.momentum * self._moments[f"{name}.first"] + gradient
            self._keep(name, first=gradient)
        return value - rate * gradient

    def _keep(self, name: str, **moments: Var) -> None:
        for moment, value in moments.items():
            # Else it would keep all that it was computed from, back to the first step.
            self._moments[f"{name}.{moment}"] = value.detach()
