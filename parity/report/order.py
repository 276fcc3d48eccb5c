"""The order in which a network computes its arrays: modules, outputs, gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from parity.judge.measurement import ArrayKey, ArrayKind
from parity.judge.verdicts import CaseVerdict


def in_call_order(judged: CaseVerdict, taps: Sequence[ArrayKey]) -> CaseVerdict:
    """The same, with taps in call order, then outputs, then gradients from the output back to the
    inputs, as the backward pass comes by them, then parameters.

    taps: the reference's, in order of occurrence.
    """
    places = {tap: place for place, tap in enumerate(taps)}
    modules: dict[str, int] = {}
    for tap, place in places.items():
        modules.setdefault(tap.place.module, place)

    def rank(key: ArrayKey) -> tuple[int, int]:
        if key.kind is ArrayKind.TAP:
            return 0, places.get(key, len(places))
        if key.kind is ArrayKind.OUTPUT:
            return 1, 0
        owner = modules.get(key.name.rpartition(".")[0], 0)
        if key.kind is ArrayKind.PARAMETER_GRADIENT:
            return 2, -owner
        return (3, 0) if key.is_gradient else (4, owner)

    return dataclasses.replace(judged, arrays=sorted(judged.arrays, key=lambda one: rank(one.key)))
