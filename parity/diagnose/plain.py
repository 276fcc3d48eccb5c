"""Where a port differs from a reference that is no PyTorch: taps side by side, no mutation.

The bound comes from runs of the reference in float32 whose numbers were moved by an ulp. A module
whose input agrees and whose output does not differs by itself; one whose input differs has
inherited that, unless everything before it agreed: then the code between is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.diagnose.forced import Pairing
from parity.diagnose.layouts import nearest
from parity.judge.errors import norms_of
from parity.judge.verdicts import BOUND

_ULP = 2.0**-23


@dataclass(frozen=True)
class Compared:
    """A tap on both sides. events: their numbers, -1 for an output. ratio: in units of noise."""

    module: str
    port: str
    side: str
    events: tuple[int, int]
    ratio: float

    @property
    def differs(self) -> bool:
        return self.ratio > BOUND


def side_by_side(
    reference: Any, moved: Sequence[Any], port: Any, pairings: Sequence[Pairing]
) -> list[Compared]:
    """The taps of paired modules, call by call, in the order of the reference.

    reference, port: recordings. moved: recordings of the reference on moved numbers.
    """
    partner = {pairing.reference: pairing for pairing in pairings}
    ours, theirs = reference.read("tap"), port.read("tap")
    others = [one.read("tap") for one in moved]
    places = {
        (event["module"], event["call"], event["side"]): number
        for number, event in enumerate(port.events)
    }
    found = []
    for number, event in enumerate(reference.events):
        pairing = partner.get(event["module"])
        if pairing is None or event["side"] not in pairing.sides:
            continue
        place = places.get((pairing.port, event["call"], event["side"]))
        if place is None:
            continue
        for leaf, other_leaf in zip(event["leaves"], port.events[place]["leaves"], strict=False):
            key = f"{number}/{leaf}"
            ratio = _ratio(
                ours[key],
                [one[key] for one in others if key in one],
                theirs[f"{place}/{other_leaf}"],
            )
            found.append(
                Compared(event["module"], pairing.port, event["side"], (number, place), ratio)
            )
    return found


def outputs_side_by_side(
    reference: Any, moved: Sequence[Any], port: Any, outputs: Mapping[int, str]
) -> list[Compared]:
    """The outputs of both sides."""
    ours, theirs = reference.read("output"), port.read("output")
    others = [one.read("output") for one in moved]
    return [
        Compared(
            "",
            "",
            "out",
            (-1, -1),
            _ratio(
                ours[reference.outputs[number]],
                [one[reference.outputs[number]] for one in others],
                theirs[name],
            ),
        )
        for number, name in outputs.items()
    ]


def own(compared: Sequence[Compared]) -> list[tuple[Compared, bool]]:
    """Those that differ, each with whether that is inherited.

    What leaves a module and agrees again where it enters the next one stands for something else, as
    of a layer that has its activation inside.
    """
    found: list[tuple[Compared, bool]] = []
    entered: dict[str, bool] = {}
    has_begun = False
    for place, one in enumerate(compared):
        following = next((other for other in compared[place + 1 :] if other.side == "in"), None)
        if one.side == "out" and following is not None and not following.differs:
            continue
        if one.side == "in":
            entered[one.module] = one.differs
            if one.differs and not has_begun:
                found.append((one, False))
        elif one.differs:
            found.append((one, entered.get(one.module, has_begun)))
        has_begun = has_begun or one.differs
    return found


def _ratio(one: np.ndarray, moved: Sequence[np.ndarray], other: np.ndarray) -> float:
    if not np.issubdtype(one.dtype, np.floating):
        return 0.0
    value = nearest(other.astype(np.float64), one.astype(np.float64))
    if value is None:
        return float("inf")
    norms = norms_of(one)
    errors = [
        norms_of(array.astype(np.float64) - one) for array in moved if array.shape == one.shape
    ]
    two = max([_ULP * norms.two, *(error.two for error in errors)])
    most = max([_ULP * norms.max, *(error.max for error in errors)])
    error = norms_of(value - one)
    if not np.array_equal(np.isfinite(value), np.isfinite(one)):
        return float("inf")
    return max(error.two / two if two else 0.0, error.max / most if most else 0.0)
