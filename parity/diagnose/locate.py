"""Where a difference comes from: the first array that differs, in order of occurrence.

Taps are events in time: what enters a module, and what leaves it. If the first event that differs
is an entry, everything computed before it agreed, so the fault is in the code that calls the
module; if it is an exit, what entered agreed, so the fault is in the module itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.judge.verdicts import ArrayVerdict, CaseVerdict, Verdict


def first_fault(case: CaseVerdict, taps: Sequence[Mapping[str, Any]]) -> str:
    """The first faulty module in words, or "" if nothing differs.

    taps: the reference's, in order of occurrence.
    """
    verdicts = {array.name: array for array in case.arrays}
    if all(array.verdict is not Verdict.DIFFER for array in case.arrays):
        return ""
    changed = [name for name in verdicts if name.startswith("parameter/") and _bad(verdicts[name])]
    if changed:
        first = changed[0].removeprefix("parameter/")
        return f"{len(changed)} parameters changed by loading, as {first}"
    previous = ""
    for tap in taps:
        found = verdicts[f"tap/{tap['key']}"]
        if found.verdict is Verdict.DIFFER:
            return _describe(tap, previous, taps)
        if found.verdict is Verdict.INCOMPLETE:
            return f"{_name(tap['module'])}: the port never ran it"
        previous = tap["module"] if tap["kind"] == "out" else previous
    backward = [
        name.removeprefix("gradient/parameter/")
        for name in verdicts
        if name.startswith("gradient/parameter/") and _bad(verdicts[name])
    ]
    if backward:
        return _last_module(backward, taps)
    other = next(array for array in case.arrays if array.verdict is Verdict.DIFFER)
    return f"{other.name}: {other.why}; every module agrees, so the fault is outside them"


def _bad(array: ArrayVerdict) -> bool:
    return array.verdict is Verdict.DIFFER


def _name(module: str) -> str:
    return module or "the network"


def _describe(tap: Mapping[str, Any], previous: str, taps: Sequence[Mapping[str, Any]]) -> str:
    """In words, whose code is at fault when a tap is the first that differs."""
    module: str = tap["module"]
    if tap["kind"] == "in":
        if not module:
            return "the inputs differ before the network has run"
        caller = _name(module.rpartition(".")[0])
        after = f" after {previous}" if previous else ""
        return f"{module}: its input differs, so the code of {caller} that calls it{after}"
    children = [other for other in taps if _is_child(other["module"], module)]
    if children:
        return f"{_name(module)}: its own code after {children[-1]['module']}"
    return module


def _is_child(module: str, parent: str) -> bool:
    return module != parent and (not parent or module.startswith(parent + "."))


def _last_module(parameters: Sequence[str], taps: Sequence[Mapping[str, Any]]) -> str:
    """The module nearest to the output among those with wrong gradients.

    An error of the backward pass spreads from the output to the input.
    """
    order = {tap["module"]: place for place, tap in enumerate(taps)}
    modules = [parameter.rpartition(".")[0] for parameter in parameters]
    last = max(modules, key=lambda module: order.get(module, -1))
    return f"{last}: the outputs agree, the gradients from here to the input do not"
