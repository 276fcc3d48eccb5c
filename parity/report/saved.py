"""A saved result, whichever command made it: what every report is made of.

    saved = read(find("latest", Path("runs")))

`parity run`, `parity train` and `parity compare` each leave a folder with `result.json`. A
comparison has one row here, the port's, whose arrays are what both sides have.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.judge.measurement import ArrayKey, ArrayKind
from parity.judge.verdicts import BOUND, ArrayVerdict, CaseVerdict, Verdict, rejudged
from parity.report.comparison import Aligned, Comparison
from parity.report.result import FORMAT, Row, Run, filling, header, new_folder
from restoration.errors import ExitCode, InputError

RESULT = "result.json"
LATEST = "latest"
_HEADINGS = {
    Verdict.AGREE: "All implementations agree",
    Verdict.DIFFER: "Implementations differ",
    Verdict.INCOMPLETE: "Not everything could be compared",
}
_MADE = re.compile(r"(\d{8}-\d{6})-[0-9a-f]{4}")


@dataclass(frozen=True)
class Saved:
    """A result.

    kind: "run", "train" or "compare". bound: that it was judged by. folder: where its pictures are.
    comparison: of `parity compare`, what it found beside its row's arrays.
    """

    kind: str
    rows: Sequence[Row]
    folder: Path
    bound: float = BOUND
    engines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None

    @classmethod
    def of_comparison(cls, comparison: Comparison, folder: Path = Path()) -> Saved:
        """A comparison that was just made, or read."""
        return cls(
            "compare",
            [_row_of(comparison)],
            folder,
            warnings=comparison.warnings,
            machine=header("compare")["machine"],
            comparison=comparison,
        )

    @property
    def name(self) -> str:
        """Of its folder, by which commands find it."""
        return self.folder.name

    @property
    def made(self) -> str:
        """When, "2026-11-26 03:10", or "" where its folder's name does not tell."""
        found = _MADE.fullmatch(self.name)
        if not found:
            return ""
        return f"{datetime.datetime.strptime(found[1], '%Y%m%d-%H%M%S'):%Y-%m-%d %H:%M}"

    @property
    def title(self) -> str:
        """What it is about, in a line."""
        if self.comparison:
            return f"{self.comparison.port} against {self.comparison.reference}"
        models = list(dict.fromkeys(row.model for row in self.rows))
        what = "training of " if self.kind == "train" else ""
        more = f" and {len(models) - 3} more" if len(models) > 3 else ""
        return what + ", ".join(models[:3]) + more

    @property
    def verdict(self) -> Verdict:
        """Of all rows; a difference outweighs what could not be compared."""
        found = {row.verdict for row in self.rows}
        if Verdict.DIFFER in found:
            return Verdict.DIFFER
        return Verdict.AGREE if found == {Verdict.AGREE} else Verdict.INCOMPLETE

    @property
    def heading(self) -> str:
        """The verdict as the heading of a report."""
        return _HEADINGS[self.verdict]

    @property
    def exit_code(self) -> ExitCode:
        return {Verdict.DIFFER: ExitCode.DIFFERENT, Verdict.AGREE: ExitCode.OK}.get(
            self.verdict, ExitCode.INCOMPLETE
        )

    @property
    def run(self) -> Run:
        """The same as what `parity run` has in its hands when it is done."""
        engines = dict(self.engines)
        return Run(self.folder, list(self.rows), engines, list(self.warnings), self.kind)

    def to_json(self) -> dict[str, Any]:
        """The contents of `result.json`, in today's format."""
        head = header(self.kind) | {"bound": self.bound, "machine": dict(self.machine)}
        if self.comparison:
            tail: dict[str, Any] = {"comparison": self.comparison.to_saved()}
            return head | {"exit_code": int(self.exit_code)} | tail
        return head | {
            "rows": [row.to_json() for row in self.rows],
            "exit_code": int(self.exit_code),
            "engines": self.engines,
            "warnings": list(self.warnings),
            "seeds": [summary.to_json() for summary in self.run.seeds],
        }


def save(comparison: Comparison, runs: Path) -> Saved:
    """Give a comparison a folder of its own among the runs.

    Raises:
        InputError: it cannot be written.
    """
    saved = Saved.of_comparison(comparison, new_folder(runs))
    with filling(saved.folder):
        text = json.dumps(saved.to_json(), allow_nan=False, indent=1)
        (saved.folder / RESULT).write_text(text + "\n", "utf-8")
    return saved


def find(name: str, runs: Path) -> Path:
    """The file of a result: of a folder in `runs`, a path, or the latest of all.

    Raises:
        InputError: there is none.
    """
    if name == LATEST:
        # Names begin with the time; two of one second are told apart by the files' own.
        made = [
            (_time_of(file), file.stat().st_mtime_ns, file) for file in runs.glob(f"*/{RESULT}")
        ]
        if made:
            return max(made)[-1]
        got = "none"
    else:
        for place in (runs / name, Path(name)):
            for file in (place / RESULT, place):
                if file.is_file():
                    return file
        found = sorted(file.parent.name for file in runs.glob(f"*/{RESULT}"))
        got = f"{name!r}, and there are {', '.join(found[-3:]) or 'none'}"
    raise InputError(
        "saved result",
        expected="a folder of the runs, a path, or latest",
        got=got,
        where=str(runs),
        next_step="make one with parity run, or name the folder of the runs with --runs",
    )


