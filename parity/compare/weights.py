"""Weights of a port against the reference's, and the map between them as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from parity.adapters import rules
from parity.adapters.mapping import role_of
from parity.adapters.weight_findings import Weights, compare_weights, leftovers
from parity.compare.state import State
from parity.report.comparison import Finding, Place
from restoration.errors import writing_to


def write_map(
    state: State, own: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> None:
    """Write the map and the converted weights, where that was asked for."""
    options, mapped = state.options, state.mapped
    if options.write_rules:
        with writing_to(options.write_rules, "file to write"):
            rules.write(options.write_rules, mapped)
    if options.write_converted:
        with writing_to(options.write_converted, "file to write"):
            rules.write_converted(options.write_converted, mapped.converted(own, theirs))


def compare_all_weights(
    state: State,
    own: Mapping[str, np.ndarray],
    theirs: Mapping[str, np.ndarray],
    raw: Mapping[str, np.ndarray],
    folded: Sequence[str],
) -> None:
    result, mapped = state.result, state.mapped
    result.expected += len(mapped.pairs)
    result.compared += len(mapped.pairs)
    for difference in compare_weights(Weights(own, theirs, raw, folded), mapped):
        result.findings.append(
            Finding(
                "weights",
                Place(difference.reference.rpartition(".")[0], entry=difference.reference),
                Place(difference.port.rpartition(".")[0], entry=difference.port),
                difference.ratio,
                cause=difference.cause,
                detail=difference.detail,
                ratio_before=difference.ratio,
            )
        )
    for names, running, is_reference in (
        (mapped.reference_left, state.reference, True),
        (mapped.port_left, state.port, False),
    ):
        values = own if is_reference else theirs
        matter, passing = leftovers(names, values, running.trained)
        if passing:
            result.assumptions.append(
                f"without a partner and without influence: {', '.join(passing[:4])}"
                + (f" and {len(passing) - 4} more" if len(passing) > 4 else "")
            )
        for name in matter:
            place = Place(name.rpartition(".")[0], entry=name)
            empty = Place("")
            cause = ""
            if role_of(name) == "bias":
                cause = "bias missing" if is_reference else "bias extra"
            result.expected += 1
            result.findings.append(
                Finding(
                    "weights",
                    place if is_reference else empty,
                    empty if is_reference else place,
                    0.0,
                    cause=cause,
                    detail="no partner on the other side",
                    is_gap=True,
                )
            )


def weights_of_port(
    state: State, own: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The port's weights by the reference's names, so that its code is judged apart from them."""
    return dict(own) | state.mapped.restored(theirs, own)
