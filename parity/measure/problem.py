"""What every engine gets of a case: inputs, weights, and the cotangents of its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from restoration.process import arrays

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """Arrays by the suite's names.

    gradient_inputs: where gradients are taken, if elsewhere than at the inputs. cotangents: what
    weights each output, so that the gradients are of sum over outputs of mean(output * cotangent).
    """

    inputs: Arrays
    gradient_inputs: Arrays = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)
    cotangents: Arrays = field(default_factory=dict)

    @classmethod
    def read(cls, file: arrays.Reader) -> Problem:
        """Read the groups that a file holds; gradients are taken at the inputs unless it says."""
        inputs = file.group("inputs")
        return cls(
            inputs,
            file.group("gradient_inputs") or inputs,
            file.group("weights"),
            file.group("cotangents"),
        )

    def write(self, path: Path) -> None:
        """Write all groups, as "inputs/NAME", "weights/NAME" and so on."""
        content = {
            f"{group}/{name}": array
            for group, members in vars(self).items()
            for name, array in members.items()
        }
        arrays.write(path, content)

    def perturbed(self, ulps: int, seed: tuple[int, ...]) -> Problem:
        """The same problem with every number moved by units in the last place, up or down."""
        rng = np.random.default_rng(seed)
        return Problem(*(_perturbed(group, ulps, rng) for group in vars(self).values()))


def _perturbed(group: Arrays, ulps: int, rng: np.random.Generator) -> Arrays:
    """Each number moved up or down by units in its last place, at random.

    Zeros and integers are exact, and stay.
    """
    perturbed = dict(group)
    for name, array in group.items():
        if np.issubdtype(array.dtype, np.floating):
            step = np.where(array == 0, 0, ulps * np.spacing(np.abs(array)))
            perturbed[name] = array + np.where(rng.random(array.shape) < 0.5, -step, step)
    return perturbed