def read(file: Path) -> Saved:
    """A saved result of any format.

    Raises:
        InputError: the file holds none, or one of a format that only later versions know.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values["format"] not in range(1, FORMAT + 1):
            raise InputError(
                "saved result",
                expected=f"format 1 to {FORMAT}",
                got=f"format {values['format']}",
                where=str(file),
                next_step="install the version of restoration-suite that wrote it, or a later one",
            )
        folder = file.absolute().parent
        if "comparison" in values:
            saved = Saved.of_comparison(Comparison.from_saved(values["comparison"]), folder)
            return dataclasses.replace(saved, bound=values["bound"], machine=values["machine"])
        rows = [Row.from_json(row) for row in values["rows"]]
        return Saved(
            values.get("kind") or _kind(rows),
            rows,
            folder,
            values["bound"],
            values["engines"],
            values["warnings"],
            values["machine"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise InputError(
            "saved result",
            expected="what parity run, train or compare wrote",
            got=f"{type(problem).__name__}: {problem}",
            where=str(file),
            next_step="name a folder of the runs, or make a result again",
        ) from problem


def recheck(saved: Saved, bound: float) -> Saved:
    """The saved numbers judged by another bound; nothing is run."""
    if saved.comparison:
        comparison = _rejudged(saved.comparison, bound)
        again = Saved.of_comparison(comparison, saved.folder)
        row = again.rows[0]
        rows = [dataclasses.replace(row, judged=_judged(row.judged, bound))] if row.judged else []
        return dataclasses.replace(saved, rows=rows, bound=bound, comparison=comparison)
    rows = [_row_by(row, bound) for row in saved.rows]
    return dataclasses.replace(saved, rows=rows, bound=bound)


def _kind(rows: Sequence[Row]) -> str:
    """What made rows of format 1, which did not say: only training has arrays of steps."""
    arrays = (array for row in rows if row.judged for array in row.judged.arrays)
    return "train" if any(one.key.kind is ArrayKind.STEP for one in arrays) else "run"


def _time_of(file: Path) -> str:
    found = _MADE.fullmatch(file.parent.name)
    return found[1] if found else ""


def _judged(judged: CaseVerdict, bound: float) -> CaseVerdict:
    arrays = [rejudged(array, bound) for array in judged.arrays]
    kinds = {array.verdict for array in arrays}
    verdict = judged.verdict
    if Verdict.DIFFER in kinds:
        verdict = Verdict.DIFFER
    elif judged.compared < judged.expected or not arrays:
        verdict = Verdict.INCOMPLETE
    else:
        verdict = Verdict.AGREE
    return dataclasses.replace(judged, verdict=verdict, arrays=arrays)


def _row_by(row: Row, bound: float) -> Row:
    if row.judged is None:
        return row
    judged = _judged(row.judged, bound)
    if row.beside:
        return dataclasses.replace(row, judged=judged)
    fault = row.fault if judged.verdict is row.verdict else ""
    if judged.verdict is Verdict.DIFFER and not fault:
        first = next(array for array in judged.arrays if array.verdict is Verdict.DIFFER)
        fault = f"{first.key.in_words} is the first that differs"
    return dataclasses.replace(row, verdict=judged.verdict, judged=judged, fault=fault)


def _rejudged(comparison: Comparison, bound: float) -> Comparison:
    """A comparison by another bound: findings that it excuses are left out."""
    findings = [one for one in comparison.findings if one.is_gap or one.exceeds(bound)]
    again = dataclasses.replace(comparison, findings=findings)
    again.outputs_differ = any(one.ratio > one.times * bound for one in comparison.aligned)
    again.outputs_differ |= comparison.outputs_differ and not comparison.aligned
    again.conclude()
    return again


def _row_of(comparison: Comparison) -> Row:
    arrays = [_array_of(one) for one in comparison.aligned]
    verdicts = {
        "AGREE": Verdict.AGREE,
        "DIFFER": Verdict.DIFFER,
        "INCOMPLETE": Verdict.INCOMPLETE,
    }
    verdict = verdicts[comparison.verdict]
    own = [one for one in comparison.findings if not one.inherited]
    return Row(
        comparison.port,
        comparison.reference,
        comparison.framework,
        verdict,
        fault=own[0].in_words if own else "",
        notes=[f"assumed: {text}" for text in comparison.assumptions],
        judged=CaseVerdict(verdict, arrays, comparison.expected, comparison.compared),
    )


def _array_of(aligned: Aligned) -> ArrayVerdict:
    """What was compared, with its ratio in units of the bound of outputs."""
    ratio = aligned.ratio / aligned.times
    measured = ArrayVerdict(
        ArrayKey.parse(aligned.array),
        Verdict.AGREE,
        ratio,
        max_ratio=ratio,
        noise=aligned.unit if math.isfinite(aligned.unit) else 0.0,
        error=aligned.error,
        unit=aligned.unit * aligned.times,
    )
    if math.isinf(ratio):
        why = "shape, NaN or infinity differ"
        return dataclasses.replace(measured, verdict=Verdict.DIFFER, why=why)
    return rejudged(measured, BOUND)
