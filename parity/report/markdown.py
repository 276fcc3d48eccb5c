"""A saved result as Markdown, for the summary of a step of CI or a comment."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from parity.judge.verdicts import Verdict
from parity.report.checks import Check, checks_of, worst_first
from parity.report.names import shown
from parity.report.result import Row
from parity.report.saved import Saved

MAX_BYTES = 2**20
"""Of a step's summary on GitHub; a larger one is dropped, and the step stays green."""
MOST = 50
"""Checks that are listed."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~&@:$])")
_MARKS = {Verdict.AGREE: "✅", Verdict.DIFFER: "❌", Verdict.INCOMPLETE: "⚠️"}
_HEAD = (
    "| case | framework | verdict | worst ratio | compared |\n|---|---|---|---:|---:|\n",
    "| where | framework | ratio | why |\n|---|---|---:|---|\n",
)


def summary(saved: Saved, max_bytes: int = MAX_BYTES, *, most: int = MOST, link: str = "") -> str:
    """The verdict, a line for each case and framework, the worst `most` checks, and a link.

    It takes at most `max_bytes` in UTF-8: rows that agree go first, then the least of the others,
    and what was left out is counted. link: of the page, "" where there is none.
    """
    checks = [check for check in checks_of(saved) if check.verdict is not Verdict.AGREE]
    worst = worst_first(checks)
    order = sorted(saved.rows, key=lambda row: row.verdict is Verdict.AGREE)
    rows = [_row(row) for row in order]
    bad = [_check(check) for check in worst[:most]]
    while True:
        left_out = len(order) - len(rows), len(worst) - len(bad)
        text = _text(saved, rows, bad, left_out, link)
        if len(text.encode()) <= max_bytes or not (rows or bad):
            return _cut(text, max_bytes)
        # An eighth at a time: a run of many thousands is told in some dozens of tries.
        longer = rows if len(rows) > len(bad) else bad
        del longer[len(longer) - max(1, len(longer) // 8) :]


def _text(
    saved: Saved,
    rows: Sequence[str],
    bad: Sequence[str],
    left_out: tuple[int, int],
    link: str,
) -> str:
    heading = f"{_MARKS[saved.verdict]} {saved.heading}"
    parts = [f"## {heading}\n\n{_escaped(saved.title)}; bound {saved.bound:g}\n"]
    if link:
        parts.append(f"\n[All of it, with plots and source lines](<{_address(link)}>)\n")
    if bad or left_out[1]:
        parts += ["\n### Worst first\n\n", _HEAD[1] if bad else "", *bad]
        parts.append(f"\nand {left_out[1]} more\n" if left_out[1] else "")
    parts += ["\n### Cases\n\n", _HEAD[0] if rows else "", *rows]
    parts.append(f"\nand {left_out[0]} more\n" if left_out[0] else "")
    return "".join(parts)


def _row(row: Row) -> str:
    ratio, compared = "", ""
    if row.judged is not None:
        worst = row.judged.worst
        ratio = "" if worst is None else _number(worst.ratio)
        compared = f"{row.judged.compared}/{row.judged.expected}"
    names = f"{_escaped(row.case)} | {_escaped(row.framework)}"
    return f"| {names} | {row.verdict} | {ratio} | {compared} |\n"


def _check(check: Check) -> str:
    where = _escaped(check.module)
    if check.file:
        name = check.file.rpartition("/")[2]
        line = f", line {check.line}" if check.line else ""
        where += f" ({_escaped(name)}{line})"
    what = f"{_escaped(check.case)}: {where}"
    ratio = _number(check.ratio) if check.ratio else ""
    why = _escaped(check.message, 400)
    return f"| {what} | {_escaped(check.framework)} | {ratio} | {why} |\n"


def _number(ratio: float) -> str:
    return f"{ratio:.3g}" if math.isfinite(ratio) else "no number"


def _escaped(text: str, most: int = 160) -> str:
    """Text that Markdown, its tables and HTML in it take as it is."""
    return _SPECIAL.sub(r"\\\1", shown(text, most)).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _address(link: str) -> str:
    """A link that cannot end its own brackets."""
    return re.sub(r"[<>\s]", "", shown(link, 2000))


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode("utf-8", "ignore")
