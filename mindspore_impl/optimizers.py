"""How gradients become steps, by names of parameters: PyTorch's rules, by MindSpore's kernels.

MindSpore's Adam adds eps before the bias correction; it is given an eps that makes up for it. It
takes 1 - 0.999 in float32, which is off by 1.3e-5, and so are its means of squares, all by the same
share: the rate and the eps that it is given make up for that, and what is saved is told without it,
in float64, so that a run goes on from the very numbers. And 1 - 0.999^t, off by as much in the
first steps: the rate that it is given is corrected here, and it is told that there is nothing to
correct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, ops

from mindspore_impl.arrays import to_numpy
from restoration.arrays import Arrays
from restoration.training.optimizers import Group, moment_names
from restoration.training.settings import OptimizerSettings

_ADAM = ops.Adam()
_ASSIGN = ops.Assign()
_LONG_AGO = 0.0  # powers of the shares that stay, of a first step so long ago that none is left


class Optimizer:
    """Moves parameters by their gradients; those without one stand still, and so do their moments.

    counts: how many steps each has taken.
    """

    def __init__(
        self,
        parameters: Mapping[str, Parameter],
        groups: Sequence[Group],
        settings: OptimizerSettings,
    ):
        self._parameters = parameters
        self._groups = {name: group for group in groups for name in group.names}
        self._settings = settings
        self._moments = {
            key: Parameter(Tensor(np.zeros(value.shape, np.float32)), name=key)
            for name, value in parameters.items()
            for key in (f"{name}.{moment}" for moment in moment_names(settings))
        }
        keep = settings.betas[1]
        self._excess = float(1 - np.float32(keep)) / (1 - keep)  # of the means of squares
        self._numbers: dict[tuple[float, ...], tuple[Tensor, ...]] = {}
        self.counts: Counter[str] = Counter()

    def step(self, gradients: Mapping[str, Tensor], factor: float) -> None:
        """Move the parameters that have a gradient. factor: of every group's rate."""
        self.counts.update(gradients.keys())
        self._numbers.clear()
        move = self._sgd if self._settings.name == "sgd" else self._adam
        for name, gradient in gradients.items():
            group = self._groups[name]
            move(name, gradient, group.learning_rate * factor, group.weight_decay)

    def moments(self) -> Arrays:
        """Copies, as "NAME.first" and "NAME.second", of all that have taken a step."""
        copies: Arrays = {}
        for name in self.counts:
            for moment in moment_names(self._settings):
                copy = to_numpy(self._moments[f"{name}.{moment}"])
                if moment == "second":
                    copy = copy.astype(np.float64) / self._excess
                copies[f"{name}.{moment}"] = copy
        return copies

    def load(self, moments: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> None:
        """Go on from moments and counts, which fit."""
        self.counts = Counter(counts)
        for key, value in self._moments.items():
            array = moments.get(key, np.zeros(value.shape)).astype(np.float64)
            if key.endswith(".second"):
                array = array * self._excess
            value.set_data(Tensor(np.array(array, np.float32)))

    def _adam(self, name: str, gradient: Tensor, rate: float, decay: float) -> None:
        settings, count = self._settings, self.counts[name]
        value = self._parameters[name]
        if decay and settings.name == "adamw":
            _ASSIGN(value, value * (1 - rate * decay))
        elif decay:
            gradient = gradient + decay * value
        power1, power2 = (keep**count for keep in settings.betas)
        correction = (1 - power2) ** 0.5
        correction *= self._excess**0.5
        rate, eps = rate * correction / (1 - power1), settings.eps * correction
        numbers = (_LONG_AGO, _LONG_AGO, rate, *settings.betas, eps)
        if numbers not in self._numbers:  # those of a step are mostly the same for all parameters
            self._numbers[numbers] = tuple(Tensor(number, ms.float32) for number in numbers)
        first, second = self._moments[f"{name}.first"], self._moments[f"{name}.second"]
        _ADAM(value, first, second, *self._numbers[numbers], gradient)

    def _sgd(self, name: str, gradient: Tensor, rate: float, decay: float) -> None:
        value = self._parameters[name]
        if decay:
            gradient = gradient + decay * value
        if self._settings.momentum:
            moment = self._moments[f"{name}.first"]
            gradient = self._settings.momentum * moment + gradient
            _ASSIGN(moment, gradient)
        _ASSIGN(value, value - rate * gradient)
