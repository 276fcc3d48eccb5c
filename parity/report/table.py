"""What a run tells a person: one table, and a line for everything that is not right."""

from __future__ import annotations

import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from parity.judge.verdicts import BOUND, Verdict
from parity.report.result import Row, Run
from parity.report.seeds import SeedSummary
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


def print_result(run: Run, console: Console, *, bound: float = BOUND) -> None:
    """A table that a person reads in ten seconds, and why each row that is not green is not.

    A run over several seeds has a line for each model and framework instead of one for each case.
    """
    seeds = run.seeds
    console.print(_seeds_table(seeds) if seeds else _cases_table(run))
    lines = [
        f"{row.case}, {row.framework}: {text}"
        for row in run.rows
        if not seeds or row.verdict is not Verdict.AGREE
        for text in (row.fault, row.reason, *row.notes)
        if text
    ]
    lines += [f"warning: {warning}" for warning in dict.fromkeys(run.warnings)]
    lines.append(
        f"{_CONCLUSIONS[run.exit_code]} (ratio: error in units of the reference's own float32 "
        f"error, {bound:g} at most); details in {run.folder}"
    )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _cases_table(run: Run) -> Table:
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
        table.add_row(escape(row.case) if row.case != previous else "", *_cells(row))
        previous = row.case
    return table


def _cells(row: Row) -> list[str]:
    if row.judged is None or row.judged.worst is None:
        return [row.framework, _colored(row.verdict), "", "", "", "", ""]
    worst, judged = row.judged.worst, row.judged
    share = 100 * judged.compared / judged.expected
    coverage = f"{judged.compared}/{judged.expected} ({math.floor(share)} %)"
    return [
        row.framework,
        _colored(row.verdict),
        _ratio(worst.ratio),
        worst.key.in_words,
        coverage,
        f"{row.seconds:.1f}",
        str(row.peak_mb),
    ]


def _seeds_table(seeds: list[SeedSummary]) -> Table:
    table = Table(header_style="bold")
    for heading in ("model", "framework", "verdict"):
        table.add_column(heading, no_wrap=True)
    for heading in ("seeds that agree", "worst ratio", "at seed"):
        table.add_column(heading, justify="right")
    table.add_column("where it is worst", overflow="fold")
    for heading in ("seconds", "peak MB"):
        table.add_column(heading, justify="right")
    previous = ""
    for line in seeds:
        if previous not in ("", line.model):
            table.add_section()
        table.add_row(
            line.model if line.model != previous else "",
            line.framework,
            _colored(line.verdict),
            f"{line.agreeing}/{line.seeds}",
            "" if line.worst_array is None else _ratio(line.worst_ratio),
            "" if line.worst_seed is None else str(line.worst_seed),
            "" if line.worst_array is None else line.worst_array.in_words,
            f"{line.seconds:.1f}",
            str(line.peak_mb),
        )
        previous = line.model
    return table


def _colored(verdict: Verdict) -> str:
    return f"[{_STYLES[verdict]}]{verdict}[/]"


def _ratio(ratio: float) -> str:
    return f"{ratio:.3g}" if math.isfinite(ratio) else "no number"
