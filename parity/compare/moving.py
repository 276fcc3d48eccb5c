"""The reference's weights in the port, and its first run with them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.adapters import rules
from parity.adapters.mapping import call_order, map_weights
from parity.adapters.networks import Recording
from parity.compare.state import State


def move_weights(
    state: State, first: Recording | None, own: Mapping[str, np.ndarray], of_reference: Recording
) -> tuple[dict[str, np.ndarray], Recording]:
    """Map the weights, and give the port the reference's unless it brings its own; the port's
    weights then, and what it gives with them.

    first: a run of a port that brings its own. own: the reference's weights.

    The order in which a port calls its modules tells which of its weights is which. That of the
    last comparison is taken for it; a port that calls them in another one is mapped anew.
    """
    port, order = state.port, _known_order(state)
    theirs = port.state()
    if first is not None:
        _map(state, own, theirs, of_reference, call_order(first.events), by_values=True)
        return theirs, first
    if order is not None:
        found = _moved(state, own, theirs, of_reference, order)
        if call_order(found[1].events) == order:
            return found
        port.load(theirs)
    order = call_order(port.record(state.options.inputs, "first", taps=False).events)
    found = _moved(state, own, theirs, of_reference, order)
    if call_order(found[1].events) == order and state.options.kept is not None:
        state.options.kept.put(_name(state), order, {}, {})
    return found


def brings_its_own(state: State) -> bool:
    """Whether the port keeps the weights that it has."""
    return state.options.port_weights is not None or state.port.has_own_weights


def _moved(
    state: State,
    own: Mapping[str, np.ndarray],
    theirs: Mapping[str, np.ndarray],
    of_reference: Recording,
    order: Mapping[str, int],
) -> tuple[dict[str, np.ndarray], Recording]:
    _map(state, own, theirs, of_reference, order, by_values=False)
    moved = state.mapped.converted(own, theirs)
    state.port.load(moved)
    return {**theirs, **moved}, state.port.record(state.options.inputs, "second")


def _map(
    state: State,
    own: Mapping[str, np.ndarray],
    theirs: Mapping[str, np.ndarray],
    of_reference: Recording,
    order: Mapping[str, int],
    *,
    by_values: bool,
) -> None:
    asked = state.options.rules
    state.mapped = map_weights(
        dict(own),
        dict(theirs),
        call_order(of_reference.events),
        order,
        by_values=by_values,
        rules=rules.read(asked) if asked else (),
        aligned=state.aligned,
    )


def _known_order(state: State) -> Mapping[str, int] | None:
    kept = state.options.kept
    entry = kept.find(_name(state)) if kept is not None else None
    return None if entry is None else dict(entry.answer)


def _name(state: State) -> str:
    kept, port = state.options.kept, state.port
    assert kept is not None
    return kept.name_of("order of calls", port.side.framework, port.side.request())
