"""The contract of a framework: what every `*_impl/engine.py` offers, in NumPy.

`parity`, `weights_convert` and the command-line programs reach a framework only through this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from restoration.arrays import Arrays
from restoration.engine.execution import PLAIN, Execution
from restoration.engine.taps import Tap
from restoration.models.spec import Spec
from restoration.training.settings import TrainerSettings


@dataclass(frozen=True)
class Network:
    """A network that an engine built: the framework's module, of what spec, in what mode.

    module: a `torch.nn.Module`, `jittor.nn.Module` or `mindspore.nn.Cell`, with nothing on it that
    is not the framework's own.
    """

    module: Any
    spec: Spec
    execution: Execution = PLAIN


@dataclass(frozen=True)
class Gradients:
    """A vector-Jacobian product by the floating-point inputs and by the parameters."""

    inputs: Arrays
    parameters: Arrays


@dataclass(frozen=True)
class StepResult:
    """What a step found: all of it measured before the update.

    All are means over the parts of a batch and over the processes that share it. loss: what is
    minimized. terms: the loss's parts by name, and learned weights of them. gradient_norm: of all
    gradients of the network together, before clipping. updated: False where loss or gradients were
    not finite, and no parameter, moment or average was changed; with a dynamic loss scale at
    float16 that happens now and then, the loss being finite, and halves the scale.
    """

    loss: float
    terms: Mapping[str, float]
    gradient_norm: float
    updated: bool


@dataclass(frozen=True)
class TrainingState:
    """All that a trainer must know to go on, under the suite's names, in NumPy.

    weights: parameters and buffers of the network; learned parameters of the loss under "loss.".
    averages: averaged weights, empty if none are kept. moments: the optimizer's, "NAME.first" and
    "NAME.second" for each parameter that has taken a step (sgd has no second, and without momentum
    no first). counts: how many steps each has taken, those that have taken none left out.
    step: how many steps were tried. loss_scale: the present one, 1 without.
    """

    weights: Arrays
    averages: Arrays
    moments: Arrays
    counts: Mapping[str, int]
    step: int
    loss_scale: float = 1.0


class Trainer(Protocol):
    """Trains a network; made by `Engine.trainer`."""

    def step(self, batches: Sequence[Mapping[str, np.ndarray]], factor: float = 1.0) -> StepResult:
        """One update by the mean gradient of the parts of a batch.

        batches: each {names of the network's inputs..., and what its loss compares with, as
        "target"}; one unless gradients are accumulated. factor: of every group's learning rate.

        A parameter that took no part stands still, with its moments and its count, as PyTorch lets
        one without gradient: one of those that may (`Spec.may_sit_out`), if its gradient is zero
        everywhere. Others move by momentum then, as behind units that are dead for a while.
        """

    def averages(self) -> Arrays:
        """Copies of the averaged weights, empty if none are kept."""

    def state(self) -> TrainingState:
        """Copies."""

    def load(self, state: TrainingState) -> None:
        """Go on from a state, of whatever framework.

        Raises:
            InputError: lists every missing, unexpected and misshapen entry; nothing is changed.
        """


class Engine(Protocol):
    """A framework that builds, runs and differentiates the suite's networks.

    name: "torch", "jittor" or "mindspore". modes: the ways `run` can execute a network, the first
    being the default ("eager", and "graph" where the framework compiles).
    """

    name: str
    modes: tuple[str, ...]

    def build(self, spec: Spec, execution: Execution = PLAIN) -> Network:
        """A network in evaluation mode.

        Raises:
            UnavailableError: the framework has no such mode of execution on this device.
        """

    def state(self, network: Network) -> Arrays:
        """Copies of all parameters and buffers under the suite's names, in order of declaration."""

    def load(self, network: Network, state: Mapping[str, np.ndarray]) -> None:
        """Set all parameters and buffers.

        Raises:
            InputError: lists every missing, unexpected and misshapen entry; nothing is changed.
        """

    def run(
        self, network: Network, inputs: Mapping[str, np.ndarray], *, mode: str = "eager"
    ) -> Arrays:
        """The network's outputs by name, without gradients."""

    def call(self, network: Network, method: str, *arguments: Any) -> Any:
        """A method of the network, without gradients, for work that is done in steps.

        Arguments that are NumPy arrays become the framework's; results stay as they are, to be
        arguments of further calls, or of `to_numpy`.
        """

    def to_numpy(self, value: Any) -> np.ndarray:
        """An array of the framework's as NumPy."""

    def run_tapped(
        self, network: Network, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Arrays, list[Tap]]:
        """Outputs, and what entered and left every module, in order; hooks are removed after."""

    def gradients(
        self,
        network: Network,
        inputs: Mapping[str, np.ndarray],
        cotangents: Mapping[str, np.ndarray],
    ) -> Gradients:
        """Gradients of the sum, over outputs named in `cotangents`, of mean(output * cotangent)."""

    def trainer(self, network: Network, settings: TrainerSettings) -> Trainer:
        """Trains the network, which is in evaluation mode between steps: `run` may be used then.

        Raises:
            InputError: there is no such loss or argument of it, or a pattern that matches no
                parameter.
        """

    def describe(self) -> dict[str, str]:
        """Versions, device and precision."""


class ReferenceEngine(Engine, Protocol):
    """The framework whose float64 run is the truth."""

    def variations(self) -> Mapping[str, AbstractContextManager[None]]:
        """Legitimate ways to compute the same in float32: other kernels, other thread counts."""
