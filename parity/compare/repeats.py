"""What one call does not show: a second call, another size and batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from parity.adapters import inputs as given
from parity.adapters.networks import Recording
from parity.compare.state import State, ask_reference
from parity.diagnose.pairing import match_outputs
from parity.judge.errors import have_equal_nonfinite
from parity.judge.verdicts import BOUND
from parity.report.comparison import Comparison, Finding, Place
from restoration.errors import RestorationError


def compare_repeats(state: State, first: Recording) -> bool:
    """A second call on the same inputs must give the same, and so must one that draws other numbers
    if it draws any; whether the port is the same each time."""
    result, inputs = state.result, state.options.inputs
    result.expected += 1
    result.compared += 1
    for cause, seed in (("state not reset", 0), ("random", 1)):
        again = state.port.record(inputs, f"again-{seed}", seed=seed)
        place, ratio = _first_change(first, again)
        if place is not None:
            result.findings.append(
                Finding("code", Place(), place, ratio, cause=cause, detail="two calls differ")
            )
            return False
    return True


def compare_sizes(state: State, own: Mapping[str, np.ndarray]) -> None:
    """Another size and another batch, where the reference takes them."""
    result = state.result
    inputs = given.enlarged(state.options.inputs)
    if inputs is None:
        return
    if state.port.side.framework == "onnx":
        result.assumptions.append("no other size was compared: a graph is of one")
        return
    try:
        first = state.reference.record(inputs, "larger")
    except RestorationError:
        result.assumptions.append("no other size was compared: the reference takes none")
        return
    result.expected += 1
    problem = ""
    try:
        other = state.port.record(inputs, "larger")
    except RestorationError as found:
        problem = str(found)
    else:
        outputs = match_outputs(first.read("output"), other.read("output"), first, other)
        larger = State(
            state.reference, state.port, replace(state.options, inputs=inputs), Comparison("", "")
        )
        larger.result.outputs = outputs
        answer = ask_reference(
            larger, first, other, own, "own", pairings=[], events=[], causes=False
        )
        if answer["findings"]:
            ratio = max(one["ratio"] for one in answer["findings"])
            problem = f"{ratio:.3g} times rounding"
        elif len(outputs) < len(first.outputs):
            problem = "other shapes of outputs"
    result.compared += 1
    if problem:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
        result.findings.append(
            Finding(
                "code",
                Place(""),
                Place(""),
                float("inf"),
                cause="size baked in",
                detail=f"at {shapes}: {problem}",
            )
        )


def _first_change(one: Recording, other: Recording) -> tuple[Place | None, float]:
    """Where two runs of one side part, and by how much their outputs differ."""
    names = [name for name in one.outputs if name in other.outputs]
    results = one.read("output"), other.read("output")
    ratio = max((relative_error(results[0][name], results[1][name]) for name in names), default=0.0)
    if ratio <= BOUND * 2.0**-23:
        return None, 0.0
    ratio /= 2.0**-23
    taps = one.read("tap"), other.read("tap")
    for number, event in enumerate(one.events):
        for leaf in event["leaves"]:
            key = f"{number}/{leaf}"
            if key not in taps[1] or relative_error(taps[0][key], taps[1][key]) > 2.0**-20:
                file, line, _ = event["frames"][0] if event["frames"] else (None, None, "")
                return Place(event["module"], file, line, line), ratio
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
