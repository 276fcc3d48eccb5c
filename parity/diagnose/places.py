"""Where a stretch of the reference is in the port: the lines that ran between two taps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.report.comparison import Place


def port_place(recording: Any, found: Mapping[str, Any], partners: Mapping[str, str]) -> Place:
    """The port's module and lines for a finding of `locate`.

    partners: the port's module for each of the reference's.
    """
    events, target = recording.events, found["target"]
    end = len(recording.lines) if target is None else events[target]["time"]
    last = len(events) if target is None else target
    before = [number for number in found["sources"] if number < last]
    start_event = max(before, default=None)
    start = 0 if start_event is None else events[start_event]["time"]
    ran = [tuple(line) for line in recording.lines[start:end]]
    if start > 0 and start_event is not None:
        ran.insert(0, tuple(recording.lines[start - 1]))
    lines = [(recording.files[number], line) for number, line, _ in ran]
    for event in (start_event, target):
        if event is not None and events[event]["frames"]:
            file, line, _ = events[event]["frames"][0]
            lines.append((file, line))
    module = found["paired"]
    if module is None:
        module = partners.get(found["reference"]["module"])
    if module is None:
        names = [recording.modules[number] if number >= 0 else "" for _, _, number in ran]
        stacks = [name.split(".") if name else [] for name in names]
        module = ".".join(common_start(stacks)) if stacks else ""
    if not lines:
        return Place(module)
    runs = _runs(lines)
    file = lines[-1][0] if target is not None else lines[0][0]
    inside = [line for name, line in lines if name == file]
    return Place(module, file, min(inside), max(inside), tuple(runs))


def common_start(stacks: Sequence[Sequence[str]]) -> list[str]:
    """What all sequences begin with."""
    start: list[str] = []
    for parts in zip(*stacks, strict=False):
        if len(set(parts)) > 1:
            break
        start.append(parts[0])
    return start


def _runs(lines: list[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """Lines as ranges, by file."""
    runs: list[tuple[str, int, int]] = []
    for file, line in sorted(set(lines)):
        if runs and runs[-1][0] == file and runs[-1][2] + 1 >= line:
            runs[-1] = (file, runs[-1][1], line)
        else:
            runs.append((file, line, line))
    return runs
