"""Saved results for tests of reports, made of numbers: no framework is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from parity.judge.measurement import ArrayKey
from parity.judge.verdicts import (
    BOUND,
    NOT_GIVEN,
    ArrayVerdict,
    Verdict,
    collect,
    rejudged,
    unmatched,
)
from parity.report.comparison import Aligned, Comparison, Finding, Place
from parity.report.result import Row, Run, writing
from parity.report.saved import Saved, read

HOSTILE = (
    "<script>document.title='owned'</script>",
    "\"'><img src=x onerror=\"document.title='owned'\">",
    "a|b`c*d_e[f](http://example.invalid)",
    "two\nlines\r\tand\x00\x07\x1b[31m",
    "right\u202eto\u2066left\u200f",
    "\ufffe\ud800 lone",
    "]]>--></testcase>{{ 7*7 }}",
    "n" * 20_000,
)
"""Names of modules, files and cases that somebody may have."""


def array(name: str, ratio: float, *, unit: float = 1e-7) -> ArrayVerdict:
    """An array with a ratio, judged by the bound."""
    measured = ArrayVerdict(
        ArrayKey.parse(name), Verdict.AGREE, ratio, ratio, ratio / 2, unit,
        error=unit * ratio, unit=unit,
    )  # fmt: skip
    return rejudged(measured, BOUND)


def row(case: str, framework: str, arrays: Sequence[ArrayVerdict], **more: object) -> Row:
    judged = collect(arrays)
    return Row(case, "net", framework, judged.verdict, judged=judged, seconds=1.5, **more)  # type: ignore[arg-type]


def saved(folder: Path, rows: Sequence[Row], name: str = "20261126-031500-abcd") -> Saved:
    """Rows written as a run writes them, and read again."""
    run = Run(folder / name)
    run.folder.mkdir(parents=True)
    with writing(run) as write:
        for one in rows:
            run.rows.append(one)
            write(one)
    return read(run.file)


def mixed(folder: Path, name: str = "20261126-031500-abcd") -> Saved:
    """One case that agrees, differs, has a gap, and could not run in a framework each."""
    agreeing = [array(f"tap/conv{number}#0.out0", 1.0 + number) for number in range(4)]
    return saved(
        folder,
        [
            row("net-tiny", "torch", agreeing),
            row("net-tiny", "jittor", [*agreeing, array("tap/conv4#0.out0", 40.0)], fault="conv4"),
            row("net-tiny", "mindspore", [*agreeing, unmatched(ArrayKey.output("x"), NOT_GIVEN)]),
            Row("net-tiny", "net", "other", Verdict.FAILED, reason="it crashed"),
        ],
        name,
    )


def many(folder: Path, count: int) -> Saved:
    """A run with so many arrays in two frameworks, some of which differ."""
    half = count // 2
    return saved(
        folder,
        [
            row(
                "net-published",
                framework,
                [
                    array(
                        f"tap/body.{n // 9}.layer{n % 9}.conv#0.out0", 0.5 + (n * 7919 % 1000) / 60
                    )
                    for n in range(half)
                ],
            )
            for framework in ("jittor", "mindspore")
        ],
    )


def hostile(folder: Path) -> Saved:
    """A run whose cases, frameworks and modules all have hostile names."""
    return saved(
        folder,
        [
            row(
                name.encode("utf-8", "replace").decode(),
                f"framework {name.encode('utf-8', 'replace').decode()}",
                [array(f"tap/{other}#0.out0".encode("utf-8", "replace").decode(), 50.0)
                 for other in HOSTILE],
                fault=name.encode("utf-8", "replace").decode(),
                notes=[name.encode("utf-8", "replace").decode()],
            )
            for name in HOSTILE
        ],
    )  # fmt: skip


def comparison(port_file: Path, module: str = "body.1") -> Comparison:
    """A port with one stretch that differs, whose cause is known, and one weight too many."""
    ours, theirs = Place("body.1", str(port_file), 2, 2), Place(module, str(port_file), 3, 3)
    result = Comparison("torch:reference.py:build", f"jittor:{port_file.name}:build")
    result.framework = "jittor"
    result.aligned = [
        Aligned("tap/body.0#0.out0", Place("body.0"), Place("body.0"), 1.5, 2.0, 1e-7, 1e-7),
        Aligned("tap/body.1#0.out0", ours, theirs, 500.0, 2.0, 5e-5, 1e-7),
        Aligned("output/0", Place(), Place(), 300.0, 1.0, 3e-5, 1e-7),
    ]
    result.findings = [
        Finding(
            "module", ours, theirs, 500.0, cause="slope", detail="0.01 for 0.2",
            ratio_before=500.0, ratio_after=0.7, times=2.0,
        )
    ]  # fmt: skip
    result.outputs_differ, result.output_ratio = True, 300.0
    result.expected = result.compared = 3
    result.conclude()
    return result
