"""The verdict on steps of training: the drift of a port, in units of the reference's own.

As for one run (`verdicts.py`), the truth is the reference in float64, and the unit of an array the
largest error of the reference's float32 runs at that step. The floor, what is typical of arrays of
one kind (parameters, moments, ...) at that step, keeps a lucky array from being judged harshly. So
does what Adam does not feel of means of squares: MindSpore takes what float32 has no normal number
for as zero, and eps is 1e11 times as large as its root.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from parity.judge.errors import Error, Norms, error_of
from parity.judge.measurement import ArrayKey
from parity.judge.noise import HALF_ULP, Noise, with_floors
from parity.judge.verdicts import (
    NOT_GIVEN,
    ArrayVerdict,
    CaseVerdict,
    Verdict,
    collect,
    judge_error,
    unmatched,
)


class Source(Protocol):
    """Arrays by name, in a file or in memory."""

    @property
    def names(self) -> Sequence[str]: ...

    def __contains__(self, name: str, /) -> bool: ...

    def __getitem__(self, name: str, /) -> np.ndarray: ...


class Held(dict[str, np.ndarray]):
    """Arrays in memory."""

    @property
    def names(self) -> list[str]:
        return list(self)


_SQUARES = ".second"  # what names of means of squares end with


@dataclass(frozen=True)
class Departure:
    """Where a port leaves the reference: the first step at which an array differs, the worst there
    and how many do."""

    step: int
    array: ArrayVerdict
    differing: int


def judge_steps(
    port: Source,
    truth: Source,
    norms: Mapping[str, Sequence[float]],
    errors: Mapping[str, Sequence[float]],
    *,
    eps: float = 0.0,
) -> CaseVerdict:
    """Judge all arrays of a port's steps.

    norms, errors: of the truth, and the largest of the reference's float32 runs, by key. eps:
    Adam's, which is added to the roots of means of squares.
    """
    found = dict(errors_of(((name, port[name]) for name in port.names), truth))
    return judge_errors(found, {n: truth[n].size for n in truth.names}, norms, errors, eps=eps)


def errors_of(
    found: Iterable[tuple[str, np.ndarray]], known: Source
) -> Iterator[tuple[str, Error]]:
    """How far arrays are from known ones; an empty error of those that are not known, but for
    moments that no gradient has reached."""
    for name, array in found:
        if name in known:
            yield name, error_of(array, known[name])
        elif not _is_untouched(name, array):
            yield name, Error()


def _is_untouched(name: str, array: np.ndarray) -> bool:
    """Whether an array is the moment of a parameter that no gradient has reached. PyTorch has none
    of it then, the ports zeros, and neither moves the parameter."""
    group = ArrayKey.parse(name).name.split("/")[1]
    return group == "moments" and not array.any()


def judge_errors(
    found: Mapping[str, Error],
    sizes: Mapping[str, int],
    norms: Mapping[str, Sequence[float]],
    errors: Mapping[str, Sequence[float]],
    *,
    eps: float = 0.0,
) -> CaseVerdict:
    """Judge the errors of a port's arrays as `judge_steps` does.

    sizes: how many numbers the truth's arrays have, by key.
    """
    unfelt = (HALF_ULP * eps) ** 2
    groups: dict[tuple[str, str], dict[ArrayKey, Noise]] = {}
    for name in sizes:
        key = ArrayKey.parse(name)
        step, _, rest = key.name.partition("/")
        noise = Noise(Norms(*errors[name]), Norms(*norms[name]))
        groups.setdefault((step, rest.partition("/")[0]), {})[key] = noise
    verdicts = []
    for group in groups.values():
        for key, noise in with_floors(group).items():
            name = str(key)
            if name in found:
                least = unfelt if name.endswith(_SQUARES) else 0.0
                verdicts.append(
                    judge_error(key, found[name], _with_floor(noise, least, sizes[name]))
                )
            else:
                verdicts.append(unmatched(key, NOT_GIVEN))
    verdicts += [
        unmatched(ArrayKey.parse(name), "the reference has none of that name")
        for name in found
        if name not in sizes
    ]
    return collect(verdicts)


def _with_floor(noise: Noise, error: float, count: int) -> Noise:
    """With an error of each of some numbers as the least that is expected."""
    floor = Norms(max(noise.floor.two, error * np.sqrt(count)), max(noise.floor.max, error))
    return dataclasses.replace(noise, floor=floor)


def departure(judged: CaseVerdict) -> Departure | None:
    """Where a port leaves the reference, None if it does not."""
    differing = [one for one in judged.arrays if one.verdict is Verdict.DIFFER]
    if not differing:
        return None
    first = min(_step(one) for one in differing)
    there = [one for one in differing if _step(one) == first]
    return Departure(first, max(there, key=lambda one: one.ratio), len(there))


def _step(verdict: ArrayVerdict) -> int:
    return int(verdict.key.name.partition("/")[0])
