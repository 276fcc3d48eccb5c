"""The result of a run: its rows, and the file `result.json`."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from parity.judge.verdicts import BOUND, ArrayVerdict, CaseVerdict, Verdict
from parity.report.seeds import SeedSummary, summarize
from restoration.errors import ExitCode


@dataclass(frozen=True)
class Row:
    """One framework on one case; a line of the table.

    reason: why it could not run. fault: the first faulty module in words. notes: what a reader
    should know that is no fault. seconds and peak_mb: of the whole measurement of the case.
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
            "seconds": None if math.isnan(self.seconds) else self.seconds,
            "peak_mb": self.peak_mb,
        }
        if self.judged and self.judged.worst:
            values |= {
                "expected": self.judged.expected,
                "compared": self.judged.compared,
                "worst_ratio": _finite(self.judged.worst.ratio),
                "worst_array": str(self.judged.worst.key),
                "arrays": [_array_to_json(array) for array in self.judged.arrays],
            }
        return values


@dataclass
class Run:
    """All rows of a run, and where its files are.

    A row that agrees has only its worst array; `result.json` has them all.
    """

    folder: Path
    rows: list[Row] = field(default_factory=list)
    engines: dict[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

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
        head = {
            "format": 1,
            "bound": BOUND,
            "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        }
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


def _array_to_json(array: ArrayVerdict) -> dict[str, Any]:
    values = {name: _finite(value) for name, value in asdict(array).items() if name != "key"}
    return {"name": str(array.key), **values}


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
