"""The contract of a framework: what every `*_impl/engine.py` offers, in NumPy.

`parity`, `weights_convert` and the command-line programs reach a framework only through this.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from restoration.engine.execution import PLAIN, Execution
from restoration.engine.taps import Tap
from restoration.models.spec import Spec

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Gradients:
    """Derivatives of an objective by the floating-point inputs and by the parameters."""

    inputs: Arrays
    parameters: Arrays


class Trainer(Protocol):
    """Optimises a model with Adam; made by `Engine.trainer`. The rate may be set between steps."""

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

    def build(self, spec: Spec, execution: Execution = PLAIN) -> Any:
        """A network in evaluation mode.

        Raises:
            UnavailableError: the framework has no such mode of execution on this device.
        """

    def state(self, model: Any) -> Arrays:
        """Copies of all parameters and buffers under the suite's names, in order of declaration."""

    def load(self, model: Any, state: Mapping[str, np.ndarray]) -> None:
        """Set all parameters and buffers.

        Raises:
            InputError: lists every missing, unexpected and misshapen entry; nothing is changed.
        """

    def run(self, model: Any, inputs: Mapping[str, np.ndarray], *, mode: str = "eager") -> Arrays:
        """The network's outputs by name, without gradients."""

    def call(self, model: Any, method: str, *arguments: Any) -> Any:
        """A method of the network, without gradients, for work that is done in steps.

        Arguments that are NumPy arrays become the framework's; results stay as they are, to be
        arguments of further calls, or of `to_numpy`.
        """

    def to_numpy(self, value: Any) -> np.ndarray:
        """An array of the framework's as NumPy."""

    def run_tapped(self, model: Any, inputs: Mapping[str, np.ndarray]) -> tuple[Arrays, list[Tap]]:
        """Outputs, and what entered and left every module, in order; hooks are removed after."""

    def gradients(
        self, model: Any, inputs: Mapping[str, np.ndarray], objective: Mapping[str, np.ndarray]
    ) -> Gradients:
        """Gradients of sum over outputs of mean(output * objective[output])."""

    def trainer(self, model: Any, spec: Spec, *, learning_rate: float) -> Trainer:
        """Puts the model in training mode; the loss is the one that the spec names."""

    def describe(self) -> dict[str, str]:
        """Versions, device and precision."""


class ReferenceEngine(Engine, Protocol):
    """The framework whose float64 run is the truth."""

    def variations(self) -> Mapping[str, AbstractContextManager[None]]:
        """Legitimate ways to compute the same in float32: other kernels, other thread counts."""
