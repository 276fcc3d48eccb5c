"""`parity compare REFERENCE PORT`: whether a stranger's port computes what the reference does.

Where it does not, and why, is found by `parity/diagnose`.
"""

from __future__ import annotations

import concurrent.futures
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters import inputs as given
from parity.adapters import rules
from parity.adapters.mapping import WeightMap, call_order, drawn, map_weights, role_of
from parity.adapters.networks import Recording, Running, fitted, read_weights
from parity.adapters.recorded import Recorded
from parity.adapters.sides import FILES, Side
from parity.adapters.weight_findings import Weights, compare_weights, leftovers
from parity.diagnose.attributes import difference_of_attributes
from parity.diagnose.layouts import like
from parity.diagnose.pairing import container_pairings, match_outputs
from parity.diagnose.places import port_place
from parity.diagnose.plain import outputs_side_by_side, side_by_side
from parity.diagnose.plain import own as own_differences
from parity.diagnose.statistics import Statistics, compare_statistics
from parity.judge.errors import have_equal_nonfinite, nonfinite
from parity.judge.verdicts import BOUND
from parity.measure.problem import Problem
from parity.report.comparison import Aligned, Comparison, Finding, Place
from restoration.errors import InputError, RestorationError
from restoration.process import arrays
from restoration.process.frameworks import REFERENCE
from restoration.process.launch import Process

_MOVED_RUNS = 3
_LOCATE = "parity.diagnose.locating:locate"


@dataclass(frozen=True)
class Options:
    """What a comparison is made of.

    inputs: by the reference's names, in order; empty where `inputs_file` holds them, or where they
    are found by trying. weights, port_weights: files, or None for drawn ones, and the reference's.
    rules: a file with the map of weights. write_rules, write_converted: where to write the map, and
    the reference's weights by the port's names.
    """

    inputs: Mapping[str, np.ndarray]
    inputs_file: Path | None = None
    weights: Path | None = None
    port_weights: Path | None = None
    rules: Path | None = None
    write_rules: Path | None = None
    write_converted: Path | None = None
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
    result = Comparison(reference.title, port.title, framework=port.framework)
    with tempfile.TemporaryDirectory(prefix="parity-compare-") as scratch:
        folders = [Path(scratch) / name for name in ("reference", "port")]
        for folder in folders:
            folder.mkdir()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:

            def start(side: Side, folder: Path, who: str) -> Running:
                return start_side(
                    side,
                    folder,
                    options.silence_s,
                    lambda text: show(who, text),
                    result.warnings.append,
                )

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
                        future.result().close()
    result.conclude()
    return result


def start_side(
    side: Side,
    folder: Path,
    silence_s: float,
    show: Callable[[str], None],
    warn: Callable[[str], None],
) -> Running:
    """The network of a side, in a process of its own; or what was recorded of it.

    Raises:
        InputError: the side cannot be made.
        UnavailableError: its framework or interpreter is not there.
    """
    if side.framework == "arrays":
        return Recorded(side, folder)
    running = Running(side, Process(side.worker(silence_s), show=show, warn=warn), folder)
    try:
        running.open()
    except BaseException:
        running.close()
        raise
    return running


def _compare(state: _State, pool: concurrent.futures.Executor) -> None:
    result = state.result
    folded, raw = _load_reference(state)
    state.options = options = _with_inputs(state)
    inputs = options.inputs
    of_reference = pool.submit(state.reference.record, inputs, "first")
    if options.port_weights is not None:
        weights = read_weights(options.port_weights)
        state.port.load(fitted(weights, state.port, options.port_weights))
    of_port = state.port.record(inputs, "first")
    first = of_reference.result()
    _check_finite(first, state.reference.side.title)
    own, theirs = state.reference.state(), state.port.state()
    state.mapped = map_weights(
        own,
        theirs,
        call_order(first.events),
        call_order(of_port.events),
        by_values=options.port_weights is not None or state.port.side.framework in FILES,
        rules=rules.read(options.rules) if options.rules else (),
    )
    _write_map(state, own, theirs)
    result.assumptions += state.mapped.assumptions
    if options.port_weights is None and state.port.side.framework not in FILES:
        moved = {
            pair.port: pair.move.forward(own[pair.reference], theirs[pair.port].shape)
            for pair in state.mapped.pairs
        }
        state.port.load(moved)
        theirs = theirs | moved
        of_port = state.port.record(inputs, "second")
    _compare_weights(state, own, theirs, raw, folded)
    used = _weights_of_port(state, own, theirs)
    if state.reference.side.framework != REFERENCE:
        _compare_plainly(state, first, of_port)
        return
    _compare_outputs(state, first, of_port, own)
    is_live = state.port.is_live
    if is_live and not _compare_repeats(state, of_port):
        return
    answer = _locate(state, first, of_port, used)
    if not is_live:
        result.assumptions.append(
            "the port was recorded: its outputs and modules are compared, no gradients, no second "
            "call and no other size"
        )
        return
    if state.port.side.framework == "onnx":
        result.assumptions.append("onnxruntime computes no gradients: none were compared")
    elif not answer["findings"] and not result.outputs_differ:
        _compare_gradients(state, first, of_port, answer)
    _compare_statistics(state)
    if result.is_clean:
        _compare_sizes(state, own)


