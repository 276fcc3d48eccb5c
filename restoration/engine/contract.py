"""The contract of a framework: what every `*_impl/engine.py` offers, in NumPy.

`parity`, `weights_convert` and the command-line programs reach a framework only through this.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from restoration.arrays import Arrays
from restoration.engine.execution import PLAIN, Execution
from restoration.engine.taps import Tap
from restoration.models.spec import Spec


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


class Trainer(Protocol):
    """Trains a network with Adam; made by `Engine.trainer`. The rate may be set between steps."""

    learning_rate: float

    def step(self, batch: Mapping[str, np.ndarray]) -> float:
        """One update on {input names..., "target"}; the loss before it."""


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

    def trainer(self, network: Network, *, learning_rate: float) -> Trainer:
        """Puts the network in training mode; the loss is the one that its spec names.

        Raises:
            InputError: the spec names no loss.
        """

    def describe(self) -> dict[str, str]:
        """Versions, device and precision."""


class ReferenceEngine(Engine, Protocol):
    """The framework whose float64 run is the truth."""

    def variations(self) -> Mapping[str, AbstractContextManager[None]]:
        """Legitimate ways to compute the same in float32: other kernels, other thread counts."""
