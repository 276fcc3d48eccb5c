"""The result of a run: its rows, and the file `result.json`."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import platform
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.judge.measurement import ArrayKey
from parity.judge.verdicts import BOUND, ArrayVerdict, CaseVerdict, Verdict, collect
from parity.report.seeds import SeedSummary, summarize
from restoration.errors import ExitCode, writing_to

FORMAT = 2
"""Of `result.json`. 1 had no kind, no order of arrays, no error beside the ratio, no pictures and
no comparisons; `parity/report/saved.py` reads both."""


@dataclass(frozen=True)
class Picture:
    """What one framework made of a user's picture, beside what the truth is.

    truth, found, difference: files in the folder of the run; the difference is enlarged `gain`
    times around gray. psnr_db: of the port against the truth, None where they are equal. changed:
    how many of the `samples` 8-bit values differ. border_error, interior_error: root mean square of
    the difference within `border_px` of an edge, and elsewhere. frames_db: by frame of a film.
    """

    name: str
    truth: str
    found: str
    difference: str
    gain: float
    psnr_db: float | None
    changed: int
    samples: int
    border_px: int
    border_error: float
    interior_error: float
    frames_db: Sequence[float | None] = ()


@dataclass(frozen=True)
class Row:
    """One framework on one case; a line of the table.

    reason: why it could not run. fault: the first faulty module in words. notes: what a reader
    should know that is no fault. beside: why it differs whatever the bound, where no array tells.
    pictures: what it made of the user's. seconds and peak_mb: of the whole measurement of the case.
    """

    case: str
    model: str
    framework: str
    verdict: Verdict
    seed: int = 0
    fault: str = ""
    reason: str = ""
    notes: Sequence[str] = ()
    judged: CaseVerdict | None = None
    beside: str = ""
    pictures: Sequence[Picture] = ()
    seconds: float = math.nan
    peak_mb: int = 0

    def to_json(self) -> dict[str, Any]:
        """Everything that was found, as plain values; infinite ratios as null."""
        values: dict[str, Any] = {
            "case": self.case,
            "model": self.model,
            "framework": self.framework,
            "seed": self.seed,
            "verdict": self.verdict,
            "fault": self.fault,
            "reason": self.reason,
            "notes": list(self.notes),
            "beside": self.beside,
            "pictures": [vars(picture) for picture in self.pictures],
            "seconds": None if math.isnan(self.seconds) else self.seconds,
            "peak_mb": self.peak_mb,
        }
        if self.judged and self.judged.worst:
            values |= {
                "expected": self.judged.expected,
                "compared": self.judged.compared,
                "worst_ratio": _finite(self.judged.worst.ratio),
                "worst_array": str(self.judged.worst.key),
                "arrays": [array_to_json(array) for array in self.judged.arrays],
            }
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Row:
        """What `to_json` gave, of every format; a ratio of null is infinite."""
        judged = None
        if "arrays" in values:
            judged = collect([array_from_json(array) for array in values["arrays"]])
        return cls(
            values["case"],
            values["model"],
            values["framework"],
            Verdict(values["verdict"]),
            seed=values["seed"],
            fault=values["fault"],
            reason=values["reason"],
            notes=values["notes"],
            judged=judged,
            beside=values.get("beside", ""),
            pictures=[Picture(**picture) for picture in values.get("pictures", ())],
            seconds=math.nan if values["seconds"] is None else values["seconds"],
            peak_mb=values["peak_mb"],
        )


@dataclass
class Run:
    """All rows of a run, and where its files are.

    kind: "run" or "train". A row that agrees has only its worst array; `result.json` has them all.
    """

    folder: Path
    rows: list[Row] = field(default_factory=list)
    engines: dict[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    kind: str = "run"

    @property
    def file(self) -> Path:
        return self.folder / "result.json"

    @property
    def exit_code(self) -> ExitCode:
        """A difference outweighs what could not be compared."""
        verdicts = {row.verdict for row in self.rows}
        if Verdict.DIFFER in verdicts:
            return ExitCode.DIFFERENT
        return ExitCode.OK if verdicts == {Verdict.AGREE} else ExitCode.INCOMPLETE

    @property
    def seeds(self) -> list[SeedSummary]:
        """A summary for each model and framework, if there were several seeds."""
        return summarize(self.rows) if len({row.seed for row in self.rows}) > 1 else []


@contextlib.contextmanager
def writing(run: Run) -> Iterator[Callable[[Row], None]]:
    """Write `result.json` row by row, so that a long run needs no memory for it.

    Gives what takes a row with all its arrays. The file appears complete or not at all.
    """
    partial = run.file.with_name(run.file.name + ".partial")
    with open(partial, "w", encoding="utf-8") as stream:
        head = header(run.kind)
        stream.write(_members(head).removesuffix("\n}") + ',\n"rows": [')
        separator = "\n"

        def add(row: Row) -> None:
            nonlocal separator
            stream.write(separator + json.dumps(row.to_json(), allow_nan=False))
            separator = ",\n"

        yield add
        tail = {
            "exit_code": int(run.exit_code),
            "engines": run.engines,
            "warnings": run.warnings,
            "seeds": [summary.to_json() for summary in run.seeds],
        }
        stream.write("\n],\n" + _members(tail).removeprefix("{\n") + "\n")
    os.replace(partial, run.file)


def _members(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=0, allow_nan=False)


def header(kind: str) -> dict[str, Any]:
    """What every saved result begins with."""
    return {
        "format": FORMAT,
        "kind": kind,
        "bound": BOUND,
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
    }


def array_to_json(array: ArrayVerdict) -> dict[str, Any]:
    """An array as plain values; infinite ratios as null."""
    values = {name: _finite(value) for name, value in vars(array).items() if name != "key"}
    return {"name": str(array.key), **values}


def array_from_json(values: Mapping[str, Any]) -> ArrayVerdict:
    """The inverse of `array_to_json`."""
    given: dict[str, Any] = {
        name: math.inf if value is None else value for name, value in values.items()
    }
    key = ArrayKey.parse(given.pop("name"))
    return ArrayVerdict(key, Verdict(given.pop("verdict")), **given)


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def name_by_time() -> str:
    """A name of its own for a folder, by which folders are in the order of time."""
    return f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def new_folder(runs_folder: Path) -> Path:
    """A folder of its own for a run, named by time."""
    folder = runs_folder.absolute() / name_by_time()
    with writing_to(
        runs_folder,
        "folder of the runs",
        expected="a folder that can be written",
        next_step="choose another with --runs",
    ):
        folder.mkdir(parents=True)
    return folder


def filling(folder: Path) -> contextlib.AbstractContextManager[None]:
    """The folder of a run is filled in here; InputError where that cannot be."""
    next_step = "free some space, or choose another folder with --runs"
    return writing_to(folder, "folder of the run", next_step=next_step)
