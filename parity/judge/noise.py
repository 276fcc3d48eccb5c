"""How exact float32 can be: what the reference's legitimate float32 runs say of each array."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from parity.judge.errors import NOTHING, Norms
from parity.judge.measurement import ArrayKey, ReferenceMeasurement

HALF_ULP = 2.0**-24
"""Least error that a float32 result can be expected to have, relative to its norm."""


@dataclass(frozen=True)
class Noise:
    """What the reference's float32 runs say of an array.

    error: their largest, in each norm. norms: of the truth. floor: the least error that is expected
    of a port.
    """

    error: Norms
    norms: Norms
    floor: Norms = NOTHING

    @property
    def is_vanishing(self) -> bool:
        """Whether the truth is zero but for rounding, as a bias's gradient before a softmax."""
        return any(error >= norm > 0 for error, norm in zip(self.error, self.norms, strict=True))

    @property
    def units(self) -> Norms:
        """The error of a port, in each norm, that has the ratio 1."""
        two_unit, max_unit = (
            max(error, floor, HALF_ULP * norm)
            for error, floor, norm in zip(self.error, self.floor, self.norms, strict=True)
        )
        return Norms(two_unit, max_unit)


def noise_of(reference: ReferenceMeasurement) -> dict[ArrayKey, Noise]:
    """The noise of each array that can be used but decisions."""
    return with_floors(
        {
            key: Noise(largest(reference.noise[key].values()), norms)
            for key, norms in reference.norms.items()
            if key not in reference.unusable and key not in reference.decisions
        }
    )


def largest(errors: Iterable[Norms]) -> Norms:
    """The largest error of some runs, in each norm."""
    two_norms, max_norms = zip(*errors, strict=True)
    return Norms(max(two_norms), max(max_norms))


def with_floors(noise: Mapping[ArrayKey, Noise]) -> dict[ArrayKey, Noise]:
    """Give each array the median relative error of its kind as a floor, times its norm.

    An array that is zero but for rounding has no norm of its own; it gets its kind's.
    """
    floored: dict[ArrayKey, Noise] = {}
    for kind in (False, True):
        members = {key: array for key, array in noise.items() if key.is_gradient is kind}
        regular = [
            array for array in members.values() if all(array.norms) and not array.is_vanishing
        ]
        if not regular:
            floored |= members
            continue
        norms = np.array([array.norms for array in regular])
        errors = np.array([array.error for array in regular])
        relative = np.maximum(HALF_ULP, np.median(errors / norms, axis=0))
        typical = np.median(norms, axis=0)
        for key, array in members.items():
            scale = typical if array.is_vanishing else np.array(array.norms)
            floored[key] = dataclasses.replace(array, floor=Norms(*(relative * scale)))
    return {key: floored[key] for key in noise}
