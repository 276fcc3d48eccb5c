"""Where a difference comes from: the first array that differs, in order of occurrence.

Taps are events in time: what enters a module, and what leaves it. If the first event that differs
is an entry, everything computed before it agreed, so the fault is in the code that calls the
module; if it is an exit, what entered agreed, so the fault is in the module itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from parity.judge.measurement import ArrayKey, ArrayKind, TapPlace
from parity.judge.verdicts import NOT_GIVEN, CaseVerdict, Verdict


def first_fault(case: CaseVerdict, taps: Sequence[ArrayKey]) -> str:
    """The first faulty module in words, or "" if nothing differs.

    taps: the reference's, in order of occurrence.
    """
    arrays = {array.key: array for array in case.arrays}
    differing = [array for array in case.arrays if array.verdict is Verdict.DIFFER]
    if not differing:
        return ""
    changed = [array.key for array in differing if array.key.kind is ArrayKind.PARAMETER]
    if changed:
        return f"{len(changed)} parameters changed by loading, as {changed[0].name}"
    places = [tap.place for tap in taps]
    previous = ""
    for tap, place in zip(taps, places, strict=True):
        if arrays[tap].verdict is Verdict.DIFFER:
            return _describe(place, previous, places)
        if arrays[tap].why == NOT_GIVEN:
            return f"{_name(place.module)}: the port never ran it"
        previous = place.module if place.side == "out" else previous
    backward = [
        array.key.name for array in differing if array.key.kind is ArrayKind.PARAMETER_GRADIENT
    ]
    if backward:
        return _last_module(backward, places)
    other = differing[0]
    return f"{other.key}: {other.why}; every module agrees, so the fault is outside them"


def _name(module: str) -> str:
    return module or "the network"


def _describe(tap: TapPlace, previous: str, taps: Sequence[TapPlace]) -> str:
    """In words, whose code is at fault when a tap is the first that differs."""
    module = tap.module
    if tap.side == "in":
        if not module:
            return "the inputs differ before the network has run"
        caller = _name(module.rpartition(".")[0])
        after = f" after {previous}" if previous else ""
        return f"{module}: its input differs, so the code of {caller} that calls it{after}"
    children = [other for other in taps if _is_child(other.module, module)]
    if children:
        return f"{_name(module)}: its own code after {children[-1].module}"
    return module


def _is_child(module: str, parent: str) -> bool:
    return module != parent and (not parent or module.startswith(parent + "."))


def _last_module(parameters: Sequence[str], taps: Sequence[TapPlace]) -> str:
    """The module nearest to the output among those with wrong gradients.

    An error of the backward pass spreads from the output to the input.
    """
    order = {tap.module: place for place, tap in enumerate(taps)}
    modules = [parameter.rpartition(".")[0] for parameter in parameters]
    last = max(modules, key=lambda module: order.get(module, -1))
    return f"{last}: the outputs agree, the gradients from here to the input do not"
