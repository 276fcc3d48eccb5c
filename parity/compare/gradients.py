"""Gradients, where the outputs agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.adapters.networks import Recording
from parity.compare.state import State
from parity.diagnose.layouts import like
from parity.diagnose.places import port_place
from parity.report.comparison import Aligned, Finding, Place
from restoration.errors import RestorationError
from restoration.process import arrays


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
    folder = state.reference.folder
    arrays.write(folder / "port-gradients.safetensors", given)
    arrays.write(
        folder / "factors.safetensors", {str(number): one for number, one in factors.items()}
    )
    judged = state.reference.call(
        "parity.diagnose.backward:judge_gradients",
        inputs=str(state.reference.write_inputs(options.inputs, "backward")),
        weights=str(folder / "used.safetensors"),
        cotangents=str(folder / "factors.safetensors"),
        port=str(folder / "port-gradients.safetensors"),
        names=names,
        sites=[one["site"] for one in answer["sites"]],
    )
    result.compared += judged["compared"]
    result.aligned += [
        Aligned(
            f"gradient/{name}",
            Place(entry.rpartition(".")[0], entry=entry),
            Place(state.mapped.modules.get(entry.rpartition(".")[0], "")),
            ratio,
        )
        for name, ratio in judged["ratios"].items()
        for entry in [name.partition("/")[2]]
    ]
    if not judged["differing"]:
        return
    name, ratio = judged["differing"][0]
    cut = judged["cut"]
    if cut is None:
        entry = name.partition("/")[2]
        owner = entry.rpartition(".")[0]
        partner = state.mapped.modules.get(owner, "")
        result.findings.append(
            Finding(
                "gradient",
                Place(owner, entry=entry),
                Place(partner),
                ratio,
                detail=f"{len(judged['differing'])} gradients differ",
                times=1.0,
            )
        )
        return
    site = next(one for one in answer["sites"] if one["site"][:3] == cut["site"])
    partners = {**state.mapped.modules, "": ""}
    result.findings.append(
        Finding(
            "gradient",
            Place.of(site["reference"]),
            port_place(of_port, site, partners),
            ratio,
            cause="detach",
            detail=f"{len(judged['differing'])} gradients lose what flows back here",
            ratio_before=ratio,
            ratio_after=cut["ratio_after"],
            times=1.0,
        )
    )
