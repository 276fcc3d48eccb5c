"""Outputs, and the stretches of code that lead to them, against a reference in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.adapters.networks import Recording
from parity.compare.modules import align
from parity.compare.reproductions import reproduce_stretch
from parity.compare.state import State, ask_reference
from parity.diagnose.pairing import container_pairings, match_outputs
from parity.diagnose.places import port_place
from parity.report.comparison import Finding, Place


def compare_outputs(
    state: State, first: Recording, of_port: Recording, own: Mapping[str, np.ndarray]
) -> None:
    """Judge the outputs against the reference in float64 on its own weights."""
    result = state.result
    result.outputs = match_outputs(first.read("output"), of_port.read("output"), first, of_port)
    answer = ask_reference(state, first, of_port, own, "own", pairings=[], events=[], causes=False)
    result.expected += len(first.outputs)
    result.compared += answer["compared"]
    result.output_ratio = max((one["ratio"] for one in answer["findings"]), default=0.0)
    result.outputs_differ = bool(answer["findings"])
    result.assumptions += answer["decided"]
    if len(result.outputs) < len(first.outputs):
        result.assumptions.append(
            f"the reference has {len(first.outputs)} outputs, the port {len(of_port.outputs)}"
        )


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
        reproductions=str(state.reference.folder / "parts") if state.options.reproductions else "",
    )
    result.expected += answer["compared"]
    result.compared += answer["compared"]
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
                )
            )
    return dict(answer)
