"""What a worker says of one case: names of arrays, and the two records that a judge needs.

The arrays themselves lie in files; these records cross from the worker's process as JSON.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from parity.judge.errors import Norms


class ArrayKind(StrEnum):
    """What an array is of a network. PARAMETER: read back after loading. STEP: of training."""

    OUTPUT = "output"
    TAP = "tap"
    INPUT_GRADIENT = "gradient/input"
    PARAMETER_GRADIENT = "gradient/parameter"
    PARAMETER = "parameter"
    STEP = "step"


_KEY = re.compile(rf"({'|'.join(ArrayKind)})(?:@([^/]+))?/(.+)", re.DOTALL)
_TAP = re.compile(r"(.*)#(\d+)\.(in|out)(\d+)", re.DOTALL)
_WHOLE_NETWORK = "(network)"


@dataclass(frozen=True)
class TapPlace:
    """Where a tap is: a module ("" for the network itself), which of its calls, what side of it
    ("in" or "out"), and which of the arrays there."""

    module: str
    call: int
    side: str
    index: int


@dataclass(frozen=True)
class ArrayKey:
    """The name of an array, the same for all engines: "output/full", "tap/stem#0.in0",
    "gradient/input/image", "gradient/parameter/stem.weight", "parameter/stem.weight", and
    "output@graph/full" for a further mode of execution.

    name: of the output, input or parameter; of a tap what `restoration.engine.taps.Tap.key` says.
    """

    kind: ArrayKind
    name: str
    mode: str = ""

    @classmethod
    def parse(cls, text: str) -> ArrayKey:
        """The inverse of `str`.

        Raises:
            ValueError: the text names no array.
        """
        found = _KEY.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} names no array; expected KIND/NAME, {', '.join(ArrayKind)}")
        kind, mode, name = found.groups()
        return cls(ArrayKind(kind), name, mode or "")

    @classmethod
    def output(cls, name: str, mode: str = "") -> ArrayKey:
        return cls(ArrayKind.OUTPUT, name, mode)

    @classmethod
    def tap(cls, name: str) -> ArrayKey:
        return cls(ArrayKind.TAP, name)

    @classmethod
    def input_gradient(cls, name: str) -> ArrayKey:
        return cls(ArrayKind.INPUT_GRADIENT, name)

    @classmethod
    def parameter_gradient(cls, name: str) -> ArrayKey:
        return cls(ArrayKind.PARAMETER_GRADIENT, name)

    @classmethod
    def parameter(cls, name: str) -> ArrayKey:
        return cls(ArrayKind.PARAMETER, name)

    def __str__(self) -> str:
        return f"{self.kind}{'@' if self.mode else ''}{self.mode}/{self.name}"

    @property
    def is_gradient(self) -> bool:
        return self.kind in (ArrayKind.INPUT_GRADIENT, ArrayKind.PARAMETER_GRADIENT)

    @property
    def place(self) -> TapPlace:
        """Where a tap is.

        Raises:
            ValueError: the array is no tap.
        """
        found = _TAP.fullmatch(self.name) if self.kind is ArrayKind.TAP else None
        if found is None:
            raise ValueError(f"{self} is no tap; expected tap/MODULE#CALL.in0 or .out0")
        module, call, side, index = found.groups()
        return TapPlace("" if module == _WHOLE_NETWORK else module, int(call), side, int(index))

    @property
    def in_words(self) -> str:
        """For a report: "gradient of stem.weight", "decoder1.0.conv1, output"."""
        if self.is_gradient:
            return f"gradient of {self.name}"
        if self.kind is ArrayKind.TAP:
            place = self.place
            side = {"in": "input", "out": "output"}[place.side]
            call = f" of call {place.call + 1}" if place.call else ""
            return f"{place.module or _WHOLE_NETWORK}, {side}{call}"
        if self.kind is ArrayKind.STEP:
            step, _, name = self.name.partition("/")
            return f"step {step}, {name.replace('/', ' ', 1)}"
        return str(self).replace("/", " ", 1)


@dataclass(frozen=True, kw_only=True)
class ReferenceMeasurement:
    """What is known of the reference on a case beside its float64 arrays.

    taps: in order of occurrence. norms: of the truth. noise: the errors of each float32 run, by
    its title. unusable: arrays whose float32 runs cannot be compared, and why. nonfinite: arrays
    whose truth has NaN or infinity, and how many, the taps in order of occurrence. decisions:
    arrays that are decisions, each with the one that holds its margins. seconds and peak_mb: of the
    whole measurement.
    """

    taps: Sequence[ArrayKey] = ()
    norms: Mapping[ArrayKey, Norms]
    noise: Mapping[ArrayKey, Mapping[str, Norms]]
    unusable: Mapping[ArrayKey, str] = field(default_factory=dict)
    nonfinite: Mapping[ArrayKey, str] = field(default_factory=dict)
    decisions: Mapping[ArrayKey, ArrayKey] = field(default_factory=dict)
    engine: Mapping[str, str] = field(default_factory=dict)
    seconds: float = math.nan
    peak_mb: int = 0

    @property
    def has_no_truth(self) -> bool:
        """Whether a result of the network is not finite in float64: rounding and order of
        computation then decide what else is not, and no port can be judged there."""
        return any(key.kind is ArrayKind.OUTPUT or key.is_gradient for key in self.nonfinite)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them."""
        return vars(self) | {
            "taps": [str(key) for key in self.taps],
            "norms": {str(key): norms for key, norms in self.norms.items()},
            "noise": {str(key): runs for key, runs in self.noise.items()},
            "unusable": {str(key): why for key, why in self.unusable.items()},
            "nonfinite": {str(key): counts for key, counts in self.nonfinite.items()},
            "decisions": {str(key): str(margin) for key, margin in self.decisions.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ReferenceMeasurement:
        key = ArrayKey.parse
        given = {
            "taps": [key(name) for name in values["taps"]],
            "norms": {key(name): Norms(*norms) for name, norms in values["norms"].items()},
            "noise": {
                key(name): {title: Norms(*error) for title, error in runs.items()}
                for name, runs in values["noise"].items()
            },
            "unusable": {key(name): why for name, why in values["unusable"].items()},
            "nonfinite": {key(name): counts for name, counts in values["nonfinite"].items()},
            "decisions": {key(name): key(margin) for name, margin in values["decisions"].items()},
        }
        return cls(**{**values, **given})


@dataclass(frozen=True, kw_only=True)
class PortMeasurement:
    """What is known of a port on a case beside its arrays.

    modes: further modes of execution, whose outputs it gave. refusals: modes it could not, and why.
    """

    modes: Sequence[str] = ()
    refusals: Mapping[str, str] = field(default_factory=dict)
    engine: Mapping[str, str] = field(default_factory=dict)
    seconds: float = math.nan
    peak_mb: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> PortMeasurement:
        return cls(**values)
