"""What one call does not show: a second call, another size and batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from parity.adapters import inputs as given
from parity.adapters.networks import Recording
from parity.compare.outputs import decided
from parity.compare.plainly import place_of_event
from parity.compare.state import State
from parity.compare.truth import judge_outputs
from parity.diagnose.pairing import match_outputs
from parity.judge.errors import have_equal_nonfinite, nonfinite
from parity.judge.verdicts import BOUND
from parity.report.comparison import Comparison, Finding, Place
from restoration.errors import RestorationError


def compare_repeats(state: State, of_reference: Recording, first: Recording) -> bool:
    """A second call on the same inputs must give the same, and so must one that draws other numbers
    if it draws any; whether the port is the same each time."""
    result, inputs = state.result, state.options.inputs
    if first.overwritten is not None and of_reference.overwritten is None:
        number = first.overwritten
        module = first.events[number]["module"] if number >= 0 else ""
        there = place_of_event(first, number, module)
        words = "what the caller gave has other numbers after the call"
        cause = "input changed in place"
        result.findings.append(
            Finding("code", Place(), there, float("inf"), cause=cause, detail=words)
        )
    result.expected += 1
    result.compared += 1
    again = state.port.outputs(inputs, "again", seed=1)
    if first_change(first, again, state.rounding)[1] == 0:
        return True
    for cause, seed in (("state not reset", 0), ("random", 1)):
        again = state.port.record(inputs, f"again-{seed}", seed=seed)
        place, ratio = first_change(first, again, state.rounding)
        if place is not None and seed and of_reference.draws:
            result.assumptions.append(
                f"both sides draw random numbers ({of_reference.draws} and {first.draws} arrays): "
                "those of one stream, in order"
            )
        elif place is not None:
            name = "dropout active" if seed and _drops(state, place) else cause
            result.findings.append(
                Finding("code", Place(), place, ratio, cause=name, detail="two calls differ")
            )
            return False
    return True


def compare_sizes(state: State, of_port: Recording, own: Mapping[str, np.ndarray]) -> None:
    """Another size and batch, the first size again, and a size that is odd, where the reference
    takes them. of_port: the port on the first."""
    result, problem = state.result, None
    sizes = list(given.resized(state.options.inputs))
    if not sizes:
        return
    if state.port.side.framework == "onnx":
        result.assumptions.append("no other size was compared: a graph is of one")
        return
    for inputs in sizes:
        problem = _problem_at(state, inputs, "resized", own)
        if problem is not None:
            break
    else:
        result.assumptions.append("no other size was compared: the reference takes none")
        return
    if problem:
        state.port.renew()
        is_stale = _problem_at(state, inputs, "anew", own) == ""
        result.findings.append(
            _at_size("stale buffer" if is_stale else "size baked in", inputs, problem)
        )
        return
    result.compared += 1
    result.expected += 1
    again = state.port.outputs(state.options.inputs, "after-resized")
    if ratio := first_change(of_port, again, state.rounding)[1]:
        once_more = state.port.record(state.options.inputs, "once-more")
        place, _ = first_change(of_port, once_more, state.rounding)
        there, words = place or Place(), "another result after another size"
        result.findings.append(
            Finding("code", Place(), there, ratio, cause="stale buffer", detail=words)
        )
        return
    odd = given.odd(inputs)
    if problem := _problem_at(state, odd, "odd", own):
        result.findings.append(_at_size("integer division of sizes", odd, problem))


def _at_size(cause: str, inputs: Mapping[str, np.ndarray], problem: str) -> Finding:
    shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
    detail = f"at {shapes}: {problem}"
    return Finding("code", Place(""), Place(""), float("inf"), cause=cause, detail=detail)


def _problem_at(
    state: State, inputs: Mapping[str, np.ndarray], name: str, own: Mapping[str, np.ndarray]
) -> str | None:
    """What is wrong with the port's outputs for other inputs, "" for nothing; None if the reference
    does not take them."""
    try:
        first = state.reference.outputs(inputs, name)
    except RestorationError:
        return None
    if any(nonfinite(array) for array in first.read("output").values()):
        return None
    state.result.compared += 1
    state.result.expected += 1
    try:
        other = state.port.outputs(inputs, name)
    except RestorationError as found:
        return str(found)
    theirs = other.read("output")
    outputs = match_outputs(first.read("output"), theirs, first, other)
    port = {number: theirs[name] for number, name in outputs.items()}
    judged = judge_outputs(state.reference, inputs, own, port, name)
    if judged.worst:
        there = State(
            state.reference, state.port, replace(state.options, inputs=inputs), Comparison("", "")
        )
        there.result.outputs = outputs
        said = decided(there, first, other, own)
        state.result.assumptions += [one for one in said if one not in state.result.assumptions]
        if not said:
            return f"{judged.worst:.3g} times rounding"
    is_whole = len(judged.outputs) >= len(first.outputs)
    return "" if is_whole else "other shapes of outputs"


def _drops(state: State, place: Place) -> bool:
    """Whether a place of the port is a dropout, by its class or its lines."""
    words = [state.port.kinds.get(place.module, ""), *place.source()]
    return any("drop" in word.lower() for word in words)


def first_change(
    one: Recording, other: Recording, rounding: Mapping[str, float]
) -> tuple[Place | None, float]:
    """Where two runs of one side part, and by how much their outputs differ.

    rounding: the error of float32 in an output. A framework that is asked for taps does not join
    the same operations as one that is not, so that both may be off by it.
    """
    results = one.read("output"), other.read("output")
    ratio = 0.0
    for name in one.outputs:
        if name in other.outputs:
            error = relative_error(results[0][name], results[1][name])
            if error > 2 * BOUND * max(rounding.get(name, 0.0), 2.0**-24):
                ratio = max(ratio, error)
    if not ratio:
        return None, 0.0
    ratio /= 2.0**-23
    taps = one.read("tap"), other.read("tap")
    for number, event in enumerate(one.events):
        for leaf in event["leaves"]:
            key = f"{number}/{leaf}"
            if key not in taps[1] or relative_error(taps[0][key], taps[1][key]) > 2.0**-20:
                return place_of_event(one, number, event["module"]), ratio
    return Place(), ratio


def relative_error(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return float("inf")
    if not np.issubdtype(one.dtype, np.floating):
        return 0.0 if np.array_equal(one, other) else float("inf")
    if not have_equal_nonfinite(one, other):
        return float("inf")
    one, other = one[np.isfinite(one)], other[np.isfinite(one)]
    scale = float(np.abs(one).max(initial=0.0)) or 1.0
    return float(np.abs(one.astype(np.float64) - other).max(initial=0.0)) / scale