def _write_map(
    state: _State, own: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> None:
    """Write the map and the converted weights, where that was asked for."""
    options, mapped = state.options, state.mapped
    try:
        if options.write_rules:
            rules.write(options.write_rules, mapped)
        if options.write_converted:
            moved = {
                pair.port: pair.move.forward(own[pair.reference], theirs[pair.port].shape)
                for pair in mapped.pairs
            }
            rules.write_converted(options.write_converted, moved)
    except OSError as problem:
        raise InputError(
            "file to write",
            expected="a place that can be written",
            got=str(problem.strerror or problem),
            where=str(options.write_rules or options.write_converted),
            next_step="choose another",
        ) from problem


def _check_finite(recording: Recording, title: str) -> None:
    """Raise InputError where a network overflows by itself: nothing can be judged by it."""
    for name, array in recording.read("output").items():
        if problem := nonfinite(array):
            raise InputError(
                f"outputs of {title}",
                expected="finite numbers",
                got=problem,
                where=f"output {name or 0}",
                next_step="give other weights or inputs",
            )


def _with_inputs(state: _State) -> Options:
    """The options with inputs: recorded, read, drawn, or found by trying.

    Raises:
        InputError: the reference takes none of those that are tried.
    """
    options = state.options
    for running in (state.port, state.reference):
        if isinstance(running, Recorded) and not options.inputs and not options.inputs_file:
            return replace(options, inputs=running.inputs)
    inputs, assumption = chosen_inputs(state.reference, options)
    state.result.assumptions += [assumption] if assumption else []
    return replace(options, inputs=inputs)


def chosen_inputs(running: Running, options: Options) -> tuple[Mapping[str, np.ndarray], str]:
    """Inputs for a side, and what was assumed, or "".

    Raises:
        InputError: it takes none of those that are tried.
    """
    names = running.about["inputs"]
    if options.inputs_file is not None:
        return given.read(options.inputs_file, names), ""
    if options.inputs:
        return options.inputs, ""
    problem = ""
    for inputs in given.tried(names, options.seed):
        try:
            running.run(inputs, "trial")
        except RestorationError as found:
            problem = str(found)
            continue
        shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
        return inputs, f"inputs were found by trying: {shapes}"
    raise InputError(
        "inputs",
        expected="some that the reference takes",
        got=f"none by trying ({problem})",
        where=running.side.title,
        next_step="give them with --inputs FILE or --input NAME=SHAPE",
    )


def _load_reference(state: _State) -> tuple[list[str], dict[str, np.ndarray]]:
    """Give the reference its weights; names of those that were folded, and the file's contents."""
    options, reference = state.options, state.reference
    if options.weights is not None:
        raw = read_weights(options.weights)
        reference.load(fitted(raw, reference, options.weights))
    else:
        raw = dict(drawn(reference.state(), options.seed))
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


def _compare_plainly(state: _State, first: Recording, of_port: Recording) -> None:
    """Compare taps side by side: the reference is no PyTorch, so nothing is changed in it."""
    result, reference = state.result, state.reference
    result.assumptions.append(
        "the reference is not PyTorch: the bound comes from float32 runs moved by an ulp, places "
        "from taps side by side, causes from attributes alone"
    )
    moved = []
    if reference.is_live:
        plain = reference.state()
        for seed in range(_MOVED_RUNS):
            problem = Problem(state.options.inputs, weights=plain).perturbed(1, (seed,))
            reference.load(problem.weights)
            moved.append(reference.record(problem.inputs, f"moved-{seed}"))
        reference.load(plain)
    else:
        result.assumptions.append("the reference was recorded: float32 is taken to be one ulp off")
    result.outputs = match_outputs(first.read("output"), of_port.read("output"), first, of_port)
    pairings = container_pairings(state.mapped, reference.about, state.port.about)
    outputs = outputs_side_by_side(first, moved, of_port, result.outputs)
    compared = side_by_side(first, moved, of_port, pairings)
    result.expected += len(first.outputs) + len(compared)
    result.compared += len(outputs) + len(compared)
    result.output_ratio = max((one.ratio for one in outputs), default=0.0)
    result.outputs_differ = any(one.differs for one in outputs)
    own = own_differences(compared) if result.outputs_differ else []
    # A tap that differs without consequence stands for something else.
    meant = [one for one in compared if not one.differs or any(one is other for other, _ in own)]
    for one in (*meant, *outputs):
        number = one.events[0]
        call = first.events[number]["call"] if number >= 0 else 0
        array = f"tap/{one.module or '(network)'}#{call}.{one.side}0"
        both = zip((first, of_port), one.events, (one.module, one.port), strict=True)
        places = [_place_of_event(recording, event, module) for recording, event, module in both]
        result.aligned.append(
            Aligned(array if number >= 0 else "output/0", places[0], places[1], one.ratio)
        )
    frameworks = reference.side.framework, state.port.side.framework
    for one, inherited in own:
        cause, detail = "", ""
        if one.side == "out" and not inherited:
            attributes = reference.attributes.get(one.module, {})
            others = state.port.attributes.get(one.port, {})
            cause, detail = difference_of_attributes(attributes, others, frameworks)
        places = [
            _place_of_event(recording, event, module)
            for recording, event, module in zip(
                (first, of_port), one.events, (one.module, one.port), strict=True
            )
        ]
        result.findings.append(
            Finding(
                "module" if one.side == "out" else "code",
                places[0],
                places[1],
                one.ratio,
                inherited=inherited,
                cause=cause,
                detail=detail,
                ratio_before=one.ratio,
                times=1.0,
            )
        )


def _aligned(found: Mapping[str, Any], of_port: Recording) -> Aligned:
    """What `locate` compared. The port's call, side and line are those of the event it is at."""
    module, frame, number = found["module"], found["frame"], found["event"]
    reference = Place(module, frame[0], frame[1], frame[1]) if frame else Place(module)
    numbers = (found[name] for name in ("ratio", "times", "error", "unit"))
    if number is None:
        return Aligned(f"output/{found['output']}", reference, Place(), *numbers)
    event = of_port.events[number]
    array = f"tap/{module or '(network)'}#{event['call']}.{found['side']}0"
    return Aligned(array, reference, _place_of_event(of_port, number, event["module"]), *numbers)


def _place_of_event(recording: Recording, number: int, module: str) -> Place:
    frames = recording.events[number]["frames"] if number >= 0 else []
    if not frames:
        return Place(module)
    return Place(module, frames[0][0], frames[0][1], frames[0][1])


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
    result.aligned += [_aligned(one, of_port) for one in answer["aligned"]]
    if len(result.outputs) < len(first.outputs):
        result.assumptions.append(
            f"the reference has {len(first.outputs)} outputs, the port {len(of_port.outputs)}"
        )


def _locate(
    state: _State, first: Recording, of_port: Recording, used: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Find stretches that differ, and why; what the reference's process said."""
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
    # A tap may be met twice, as its own numbers and as those of the next module: once is enough.
    met: dict[tuple[str, str], Aligned] = {}
    for one in answer["aligned"]:
        if one["event"] is not None:
            tap = _aligned(one, of_port)
            known = met.setdefault((tap.array, tap.port.module), tap)
            met[tap.array, tap.port.module] = max(known, tap, key=lambda each: each.ratio)
    result.aligned[:0] = met.values()
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
                    times=found["times"],
                )
            )
    return dict(answer)


