"""Gradients, where the outputs agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters.networks import Recording
from parity.adapters.sides import FILES
from parity.compare.reproductions import reproduce_gradient
from parity.compare.state import State
from parity.diagnose.backward import ratios_of
from parity.diagnose.layouts import like
from parity.diagnose.places import port_place
from parity.judge.verdicts import BOUND
from parity.report.comparison import Aligned, Finding, Place
from restoration.errors import RestorationError
from restoration.process import arrays

_BACKWARD = "parity.diagnose.backward"


def compare_gradients(
    state: State, first: Recording, of_port: Recording, answer: Mapping[str, Any]
) -> None:
    """Outputs agree: so must the gradients of the sum of each output times white noise."""
    result, options = state.result, state.options
    ours, theirs = first.read("output"), of_port.read("output")
    rng = np.random.default_rng(options.seed)
    factors: dict[int, np.ndarray] = {}
    of_theirs: dict[int, np.ndarray] = {}
    for number, name in result.outputs.items():
        output = ours[first.outputs[number]]
        if not np.issubdtype(output.dtype, np.floating):
            continue
        factor = rng.standard_normal(output.shape).astype(np.float32)
        moved = like(factor, output, theirs[name])
        if moved is None:
            continue
        factors[number] = factor
        of_theirs[of_port.outputs.index(name)] = moved
    entries = [name for name, trained in state.reference.trained.items() if trained]
    names = [
        ["input", name]
        for name, array in options.inputs.items()
        if np.issubdtype(array.dtype, np.floating)
    ] + [["parameter", name] for name in entries]
    result.expected += len(names)
    if not factors:
        return
    try:
        found = state.port.gradients(options.inputs, of_theirs)
    except RestorationError as problem:
        result.assumptions.append(f"the port gave no gradients: {problem}")
        return
    shapes = {entry["name"]: entry["shape"] for entry in state.reference.about["entries"]}
    given: dict[str, np.ndarray] = {
        name: array for name, array in found.items() if name.startswith("input/")
    }
    empty = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    of_parameters = {
        pair.port: array
        for pair in state.mapped.pairs
        if (array := found.get(f"parameter/{pair.port}")) is not None
        and pair.of_port(array).size == pair.of_reference(empty[pair.reference]).size
    }
    of_reference = state.mapped.restored(of_parameters, empty)
    given |= {f"parameter/{name}": array for name, array in of_reference.items()}
    reference, folder = state.reference, state.reference.folder
    factors_file = folder / "factors.safetensors"
    arrays.write(factors_file, {str(number): one for number, one in factors.items()})
    truth = folder / "gradients-truth.safetensors"
    asked = {
        "inputs": str(reference.write_inputs(options.inputs, "backward")),
        "weights": str(folder / "used.safetensors"),
        "cotangents": str(factors_file),
        "names": names,
    }
    units = reference.call(f"{_BACKWARD}:measure_gradients", **asked, path=str(truth))
    with arrays.reading(truth) as file:
        ratios = ratios_of(given, {name: file[name] for name in file.names}, units)
    result.compared += len(ratios)
    result.aligned += [
        Aligned(
            f"gradient/{name}",
            Place(entry.rpartition(".")[0], entry=entry),
            Place(state.mapped.modules.get(entry.rpartition(".")[0], "")),
            ratio,
        )
        for name, ratio in ratios.items()
        for entry in [name.partition("/")[2]]
    ]
    differing = sorted(
        ((name, ratio) for name, ratio in ratios.items() if ratio > BOUND),
        key=lambda item: -item[1],
    )
    if not differing:
        return
    arrays.write(folder / "port-gradients.safetensors", given)
    change = reference.call(
        f"{_BACKWARD}:find_change",
        **asked,
        truth=str(truth),
        units=units,
        port=str(folder / "port-gradients.safetensors"),
        sites=[one["site"] for one in answer["sites"]],
    )
    result.findings.append(_finding(state, of_port, answer, differing, change))


def _finding(
    state: State,
    of_port: Recording,
    answer: Mapping[str, Any],
    differing: Sequence[tuple[str, float]],
    change: Mapping[str, Any] | None,
) -> Finding:
    """What is told of gradients that differ, the worst first, and of where one is changed."""
    name, ratio = differing[0]
    if change is None:
        entry = name.partition("/")[2]
        owner = entry.rpartition(".")[0]
        partner = state.mapped.modules.get(owner, "")
        return Finding(
            "gradient",
            Place(owner, entry=entry),
            Place(partner),
            ratio,
            detail=f"{len(differing)} gradients differ",
            reproduction=_reproduction(state, of_port, differing),
            times=1.0,
        )
    site = next(one for one in answer["sites"] if one["site"][:3] == change["site"])
    partners = {**state.mapped.modules, "": ""}
    factor = change["factor"]
    cause = "gradient scale" if factor else "detach"
    words = f"count {factor:g} times" if factor else "lose"
    return Finding(
        "gradient",
        Place.of(site["reference"]),
        port_place(of_port, site, partners),
        ratio,
        cause=cause,
        detail=f"{len(differing)} gradients {words} what flows back here",
        ratio_before=ratio,
        ratio_after=change["ratio_after"],
        times=1.0,
    )


def _reproduction(
    state: State, of_port: Recording, differing: Sequence[tuple[str, float]]
) -> Path | None:
    """A folder that shows the gradient by a weight that differs most; None where there can be
    none."""
    if state.options.reproductions is None or state.port.side.framework in FILES:
        return None
    whole = {
        f"parameter/{pair.reference}": pair
        for pair in state.mapped.pairs
        if not pair.reference_part and not pair.port_part
    }
    for name, ratio in differing:
        if name in whole:
            words = f"The gradient by {whole[name].reference} differs: {ratio:.3g} times rounding"
            return reproduce_gradient(state, of_port, whole[name], words)
    return None
