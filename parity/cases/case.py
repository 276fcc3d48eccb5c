"""What a parity run is about: a network, its inputs, and where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from parity.judge.errors import Norms, nonfinite
from parity.judge.measurement import ArrayKey
from parity.measure.problem import Problem
from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.models.spec import Spec
from restoration.process import arrays


@dataclass(frozen=True)
class GradientSummary:
    """What a golden file keeps of a gradient: its 2-norm, its projection on white noise of a seed,
    divided by the root of its size, and its largest absolute value."""

    seed: int
    numbers: np.ndarray

    @property
    def norms(self) -> Norms:
        return Norms(float(self.numbers[0]), float(self.numbers[2]))

    def distance(self, gradient: np.ndarray) -> Norms:
        """By how much a gradient's numbers differ: the worse of the first two, and the third."""
        noise = white_noise(self.seed, gradient.shape)
        numbers = (
            np.linalg.norm(gradient),
            (gradient * noise).sum() / np.sqrt(gradient.size),
            np.abs(gradient).max(),
        )
        norm, projection, maximum = np.abs(np.array(numbers) - self.numbers)
        return Norms(max(norm, projection), maximum)


@dataclass(frozen=True)
class Case:
    """One network on one set of inputs.

    gradient_inputs: where gradients are taken, if elsewhere: on small inputs, few ReLUs are so near
    to zero that rounding decides. weights: under the suite's names; empty to draw them by `seed`.
    cotangents: what weights the outputs whose gradient is compared; empty to draw them. expected:
    outputs and gradients in float64 by independent code. summaries: of further gradients that are
    too large to keep. copies: where the batch holds some images several times, which of the
    expected gradients' images each one is; they are the sums over its copies. picture_size: height
    and width of what becomes of the user's picture, None where the case is about none.
    """

    name: str
    model: str
    spec: Spec
    inputs: Arrays
    seed: int = 0
    gradient_inputs: Arrays = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)
    cotangents: Arrays = field(default_factory=dict)
    expected: Mapping[ArrayKey, np.ndarray] = field(default_factory=dict)
    summaries: Mapping[ArrayKey, GradientSummary] = field(default_factory=dict)
    copies: tuple[int, ...] = ()
    picture_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Raises InputError where weights, inputs or cotangents are NaN or infinite: what a network
        makes of them says nothing about any of its implementations."""
        groups = {
            "weights": self.weights,
            "inputs": self.inputs,
            "inputs of gradients": self.gradient_inputs,
            "cotangents": self.cotangents,
        }
        for group, members in groups.items():
            found = [f"{text} in {name}" for name, a in members.items() if (text := nonfinite(a))]
            if found:
                more = f" and in {len(found) - 1} more" if len(found) > 1 else ""
                raise InputError(
                    f"numbers of {self.name}",
                    expected="finite ones",
                    got=found[0] + more,
                    where=group,
                    next_step="nothing can be proven with them: give others, or look for what made "
                    "them NaN or infinite",
                )

    def write(self, folder: Path) -> None:
        """Put what the case brings into a folder, for the reference's worker."""
        for inputs in filter(None, (self.inputs, self.gradient_inputs)):
            self.spec.check_inputs(inputs)
        folder.mkdir(parents=True)
        problem = Problem(self.inputs, self.gradient_inputs, self.weights, self.cotangents)
        problem.write(folder / arrays.GIVEN_FILE)


def white_noise(seed: int, shape: Sequence[int]) -> np.ndarray:
    """Normally distributed numbers, the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)
