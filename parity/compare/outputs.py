"""Outputs, and the stretches of code that lead to them, against a reference in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.adapters.networks import Recording
from parity.compare.modules import align
from parity.compare.plainly import place_of_event
from parity.compare.reproductions import reproduce_stretch
from parity.compare.state import State, ask_reference
from parity.compare.truth import judge_outputs
from parity.diagnose.pairing import container_pairings, match_outputs
from parity.diagnose.places import port_place
from parity.report.comparison import Aligned, Finding, Place


def compare_outputs(
    state: State, first: Recording, of_port: Recording, own: Mapping[str, np.ndarray]
) -> None:
    """Judge the outputs against the reference in float64 on its own weights."""
    result = state.result
    result.outputs = match_outputs(first.read("output"), of_port.read("output"), first, of_port)
    theirs = of_port.read("output")
    given = {number: theirs[name] for number, name in result.outputs.items()}
    judged = judge_outputs(state.reference, state.options.inputs, own, given, "own")
    state.rounding = {result.outputs[number]: one.unit for number, one in judged.outputs.items()}
    result.expected += len(first.outputs)
    result.compared += len(judged.outputs)
    result.output_ratio = judged.worst
    result.outputs_differ = judged.worst > 0
    result.aligned += [
        Aligned(f"output/{number}", Place(), Place(), one.ratio, 1.0, one.error, one.unit)
        for number, one in judged.outputs.items()
    ]
    if result.outputs_differ and (said := decided(state, first, of_port, own)):
        result.outputs_differ, result.output_ratio = False, 0.0
        result.assumptions += said
    if len(result.outputs) < len(first.outputs):
        result.assumptions.append(
            f"the reference has {len(first.outputs)} outputs, the port {len(of_port.outputs)}"
        )


def decided(
    state: State, first: Recording, of_port: Recording, own: Mapping[str, np.ndarray]
) -> list[str]:
    """The decisions with which all outputs are the reference's, in words; none where they are not,
    or none is within rounding."""
    answer = ask_reference(
        state, first, of_port, own, "decided", pairings=[], events=[], causes=False
    )
    return [] if answer["findings"] else list(answer["decided"])


def locate(
    state: State, first: Recording, of_port: Recording, used: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Find stretches that differ, and why; what the reference's process said."""
    result = state.result
    pairings = container_pairings(
        state.mapped, state.reference.about, state.port.about, state.aligned
    )
    answer = ask_reference(
        state,
        first,
        of_port,
        used,
        "used",
        pairings=[[one.reference, one.port, one.is_strong, list(one.sides)] for one in pairings],
        events=of_port.events,
        causes=True,
        is_likely=not result.outputs_differ,
        reproductions=str(state.reference.folder / "parts") if state.options.reproductions else "",
    )
    result.assumptions += [one for one in answer["decided"] if one not in result.assumptions]
    result.expected += answer["compared"]
    result.compared += answer["compared"]
    # A tap may be met twice, as its own numbers and as those of the next module: once is enough.
    met: dict[tuple[str, str], Aligned] = {}
    for one in answer["aligned"]:
        tap = _aligned(one, of_port)
        known = met.setdefault((tap.array, tap.port.module), tap)
        met[tap.array, tap.port.module] = max(known, tap, key=lambda each: each.ratio)
    result.aligned[:0] = met.values()
    align(state, pairings, alike=answer["alike"], ratios=answer["ratios"])
    partners = {one.reference: one.port for one in pairings}
    for found in answer["findings"]:
        place = port_place(of_port, found, partners)
        causes = found["causes"] or [None]
        shown = None
        if found["reproduction"]:
            where = Place.of(found["reference"])
            words = f"{where.in_words} / {place.in_words}: {found['ratio']:.3g} times rounding"
            shown = reproduce_stretch(state, first, of_port, found, words)
        for cause in causes:
            where = cause["reference"] if cause else found["reference"]
            result.findings.append(
                Finding(
                    found["kind"],
                    Place.of(where),
                    place,
                    found["ratio"],
                    cause=cause["name"] if cause else "",
                    detail=cause["detail"] if cause else "",
                    ratio_before=found["ratio"],
                    ratio_after=cause["ratio_after"] if cause else None,
                    reproduction=shown,
                    times=found["times"],
                )
            )
    return dict(answer)


def _aligned(found: Mapping[str, Any], of_port: Recording) -> Aligned:
    """What `locate` compared at a tap; the port's call, side and line are those of its event."""
    module, frame, number = found["module"], found["frame"], found["event"]
    reference = Place(module, frame[0], frame[1], frame[1]) if frame else Place(module)
    numbers = (found[name] for name in ("ratio", "times", "error", "unit"))
    event = of_port.events[number]
    array = f"tap/{module or '(network)'}#{event['call']}.{found['side']}0"
    return Aligned(array, reference, place_of_event(of_port, number, event["module"]), *numbers)
