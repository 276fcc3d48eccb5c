"""What a run tells a person: one table, and a line for everything that is not right."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from parity.commands.run import Row, Run
from parity.judge.verdicts import BOUND, Verdict
from restoration.errors import ExitCode

_STYLES = {
    Verdict.AGREE: "green",
    Verdict.DIFFER: "bold red",
    Verdict.INCOMPLETE: "bold yellow",
    Verdict.FAILED: "bold yellow",
}
_CONCLUSIONS = {
    ExitCode.OK: "all implementations agree",
    ExitCode.DIFFERENT: "implementations differ",
    ExitCode.INCOMPLETE: "not everything could be compared",
}


def print_table(run: Run, console: Console) -> None:
    """The table that a person reads in ten seconds, and why each row that is not green is not."""
    table = Table(header_style="bold")
    for heading in ("case", "framework", "verdict"):
        table.add_column(heading, no_wrap=True)
    table.add_column("worst ratio", justify="right")
    table.add_column("where it is worst", overflow="fold")
    for heading in ("compared", "seconds", "peak MB"):
        table.add_column(heading, justify="right")
    previous = ""
    for row in run.rows:
        if previous not in ("", row.case):
            table.add_section()
        table.add_row(row.case if row.case != previous else "", *_cells(row))
        previous = row.case
    console.print(table)
    lines = [
        f"{row.case}, {row.framework}: {text}"
        for row in run.rows
        for text in (row.fault, row.reason, *row.notes)
        if text
    ]
    lines += [f"warning: {warning}" for warning in dict.fromkeys(run.warnings)]
    lines.append(
        f"{_CONCLUSIONS[run.exit_code]} (ratio: error in units of the reference's own float32 "
        f"error, {BOUND:g} at most); details in {run.folder}"
    )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def readable(name: str) -> str:
    """An array's name in words: "gradient of stem.weight", "decoder1.0.conv1, output"."""
    kind, _, rest = name.partition("/")
    if kind == "gradient":
        return f"gradient of {rest.partition('/')[2]}"
    if kind == "tap":
        module, _, place = rest.rpartition("#")
        call, _, side = place.partition(".")
        side = {"i": "input", "o": "output"}[side[0]]
        return f"{module}, {side}" + (f" of call {int(call) + 1}" if call != "0" else "")
    return f"{kind} {rest}"


def _cells(row: Row) -> list[str]:
    verdict = f"[{_STYLES[row.verdict]}]{row.verdict}[/]"
    if row.judged is None or row.judged.worst is None:
        return [row.framework, verdict, "", "", "", "", ""]
    worst, judged = row.judged.worst, row.judged
    ratio = f"{worst.ratio:.3g}" if math.isfinite(worst.ratio) else "no number"
    share = 100 * judged.compared / judged.expected
    coverage = f"{judged.compared}/{judged.expected} ({math.floor(share)} %)"
    return [
        row.framework,
        verdict,
        ratio,
        readable(worst.name),
        coverage,
        f"{row.seconds:.1f}",
        str(row.peak_mb),
    ]
