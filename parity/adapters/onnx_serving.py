"""An ONNX file as a side of a comparison, inside a process of its own: onnxruntime computes it.

Every node's results are taps: the graph's outputs are extended by them. Answers what
`serving.py` answers; weights are the file's own.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters.serving import read_inputs
from restoration.errors import InputError, UnavailableError
from restoration.process import arrays
from restoration.process.serve import Session

_open: list[Graph] = []


class Graph:
    """A file, and the session that computes it."""

    def __init__(self, source: str):
        onnx, runtime = (_package(name) for name in ("onnx", "onnxruntime"))
        try:
            self.model = onnx.load(source)
        except Exception as problem:
            raise InputError(
                "onnx",
                expected="a file that can be read",
                got=str(problem).splitlines()[0] if str(problem) else type(problem).__name__,
                where=source,
                next_step="torch.onnx.export writes one",
            ) from problem
        self.outputs = [output.name for output in self.model.graph.output]
        self.state = {
            one.name: onnx.numpy_helper.to_array(one) for one in self.model.graph.initializer
        }
        self.inputs = [one.name for one in self.model.graph.input if one.name not in self.state]
        self.nodes = {
            name: node
            for node in self.model.graph.node
            for name in node.output
            if name and name not in self.outputs
        }
        self.model.graph.output.extend([onnx.ValueInfoProto(name=name) for name in self.nodes])
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        self.session = runtime.InferenceSession(
            self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, inputs: Mapping[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
        given = dict(zip(self.inputs, inputs.values(), strict=False))
        found = self.session.run(names, given)
        return {
            name: np.asarray(value)
            for name, value in zip(names, found, strict=True)
            if isinstance(value, np.ndarray)
        }


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        raise UnavailableError(
            f"{name} is not installed: pip install onnx onnxruntime, or name an interpreter that "
            "has them (--port-python)"
        ) from problem


def open_network(session: Session, *, source: str, **_: Any) -> dict[str, Any]:
    """Read the file; what `serving.open_network` says, with nodes for modules."""
    _open.append(Graph(source))
    return describe(session)


def describe(_session: Session) -> dict[str, Any]:
    graph = _open[-1]
    nodes = [{"name": "", "kind": "graph", "attributes": {}}]
    nodes += [
        {"name": node.name or node.output[0], "kind": node.op_type, "attributes": {}}
        for node in graph.model.graph.node
    ]
    entries = [
        {"name": name, "shape": list(value.shape), "dtype": str(value.dtype), "trained": False}
        for name, value in graph.state.items()
    ]
    return {"modules": nodes, "entries": entries, "inputs": graph.inputs, "engine": {}}


def write_state(_session: Session, *, path: str) -> None:
    arrays.write(Path(path), dict(_open[-1].state.items()))


def load(_session: Session, *, path: str) -> None:
    """The file's own weights stay."""
    del path


def set_mode(_session: Session, *, training: bool) -> None:
    """A graph has one mode."""


def fold(_session: Session) -> list[str]:
    return []


def tapped(
    _session: Session, *, inputs: str, path: str, training: bool = False, seed: int = 0
) -> dict[str, Any]:
    """Run once; what `serving.tapped` says."""
    del training, seed
    graph = _open[-1]
    found = graph.run(read_inputs(inputs), [*graph.outputs, *graph.nodes])
    held = {f"output/{name}": found[name] for name in graph.outputs}
    events: list[dict[str, Any]] = []
    calls: dict[str, int] = {}
    for name, node in graph.nodes.items():
        if name in found:
            module = node.name or node.output[0]
            calls[module] = calls.get(module, -1) + 1
            held[f"tap/{len(events)}/0"] = found[name]
            events.append(
                {
                    "module": module,
                    "call": calls[module],
                    "side": "out",
                    "leaves": ["0"],
                    "time": 0,
                    "frames": [],
                }
            )
    arrays.write(Path(path), held)
    return {
        "draws": 0,
        "outputs": graph.outputs,
        "events": events,
        "lines": [],
        "files": [],
        "modules": [],
    }


def run(_session: Session, *, inputs: str, path: str, seed: int = 0) -> list[str]:
    """Run once and write the outputs; their names in order."""
    del seed
    graph = _open[-1]
    found = graph.run(read_inputs(inputs), graph.outputs)
    arrays.write(Path(path), {f"output/{name}": value for name, value in found.items()})
    return graph.outputs


def gradients(_session: Session, **_: Any) -> None:
    raise UnavailableError("onnxruntime computes no gradients")