def _compare_gradients(
    state: _State, first: Recording, of_port: Recording, answer: Mapping[str, Any]
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
    for pair in state.mapped.pairs:
        array = found.get(f"parameter/{pair.port}")
        if array is not None and array.size == int(np.prod(shapes[pair.reference])):
            given[f"parameter/{pair.reference}"] = pair.move.back(array, shapes[pair.reference])
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


def _compare_statistics(state: _State) -> None:
    """Moving statistics after one call in training mode."""
    moving = {
        pair.reference: pair.port
        for pair in state.mapped.pairs
        if role_of(pair.reference).startswith("running")
    }
    if not moving:
        return
    inputs = state.options.inputs
    ours = state.reference.record(inputs, "training", training=True)
    theirs = state.port.record(inputs, "training", training=True)
    old = state.reference.state(), state.port.state()
    for module in dict.fromkeys(name.rpartition(".")[0] for name in moving):
        partner = state.mapped.modules[module]
        found = [
            _statistics(recording, before, names)
            for recording, before, names in zip(
                (ours, theirs),
                old,
                (
                    {role_of(name): name for name in moving if _owns(module, name)},
                    {role_of(name): name for name in moving.values() if _owns(partner, name)},
                ),
                strict=True,
            )
        ]
        state.result.expected += 1
        if found[0] is None or found[1] is None:
            continue
        state.result.compared += 1
        difference = compare_statistics(found[0], found[1])
        if difference is not None:
            state.result.findings.append(
                Finding(
                    "module",
                    Place(module),
                    Place(partner),
                    difference.ratio,
                    cause=difference.cause,
                    detail=difference.detail,
                    ratio_before=difference.ratio,
                    ratio_after=difference.ratio_after,
                )
            )


def _compare_repeats(state: _State, first: Recording) -> bool:
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


def _first_change(one: Recording, other: Recording) -> tuple[Place | None, float]:
    """Where two runs of one side part, and by how much their outputs differ."""
    names = [name for name in one.outputs if name in other.outputs]
    results = one.read("output"), other.read("output")
    ratio = max((_relative(results[0][name], results[1][name]) for name in names), default=0.0)
    if ratio <= BOUND * 2.0**-23:
        return None, 0.0
    ratio /= 2.0**-23
    taps = one.read("tap"), other.read("tap")
    for number, event in enumerate(one.events):
        for leaf in event["leaves"]:
            key = f"{number}/{leaf}"
            if key not in taps[1] or _relative(taps[0][key], taps[1][key]) > 2.0**-20:
                file, line, _ = event["frames"][0] if event["frames"] else (None, None, "")
                return Place(event["module"], file, line, line), ratio
    return Place(), ratio


def _relative(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return float("inf")
    if not np.issubdtype(one.dtype, np.floating):
        return 0.0 if np.array_equal(one, other) else float("inf")
    if not have_equal_nonfinite(one, other):
        return float("inf")
    one, other = one[np.isfinite(one)], other[np.isfinite(one)]
    scale = float(np.abs(one).max(initial=0.0)) or 1.0
    return float(np.abs(one.astype(np.float64) - other).max(initial=0.0)) / scale


def _compare_sizes(state: _State, own: Mapping[str, np.ndarray]) -> None:
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
        larger = _State(
            state.reference, state.port, replace(state.options, inputs=inputs), Comparison("", "")
        )
        larger.result.outputs = outputs
        answer = _ask(larger, first, other, own, "own", pairings=[], events=[], causes=False)
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


def _owns(module: str, entry: str) -> bool:
    return entry.rpartition(".")[0] == module


def _statistics(
    recording: Recording, before: Mapping[str, np.ndarray], names: Mapping[str, str]
) -> Statistics | None:
    """What a module was given, and its statistics before and after."""
    if set(names) != {"running_mean", "running_var"}:
        return None
    mean, variance = names["running_mean"], names["running_var"]
    module = mean.rpartition(".")[0]
    entered = [
        place
        for place, event in enumerate(recording.events)
        if event["module"] == module and event["side"] == "in"
    ]
    if len(entered) != 1:
        return None
    event = recording.events[entered[0]]
    after = recording.read("state")
    with arrays.reading(recording.file) as file:
        array = file[f"tap/{entered[0]}/{event['leaves'][0]}"]
    return Statistics(
        array,
        (before[mean], after.get(mean, before[mean])),
        (before[variance], after.get(variance, before[variance])),
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
    return state.reference.call(
        _LOCATE,
        **{
            "inputs": str(state.reference.write_inputs(state.options.inputs, "locate")),
            "port": str(of_port.file),
            "kinds": state.port.kinds,
            "outputs": {str(one): other for one, other in state.result.outputs.items()},
            "weights": str(path),
            **options,
        },
    )
