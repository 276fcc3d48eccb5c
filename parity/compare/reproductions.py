"""Folders that show what has no known cause, each alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters.networks import Recording
from parity.compare.state import State
from parity.diagnose.layouts import nearest, places_of
from parity.diagnose.plain import Compared
from parity.report.result import name_by_time
from parity.reproduce import folder as folders
from parity.reproduce.folder import Target
from restoration.errors import writing_to


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
