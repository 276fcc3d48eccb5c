"""What a call in training mode leaves behind: moving statistics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.adapters.mapping import role_of
from parity.adapters.networks import Recording
from parity.compare.state import State
from parity.diagnose.statistics import Statistics, compare_statistics
from parity.report.comparison import Finding, Place
from restoration.process import arrays


def compare_moving_statistics(state: State) -> None:
    """Moving statistics after one call in training mode."""
    moving = {
        pair.reference: pair.port
        for pair in state.mapped.pairs
        if role_of(pair.reference).startswith("running")
    }
    if not moving:
        return
    inputs = state.options.inputs
    ours = state.reference.record(inputs, "training", training=True)
    theirs = state.port.record(inputs, "training", training=True)
    old = state.reference.state(), state.port.state()
    for module in dict.fromkeys(name.rpartition(".")[0] for name in moving):
        partner = state.mapped.modules[module]
        found = [
            _statistics(recording, before, names)
            for recording, before, names in zip(
                (ours, theirs),
                old,
                (
                    {role_of(name): name for name in moving if _owns(module, name)},
                    {role_of(name): name for name in moving.values() if _owns(partner, name)},
                ),
                strict=True,
            )
        ]
        state.result.expected += 1
        if found[0] is None or found[1] is None:
            continue
        state.result.compared += 1
        difference = compare_statistics(found[0], found[1])
        if difference is not None:
            state.result.findings.append(
                Finding(
                    "module",
                    Place(module),
                    Place(partner),
                    difference.ratio,
                    cause=difference.cause,
                    detail=difference.detail,
                    ratio_before=difference.ratio,
                    ratio_after=difference.ratio_after,
                )
            )


def _statistics(
    recording: Recording, before: Mapping[str, np.ndarray], names: Mapping[str, str]
) -> Statistics | None:
    """What a module was given, and its statistics before and after."""
    if set(names) != {"running_mean", "running_var"}:
        return None
    mean, variance = names["running_mean"], names["running_var"]
    module = mean.rpartition(".")[0]
    entered = [
        place
        for place, event in enumerate(recording.events)
        if event["module"] == module and event["side"] == "in"
    ]
    if len(entered) != 1:
        return None
    event = recording.events[entered[0]]
    after = recording.read("state")
    with arrays.reading(recording.file) as file:
        array = file[f"tap/{entered[0]}/{event['leaves'][0]}"]
    return Statistics(
        array,
        (before[mean], after.get(mean, before[mean])),
        (before[variance], after.get(variance, before[variance])),
    )


def _owns(module: str, entry: str) -> bool:
    return entry.rpartition(".")[0] == module
