"""A saved result as one HTML page that needs nothing else: `page.write(saved, path)`.

Style, script, plots and pictures are in it, and it asks nobody for anything. All arrays are in it
compressed, for the script to sort and search; the worst are rows of HTML, for whoever has scripts
off. Without pictures it stays below `MAX_BYTES`: of a result too large for that, plots and arrays
that agree are left out, and it says so.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.judge.verdicts import ArrayVerdict, Verdict
from parity.report.checks import rank
from parity.report.comparison import Aligned, Finding, Place
from parity.report.names import shown
from parity.report.result import Picture, Row
from parity.report.saved import Saved
from restoration.errors import UnavailableError

MAX_BYTES = 1_000_000
"""Of a page without its pictures."""

_FILES = Path(__file__).with_name("page_files")
_MARKS = {
    Verdict.AGREE: ("ok", "✓", "agree"),
    Verdict.DIFFER: ("bad", "✕", "differ"),
    Verdict.INCOMPLETE: ("gap", "!", "incomplete"),
    Verdict.FAILED: ("gap", "!", "could not run"),
}


@dataclass(frozen=True)
class _Limits:
    """How much of a result is put into a page."""

    values: int
    rows: int
    plots: int
    others: int = 2000


_LIMITS = (
    _Limits(1_000_000, 300, 80),
    _Limits(20_000, 300, 60),
    _Limits(10_000, 200, 40),
    _Limits(5_000, 100, 20, 500),
    _Limits(1_000, 100, 5, 200),
    _Limits(200, 50, 0, 50),
)


def write(saved: Saved, path: Path) -> None:
    """Write the page.

    Raises:
        UnavailableError: jinja2 is not installed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(saved), "utf-8")


def text_of(saved: Saved) -> str:
    """The page.

    Raises:
        UnavailableError: jinja2 is not installed.
    """
    pictures: list[dict[str, Any]] = [
        {"row": row, "shown": picture, **_pictures(saved.folder, picture)}
        for row in saved.rows
        for picture in row.pictures
    ]
    weight = sum(len(one[name]) for one in pictures for name in ("truth", "found", "difference"))
    text = ""
    for limits in _LIMITS:
        text = _rendered(saved, limits, pictures)
        if len(text.encode()) - weight <= MAX_BYTES:
            break
    return text


def _rendered(saved: Saved, limits: _Limits, pictures: Sequence[dict[str, Any]]) -> str:
    try:
        import jinja2
    except ModuleNotFoundError as problem:
        raise UnavailableError(
            "page: expected the package jinja2, got none; "
            "pip install 'restoration-suite[report]' brings it"
        ) from problem
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FILES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"shown": shown, "ratio": _ratio, "small": _small}
    pairs = [(row, array) for row in saved.rows if row.judged for array in row.judged.arrays]
    worst = sorted(pairs, key=lambda pair: rank(pair[1]), reverse=True)
    comparison = saved.comparison
    found = [one for one in comparison.findings if not one.inherited] if comparison else []
    return environment.get_template("page.html").render(
        saved=saved,
        heading=saved.heading,
        mark=_MARKS[saved.verdict],
        marks=_MARKS,
        frameworks=list(dict.fromkeys(row.framework for row in saved.rows)),
        matrix=_matrix(saved.rows),
        plots=_plots(saved, limits.plots),
        findings=_grouped(found[: limits.others]),
        findings_left=max(0, len(found) - limits.others),
        inherited=len(comparison.findings) - len(found) if comparison else 0,
        aligned=_alignment(comparison.aligned[: limits.others]) if comparison else [],
        pictures=pictures,
        worst=worst[: limits.rows],
        total=len(pairs),
        values=_packed(saved, worst[: limits.values]),
        left=max(0, len(pairs) - limits.values),
        source=_source,
        why=_why,
        style=(_FILES / "page.css").read_text("utf-8"),
        script=(_FILES / "page.js").read_text("utf-8"),
    )


def _matrix(rows: Sequence[Row]) -> dict[str, dict[str, tuple[int, Row]]]:
    """Rows with their numbers by case and framework."""
    found: dict[str, dict[str, tuple[int, Row]]] = {}
    for number, row in enumerate(rows):
        found.setdefault(row.case, {})[row.framework] = number, row
    return found


