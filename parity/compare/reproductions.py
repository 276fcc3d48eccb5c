"""Folders that show what has no known cause, each alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters.mapping import WeightPair
from parity.adapters.networks import Recording
from parity.compare.state import State
from parity.diagnose.layouts import like, nearest, places_of
from parity.diagnose.plain import Compared
from parity.report.result import name_by_time
from parity.reproduce import folder as folders
from parity.reproduce.folder import Target
from parity.reproduce.scripts import Backward
from restoration.errors import writing_to
from restoration.process import arrays

_SEEN = 1e-3
"""Relative difference of gradients that is no rounding."""


def reproduce_stretch(
    state: State, first: Recording, of_port: Recording, found: Mapping[str, Any], words: str
) -> Path:
    """Finish the reproduction of a stretch, of which the reference's process wrote its part.

    words: what was found.
    """
    folder = Path(found["reproduction"])
    problems = []
    output = found["output"]
    leaf = found["leaf"] if output is None else state.result.outputs[output]
    target = Target(found["target"], found["groups"], leaf)
    problems.append(folders.write_side(folder, "port", state.port, of_port, target))
    script = folder / "reference.py"
    if script.exists():
        problem = folders.run_script(script, state.reference.side.python)
        problems.append(f"reference.py could not run here: {problem}" if problem else "")
    else:
        problems.append(
            folders.write_side(
                folder, "reference", state.reference, first, _of_reference(first, found)
            )
        )
    return _published(state, folder, words, problems)


def reproduce_taps(
    state: State, first: Recording, of_port: Recording, one: Compared, words: str
) -> Path:
    """The reproduction of taps that differ, each side by its own program."""
    folder = state.reference.folder / f"parts-{one.events[0]}"
    folder.mkdir()
    values, targets = [], []
    for recording, event in zip((first, of_port), one.events, strict=True):
        leaf = recording.events[event]["leaves"][0]
        targets.append(Target(event, [], leaf))
        values.append(recording.read("tap")[f"{event}/{leaf}"])
    laid_out = nearest(values[1], values[0])
    places = None if laid_out is None else places_of(values[1], laid_out)
    np.savez(folder / "layout.npz", places=np.arange(values[0].size) if places is None else places)
    sides = (("reference", state.reference, first), ("port", state.port, of_port))
    problems = []
    for (name, running, recording), target, value in zip(sides, targets, values, strict=True):
        np.save(folder / f"{name}.npy", value)
        problems.append(folders.write_side(folder, name, running, recording, target))
    return _published(state, folder, words, problems)


def reproduce_gradient(
    state: State, of_port: Recording, pair: WeightPair, words: str
) -> Path | None:
    """The gradient of the smallest module around a weight by which it differs, each side by its own
    program; None where none of them shows it."""
    recordings = state.reference.record(state.options.inputs, "backward-taps"), of_port
    runnings = state.reference, state.port
    owner = pair.reference.rpartition(".")[0]
    names = owner.split(".") if owner else []
    for count in range(len(names), -1, -1):
        module = ".".join(names[:count])
        other = state.mapped.modules.get(module, module)
        one = _backward(recordings[0], module, pair.reference)
        two = _backward(recordings[1], other, pair.port)
        if one is None or two is None:
            continue
        factors = _factors(recordings, one, two)
        if not factors:
            continue
        folder = state.reference.folder / f"backward-{count}"
        folder.mkdir()
        problems = [
            folders.write_gradient(folder, name, running, recording, asked=asked, factors=factor)
            for name, running, recording, asked, factor in zip(
                ("reference", "port"), runnings, recordings, (one, two), factors, strict=True
            )
        ]
        if not any(problems) and _differs(folder, pair):
            return _published(state, folder, words, [])
    return None


def _backward(recording: Recording, module: str, entry: str) -> Backward | None:
    """The first call of a module that is called once; None where there is no such."""
    events = [
        (place, event) for place, event in enumerate(recording.events) if event["module"] == module
    ]
    if [event["side"] for _, event in events] != ["in", "out"]:
        return None
    (start, entered), (_, left) = events
    return Backward(module, entry, left["leaves"], start, len(entered["leaves"]))


def _factors(
    recordings: Sequence[Recording], one: Backward, other: Backward
) -> tuple[list[np.ndarray], list[np.ndarray]] | tuple[()]:
    """White noise for the outputs of a module, as each side lays them out; nothing where they do
    not hold the same."""
    rng = np.random.default_rng(0)
    ours: list[np.ndarray] = []
    theirs: list[np.ndarray] = []
    for leaf, other_leaf in zip(one.leaves, other.leaves, strict=False):
        outputs = [
            _given(recording, asked, name)
            for recording, asked, name in zip(
                recordings, (one, other), (leaf, other_leaf), strict=True
            )
        ]
        ours.append(rng.standard_normal(outputs[0].shape).astype(np.float32))
        moved = like(ours[-1], *outputs)
        if moved is None:
            return ()
        theirs.append(moved)
    return (ours, theirs) if len(one.leaves) == len(other.leaves) else ()


def _given(recording: Recording, asked: Backward, leaf: str) -> np.ndarray:
    """What a module gave."""
    place = next(
        place
        for place, event in enumerate(recording.events)
        if event["module"] == asked.module and event["side"] == "out"
    )
    with arrays.reading(recording.file) as file:
        return file[f"tap/{place}/{leaf}"]


def _differs(folder: Path, pair: WeightPair) -> bool:
    """Whether the programs' gradients differ; notes where the port keeps each number."""
    ours, theirs = (np.load(folder / f"{name}.npy") for name in ("reference", "port"))
    if ours.size != theirs.size:
        return False
    index = np.arange(theirs.size).reshape(theirs.shape)
    places = pair.move.back(index, ours.shape).ravel()
    np.savez(folder / "layout.npz", places=places)
    moved = theirs.ravel()[places].reshape(ours.shape)
    return bool(np.abs(ours - moved).max() > _SEEN * np.abs(ours).max())


def _published(state: State, folder: Path, words: str, problems: list[str]) -> Path:
    """Describe a folder, and move it to where the user finds it.

    Raises:
        InputError: that cannot be written.
    """
    result, place = state.result, state.options.reproductions
    assert place is not None
    said = [text for text in problems if text]
    folders.describe(folder, (result.reference, result.port), words, said)
    name = name_by_time()
    with writing_to(place, "file to write"):
        place.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    return (place / name).absolute()


def _of_reference(first: Recording, found: Mapping[str, Any]) -> Target:
    """The tap of the reference that differs; its output where that is none of a module's."""
    module, side, call = found["tap"]
    number = int(side.lstrip("inoutp"))
    for place, event in enumerate(first.events):
        here = event["module"], event["side"], event["call"]
        if found["output"] is None and here == (module, side.rstrip("0123456789"), call):
            return Target(place, [], event["leaves"][number])
    return Target(None, [], first.outputs[found["output"] or 0])
