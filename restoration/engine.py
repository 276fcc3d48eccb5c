"""The contract of a framework: what every `*_impl/engine.py` offers, in NumPy.

`parity`, `weights_convert` and the command-line programs reach a framework only through this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from restoration.errors import InputError
from restoration.specs import Spec

Arrays = dict[str, np.ndarray]
PRECISIONS = ("float32", "bfloat16", "float16")
_LISTED = 5  # how many names an error shows of each kind


@dataclass(frozen=True)
class Tap:
    """An array that entered or left a module while the network ran.

    module: dotted attribute path, "" for the network itself. call: which call of that module,
    from 0. kind: "in" or "out". index: which of the module's array arguments or results.
    """

    module: str
    call: int
    kind: str
    index: int
    array: np.ndarray

    @property
    def key(self) -> str:
        """A name for this tap that is the same in every framework."""
        return f"{self.module or '(network)'}#{self.call}.{self.kind}{self.index}"


@dataclass(frozen=True)
class Gradients:
    """Derivatives of an objective by the floating-point inputs and by the parameters."""

    inputs: Arrays
    parameters: Arrays


@dataclass(frozen=True, kw_only=True)
class Execution:
    """A mode of execution.

    precision: of matrix products and convolutions; weights, decisions and results stay float32.
    per_sample: images of a batch go through the network one by one. checkpointing: in training,
    blocks compute their activations again instead of keeping them. max_side_px: longest side of an
    image; a larger one is reduced.
    """

    precision: str = "float32"
    per_sample: bool = False
    checkpointing: bool = False
    max_side_px: int | None = None

    def __post_init__(self) -> None:
        for field, value, holds, expected in (
            ("precision", self.precision, self.precision in PRECISIONS, ", ".join(PRECISIONS)),
            (
                "max_side_px",
                self.max_side_px,
                self.max_side_px is None or self.max_side_px >= 1,
                "a number of pixels of at least 1, or none",
            ),
        ):
            if not holds:
                raise InputError(
                    f"Execution.{field}",
                    expected=expected,
                    got=repr(value),
                    where="mode of execution",
                    next_step="see restoration.engine.Execution",
                )


PLAIN = Execution()


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


class TapRecorder:
    """Collects taps from a framework's hooks.

    is_array: tells the framework's arrays from other arguments. keep: what to hold of an array when
    it passes (a copy, where it may be changed in place). to_numpy: turns what was kept into NumPy
    at the end.
    """

    def __init__(
        self,
        is_array: Callable[[Any], bool],
        *,
        keep: Callable[[Any], Any],
        to_numpy: Callable[[Any], np.ndarray],
    ):
        self._is_array = is_array
        self._keep = keep
        self._to_numpy = to_numpy
        self._calls: dict[str, int] = {}
        self._records: list[tuple[tuple[str, int, str, int], Any]] = []

    def enter(self, module: str, arguments: Any) -> None:
        """A module is called: record its arguments."""
        self._calls[module] = self._calls.get(module, -1) + 1
        self._record(module, "in", arguments)

    def leave(self, module: str, result: Any) -> None:
        """A module returns: record its result."""
        self._record(module, "out", result)

    def taps(self) -> list[Tap]:
        """Everything recorded, in order."""
        return [Tap(*where, self._to_numpy(kept)) for where, kept in self._records]

    def _record(self, module: str, kind: str, values: Any) -> None:
        found = [value for value in _leaves(values) if self._is_array(value)]
        self._records += [
            ((module, self._calls[module], kind, index), self._keep(value))
            for index, value in enumerate(found)
        ]


def _leaves(values: Any) -> Iterator[Any]:
    """The elements of nested tuples and lists, in order."""
    if isinstance(values, tuple | list):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def check_state(
    expected: Mapping[str, tuple[int, ...]], given: Mapping[str, np.ndarray], *, network: str
) -> None:
    """Check that a state fits a network, before anything of it is loaded.

    Raises:
        InputError: lists every missing (-), unexpected (+) and misshapen (~) entry.
    """
    differences = [f"-{name}" for name in expected if name not in given]
    differences += [f"+{name}" for name in given if name not in expected]
    differences += [
        f"~{name} {tuple(given[name].shape)} for {shape}"
        for name, shape in expected.items()
        if name in given and tuple(given[name].shape) != shape
    ]
    if differences:
        shown = ", ".join(differences[:_LISTED])
        more = f" and {len(differences) - _LISTED} more" if len(differences) > _LISTED else ""
        raise InputError(
            f"weights of {network}",
            expected=f"its {len(expected)} entries",
            got=f"{len(given)} entries that differ in {len(differences)}: {shown}{more}",
            where="- model only, + file only, ~ other shape",
            next_step="check that the file belongs to this model and spec",
        )


def name_outputs(spec: Spec, result: Any) -> dict[str, Any]:
    """Pair a network's result, one array or nested sequences, with the spec's output names."""
    results = list(_leaves(result))
    if len(results) != len(spec.outputs):
        raise InputError(
            f"outputs of {spec.network}",
            expected=", ".join(spec.outputs),
            got=f"{len(results)} results",
            where=f"{spec.module}.py",
            next_step="the spec and the network must name the same outputs",
        )
    return dict(zip(spec.outputs, results, strict=True))


def arguments(spec: Spec, inputs: Mapping[str, Any]) -> list[Any]:
    """A network's positional arguments, None for optional inputs that were left out."""
    values = [inputs.get(name) for name in spec.inputs]
    while values and values[-1] is None:
        values.pop()
    return values
