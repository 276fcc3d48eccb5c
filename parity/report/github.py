"""What GitHub Actions shows of a saved result: annotations in the diff, and the step's summary.

Names of others cannot end a command or begin one: what would is escaped, and so is what cannot be
seen. The forms are those of GitHub's documentation of workflow commands.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from parity.judge.verdicts import Verdict
from parity.report import markdown
from parity.report.checks import Check, checks_of, worst_first
from parity.report.names import shown
from parity.report.saved import Saved

MOST_ANNOTATIONS = 10
"""Errors of one step that are shown; GitHub leaves out the rest without a word."""
_MOST_TEXT = 1000


def errors_of(saved: Saved, root: Path) -> list[str]:
    """A command for each of the worst checks, at the port's line where that is known.

    root: the folder of the repository; lines of files outside of it have no place in a diff.
    """
    bad = [check for check in worst_first(checks_of(saved)) if check.verdict is not Verdict.AGREE]
    told = [_annotation(check, root) for check in bad[:MOST_ANNOTATIONS]]
    if len(bad) > MOST_ANNOTATIONS:
        left = len(bad) - MOST_ANNOTATIONS + 1
        told[-1] = error(f"{left} more are in the summary of the step and on the page")
    return told


def _annotation(check: Check, root: Path) -> str:
    place: dict[str, str] = {}
    if check.file and check.line:
        path = Path(os.path.realpath(check.file))
        if path.is_relative_to(os.path.realpath(root)):
            place["file"] = path.relative_to(os.path.realpath(root)).as_posix()
            place["line"] = str(check.line)
    title = f"parity, {check.framework}: {check.module}"
    text = check.message or f"{check.case}: {check.verdict}"
    return error(text, title=title, **place)


def error(text: str, *, title: str = "parity", **place: str) -> str:
    """The command that shows an error. place: file and line."""
    properties = {**place, "title": shown(title, _MOST_TEXT)}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::error {listed}::{_data(shown(text, _MOST_TEXT))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def add_summary(saved: Saved, environment: Mapping[str, str]) -> int:
    """Add the result to the step's summary; how many bytes that took, within what GitHub takes."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    parts = [environment.get(name, "") for name in names]
    link = f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}#artifacts" if all(parts) else ""
    path = Path(environment["GITHUB_STEP_SUMMARY"])
    there = path.stat().st_size if path.exists() else 0
    text = markdown.summary(saved, markdown.MAX_BYTES - there - 1, link=link).encode()
    with open(path, "ab") as file:
        file.write(text + b"\n")
    return len(text) + 1


def set_outputs(values: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Give the step's outputs, each on a line.

    Raises:
        ValueError: a value has lines.
    """
    lines: Sequence[str] = [f"{name}={value}" for name, value in values.items()]
    if any(len(line.splitlines()) != 1 for line in lines):
        raise ValueError(f"outputs of one line each, not {values}")
    with open(environment["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