def _plots(saved: Saved, most: int) -> list[dict[str, Any]]:
    """Of each row: its plots, those of rows that differ first in the count."""
    from parity.report import plots

    order = sorted(range(len(saved.rows)), key=lambda n: saved.rows[n].verdict is Verdict.AGREE)
    chosen = set(order[:most])
    return [
        {
            "number": number,
            "row": row,
            "plots": plots.of_arrays(row.judged.arrays, saved.bound)
            if row.judged and number in chosen
            else [],
        }
        for number, row in enumerate(saved.rows)
    ]


def _alignment(aligned: Sequence[Aligned]) -> list[dict[str, Any]]:
    """Modules of both sides beside each other, in call order; several arrays of one are one."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in aligned:
        key = (one.reference.module or "(network)", one.port.module or "(network)")
        line = found.setdefault(
            key, {"reference": one.reference, "port": one.port, "ratio": 0.0, "times": one.times}
        )
        if one.ratio / one.times >= line["ratio"] / line["times"]:
            line |= {"ratio": one.ratio, "times": one.times}
    return list(found.values())


def _grouped(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings of one cause in the same lines, together: what they have in common, and each."""
    groups: dict[tuple[Any, ...], list[Finding]] = {}
    for one in findings:
        lines = (_source(one.reference), _source(one.port))
        key = (one.kind, one.cause, one.detail, one.is_gap, repr(lines))
        # Without lines there is nothing that two modules would have in common.
        groups.setdefault((*key, None if any(lines) else len(groups)), []).append(one)
    return [
        {"first": max(group, key=lambda one: one.ratio), "modules": group}
        for group in groups.values()
    ]


def _why(array: ArrayVerdict) -> str:
    """What is to say beside the ratio."""
    said = "times the reference's own error"
    return "" if said in array.why else shown(array.why, 240)


def _source(place: Place) -> list[tuple[str, str]]:
    """Lines of code with their places, "FILE:12"."""
    found = []
    for line in place.source(8):
        name, number, code = line.split(":", 2)
        if code.strip():
            found.append((shown(f"{name}:{number}"), shown(code.strip(), 200)))
    return found


def _packed(saved: Saved, pairs: Sequence[tuple[Row, ArrayVerdict]]) -> str:
    """Values for the script: JSON, deflated, in base64."""
    cases = list(dict.fromkeys(row.case for row in saved.rows))
    frameworks = list(dict.fromkeys(row.framework for row in saved.rows))
    verdicts = list(_MARKS)
    numbers = {case: number for number, case in enumerate(cases)}
    rows = [
        [
            numbers[row.case],
            frameworks.index(row.framework),
            shown(array.key.in_words),
            _rounded(array.ratio),
            _rounded(array.error),
            _rounded(array.unit or array.noise),
            verdicts.index(array.verdict),
            _why(array),
        ]
        for row, array in pairs
    ]
    values = {
        "cases": [shown(case) for case in cases],
        "frameworks": [shown(name) for name in frameworks],
        "verdicts": [list(_MARKS[verdict]) for verdict in verdicts],
        "rows": rows,
    }
    packed = zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 9)
    return base64.b64encode(packed).decode("ascii")


def _pictures(folder: Path, picture: Picture) -> dict[str, str]:
    """Pictures as addresses that hold them; "" where a file is not there, in the run's folder."""
    found = {}
    for name in ("truth", "found", "difference"):
        file = folder / getattr(picture, name)
        is_inside = file.resolve().is_relative_to(folder.resolve())
        content = file.read_bytes() if is_inside and file.is_file() else b""
        found[name] = (
            f"data:image/png;base64,{base64.b64encode(content).decode()}" if content else ""
        )
    return found


def _rounded(number: float) -> float | None:
    return float(f"{number:.3g}") if math.isfinite(number) else None


def _ratio(number: float) -> str:
    return f"{number:.3g}" if math.isfinite(number) else "no number"


def _small(number: float) -> str:
    """Of errors: two digits, an exponent below a thousandth; nothing where none was measured."""
    if not number or not math.isfinite(number):
        return ""
    return f"{number:.2g}" if number >= 1e-3 else f"{number:.1e}"
