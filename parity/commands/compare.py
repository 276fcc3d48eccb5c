"""`parity compare REFERENCE PORT`: whether a stranger's port computes what the reference does, where
it does not, and why.
"""

from __future__ import annotations

import concurrent.futures
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters.mapping import WeightMap, call_order, map_weights
from parity.adapters.networks import Recording, Running, fitted, read_weights
from parity.adapters.sides import Side
from parity.adapters.weight_findings import compare_weights, leftovers
from parity.diagnose.pairing import container_pairings, match_outputs
from parity.diagnose.places import port_place
from parity.measure.weights import seeded_weights
from parity.report.comparison import Comparison, Finding, Place
from restoration.process import arrays
from restoration.process.launch import Process

_LOCATE = "parity.diagnose.locating:locate"


@dataclass(frozen=True)
class Options:
    """What a comparison is made of. weights, port_weights: files, or None for drawn ones."""

    inputs: Mapping[str, np.ndarray]
    weights: Path | None = None
    port_weights: Path | None = None
    seed: int = 0
    silence_s: float = 600.0


@dataclass
class _State:
    """What is known on the way."""

    reference: Running
    port: Running
    options: Options
    result: Comparison
    mapped: WeightMap = field(default_factory=WeightMap)
    first: Recording | None = None


def compare(
    reference: Side, port: Side, options: Options, show: Callable[[str, str], None]
) -> Comparison:
    """Compare two networks.

    show: takes who works and a line of progress.

    Raises:
        InputError: a side cannot be made, or the weights do not fit the reference.
    """
    result = Comparison(reference.title, port.title)
    with tempfile.TemporaryDirectory(prefix="parity-compare-") as scratch:
        folders = [Path(scratch) / name for name in ("reference", "port")]
        for folder in folders:
            folder.mkdir()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:

            def start(side: Side, folder: Path, who: str) -> Running:
                process = Process(
                    side.worker(options.silence_s),
                    show=lambda text: show(who, text),
                    warn=result.warnings.append,
                )
                running = Running(side, process, folder)
                try:
                    running.open()
                except BaseException:
                    process.close()
                    raise
                return running

            started = [
                pool.submit(start, side, folder, who)
                for side, folder, who in zip(
                    (reference, port), folders, ("reference", "port"), strict=True
                )
            ]
            running: list[Running] = []
            try:
                running += [future.result() for future in started]
                _compare(_State(running[0], running[1], options, result), pool)
            finally:
                for future in started:
                    if not future.exception():
                        future.result().process.close()
    result.conclude()
    return result


def _compare(state: _State, pool: concurrent.futures.Executor) -> None:
    options, result = state.options, state.result
    folded, raw = _load_reference(state)
    inputs = options.inputs
    of_reference = pool.submit(state.reference.record, inputs, "first")
    if options.port_weights is not None:
        weights = read_weights(options.port_weights)
        state.port.load(fitted(weights, state.port, options.port_weights))
    of_port = state.port.record(inputs, "first")
    first = of_reference.result()
    own, theirs = state.reference.state(), state.port.state()
    state.mapped = map_weights(
        own,
        theirs,
        call_order(first.events),
        call_order(of_port.events),
        by_values=options.port_weights is not None,
    )
    result.assumptions += state.mapped.assumptions
    if options.port_weights is None:
        moved = {
            pair.port: pair.move.forward(own[pair.reference], theirs[pair.port].shape)
            for pair in state.mapped.pairs
        }
        state.port.load(moved)
        theirs = theirs | moved
        of_port = state.port.record(inputs, "second")
    _compare_weights(state, own, theirs, raw, folded)
    used = _weights_of_port(state, own, theirs)
    _compare_outputs(state, first, of_port, own)
    _locate(state, first, of_port, used)


def _load_reference(state: _State) -> tuple[list[str], dict[str, np.ndarray]]:
    """Give the reference its weights; names of those that were folded, and the file's contents."""
    options, reference = state.options, state.reference
    if options.weights is not None:
        raw = read_weights(options.weights)
        reference.load(fitted(raw, reference, options.weights))
    else:
        raw = dict(seeded_weights(reference.state(), (options.seed,)))
        reference.load(raw)
        state.result.assumptions.append(f"weights were drawn (seed {options.seed})")
    folded = reference.ask("fold")
    if folded:
        reference.describe()
        state.result.assumptions.append(
            f"{len(folded)} weights of the reference that norms compute were folded"
        )
    return folded, raw


def _compare_weights(
    state: _State,
    own: Mapping[str, np.ndarray],
    theirs: Mapping[str, np.ndarray],
    raw: Mapping[str, np.ndarray],
    folded: Sequence[str],
) -> None:
    result, mapped = state.result, state.mapped
    result.expected += len(mapped.pairs)
    result.compared += len(mapped.pairs)
    for difference in compare_weights(own, theirs, mapped, raw, folded):
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
            result.expected += 1
            result.findings.append(
                Finding(
                    "weights",
                    place if is_reference else empty,
                    empty if is_reference else place,
                    0.0,
                    detail="no partner on the other side",
                    is_gap=True,
                )
            )


def _weights_of_port(
    state: _State, own: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The port's weights by the reference's names, so that its code is judged apart from them."""
    used = dict(own)
    for pair in state.mapped.pairs:
        try:
            used[pair.reference] = pair.move.back(theirs[pair.port], own[pair.reference].shape)
        except ValueError:
            continue
    return used


def _compare_outputs(
    state: _State, first: Recording, of_port: Recording, own: Mapping[str, np.ndarray]
) -> None:
    """Judge the outputs against the reference in float64 on its own weights."""
    result = state.result
    result.outputs = match_outputs(first.read("output"), of_port.read("output"), first, of_port)
    answer = _ask(state, first, of_port, own, "own", pairings=[], events=[], causes=False)
    result.expected += len(first.outputs)
    result.compared += answer["compared"]
    result.output_ratio = max((one["ratio"] for one in answer["findings"]), default=0.0)
    result.outputs_differ = bool(answer["findings"])
    if len(result.outputs) < len(first.outputs):
        result.assumptions.append(
            f"the reference has {len(first.outputs)} outputs, the port {len(of_port.outputs)}"
        )


def _locate(
    state: _State, first: Recording, of_port: Recording, used: Mapping[str, np.ndarray]
) -> None:
    result = state.result
    pairings = container_pairings(state.mapped, state.reference.about, state.port.about)
    answer = _ask(
        state,
        first,
        of_port,
        used,
        "used",
        pairings=[[one.reference, one.port, one.is_strong, list(one.sides)] for one in pairings],
        events=of_port.events,
        causes=True,
    )
    result.expected += answer["compared"]
    result.compared += answer["compared"]
    partners = {one.reference: one.port for one in pairings}
    for found in answer["findings"]:
        place = port_place(of_port, found, partners)
        causes = found["causes"] or [None]
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
                )
            )


def _ask(
    state: _State,
    first: Recording,
    of_port: Recording,
    weights: Mapping[str, np.ndarray],
    name: str,
    **options: Any,
) -> Any:
    path = state.reference.folder / f"{name}.safetensors"
    arrays.write(path, {key: np.asarray(value) for key, value in weights.items()})
    return state.reference.process.call(
        _LOCATE,
        {
            "inputs": str(state.reference.write_inputs(state.options.inputs, "locate")),
            "port": str(of_port.file),
            "kinds": state.port.kinds,
            "outputs": {str(one): other for one, other in state.result.outputs.items()},
            "weights": str(path),
            **options,
        },
    )


