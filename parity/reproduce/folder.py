"""The smallest reproduction of a difference without a known cause, as a folder.

It holds what enters the part, the weights of the part, a program for each side and one that
compares; each was run before the folder is named in a report.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from parity.adapters.imports import root_of
from parity.adapters.networks import Recording, Running
from parity.adapters.sides import FILES, Side
from parity.reproduce.scripts import (
    COMPARE,
    Backward,
    Part,
    gradient_script,
    readme,
    side_script,
)


@dataclass(frozen=True)
class Target:
    """What a side's program writes. event: of its recording, None for an output. groups: events
    that what differs came from, those of one array together. leaf: of the event; or the output's
    name."""

    event: int | None
    groups: Sequence[Sequence[int]]
    leaf: str


def parts_of(recording: Recording, target: Target) -> list[Part]:
    """Modules that a side's program may run, the smallest first, the network last."""
    events = recording.events
    last = len(events) if target.event is None else target.event
    running: list[int] = []
    for number in range(last):
        if events[number]["side"] == "in":
            running.append(number)
        elif running:
            running.pop()
    starts = [max((one for one in group if one < last), default=-1) for group in target.groups]
    first = min(starts, default=-1)
    inside = [number for number in reversed(running) if number <= first or not target.groups]
    chosen = [*inside[:1], *running[:1]]
    return [_part(recording, target, number) for number in dict.fromkeys(chosen)]


def _part(recording: Recording, target: Target, start: int) -> Part:
    events = recording.events
    module, count = str(events[start]["module"]), len(events[start]["leaves"])
    if target.event is None:
        return Part(module, module, "out", 0, target.leaf, start, count)
    event = events[target.event]
    before = [
        number
        for number in range(start, target.event)
        if events[number]["module"] == event["module"] and events[number]["side"] == event["side"]
    ]
    return Part(module, event["module"], event["side"], len(before), target.leaf, start, count)


def write_side(
    folder: Path, name: str, running: Running, recording: Recording, target: Target
) -> str:
    """Write a side's program with its inputs, weights and files; "" or why it does not work."""
    side = running.side
    if side.framework in FILES:
        return f"{side.title} has no program: {name}.npy is what it gave"
    copied = _copied(folder, name, running)
    state = running.state()
    problem = ""
    for part in parts_of(recording, target):
        _write_arrays(folder, name, state, part.module, _entering(recording, part))
        script = folder / f"{name}.py"
        script.write_text(side_script(copied, part, name), encoding="utf-8")
        problem = run_script(script, side.python)
        if not problem:
            return ""
    return f"{name}.py could not run here: {problem}"


def write_gradient(
    folder: Path,
    name: str,
    running: Running,
    recording: Recording,
    *,
    asked: Backward,
    factors: Sequence[np.ndarray],
) -> str:
    """Write a side's program of a gradient, and what it needs; "" or why it does not work.

    factors: what each of the module's outputs is multiplied by.
    """
    copied = _copied(folder, name, running)
    _write_arrays(folder, name, running.state(), asked.module, _entering(recording, asked))
    np.savez(folder / f"{name}_factors.npz", **{str(n): one for n, one in enumerate(factors)})
    script = folder / f"{name}.py"
    script.write_text(gradient_script(copied, asked, name), encoding="utf-8")
    return run_script(script, running.side.python)


def _copied(folder: Path, name: str, running: Running) -> Side:
    """A side whose author's files are copied below the folder."""
    side = running.side
    if not side.is_file:
        return side
    root, dotted = root_of(Path(side.source).absolute())
    for file in running.ask("sources", folder=str(root)):
        copy = folder / name / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, copy)
    return replace(side, source=dotted.replace(".", "/") + ".py")


def _write_arrays(
    folder: Path,
    name: str,
    state: Mapping[str, np.ndarray],
    module: str,
    entering: Mapping[str, np.ndarray],
) -> None:
    """Write a module's weights, and what enters it."""
    inside = module + "." if module else ""
    weights = {entry: array for entry, array in state.items() if entry.startswith(inside)}
    np.savez(folder / f"{name}_weights.npz", **weights)
    np.savez(folder / f"{name}_inputs.npz", **entering)


def _entering(recording: Recording, part: Part | Backward) -> dict[str, np.ndarray]:
    """What entered the module that is run, by number."""
    taps, leaves = recording.read("tap"), recording.events[part.start]["leaves"]
    return {str(number): taps[f"{part.start}/{leaf}"] for number, leaf in enumerate(leaves)}


def run_script(script: Path, python: str) -> str:
    """Run a program in its folder; "" or the last line of what it said."""
    try:
        finished = subprocess.run(
            [python, script.name],
            check=False,
            cwd=script.parent,
            capture_output=True,
            text=True,
            timeout=300,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    if finished.returncode == 0:
        return ""
    lines = finished.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {finished.returncode}"


def describe(folder: Path, title: tuple[str, str], finding: str, problems: Sequence[str]) -> None:
    """Write the program that compares, and the page."""
    files = [
        str(file.relative_to(folder))
        for name in ("reference", "port")
        for file in sorted((folder / name).rglob("*.py"))
    ]
    (folder / "compare.py").write_text(COMPARE, encoding="utf-8")
    (folder / "README.md").write_text(readme(title, finding, files, problems), encoding="utf-8")
