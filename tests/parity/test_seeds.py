"""Several seeds in one run: a case each, a line for each model and framework, bounded disk."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parity.cases import sources
from parity.cases.case import Case
from parity.commands import run as command
from parity.judge.measurement import ArrayKey
from parity.judge.verdicts import ArrayVerdict, CaseVerdict, Verdict
from parity.report.progress import Progress
from parity.report.result import Row, Run
from parity.report.seeds import SeedSummary, summarize
from restoration.errors import ExitCode
from restoration.process.launch import Worker
from tests.parity.test_parity import parity

SMALL = ("--size", "16x24", "--gradient-size", "16x24", "--photographs", "cat")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], Path]:
    """What a run over three seeds printed, its result, and its folder."""
    folder = tmp_path_factory.mktemp("seeds")
    finished = parity(
        "run", "edsr", "mimo_unet", "--seeds", "1-2,26", *SMALL,
        "--frameworks", "torch", "--engine", "copy=torch_impl", cwd=folder,
    )  # fmt: skip
    assert finished.returncode == ExitCode.OK, finished.stdout + finished.stderr
    (run,) = (folder / "runs").iterdir()
    return finished.stdout, json.loads((run / "result.json").read_text()), run


def test_every_case_runs_for_every_seed(seeds: tuple[str, dict[str, Any], Path]) -> None:
    _, result, run = seeds
    assert [(row["case"], row["framework"], row["seed"]) for row in result["rows"]] == [
        (f"{model}-tiny-seed{seed}", framework, seed)
        for seed in (1, 2, 26)
        for model in ("edsr", "mimo_unet")
        for framework in ("torch", "copy")
    ]
    # Other weights each time, so the rounding of the reference is another.
    noise = {
        sum(array["noise"] for array in row["arrays"])
        for row in result["rows"]
        if row["framework"] == "torch"
    }
    assert len(noise) == 6
    assert all(len(row["arrays"]) == row["expected"] for row in result["rows"])
    assert sorted(path.name for path in run.iterdir()) == ["result.json", "workers"]


def test_seeds_are_summed_up(seeds: tuple[str, dict[str, Any], Path]) -> None:
    printed, result, _ = seeds
    lines = result["seeds"]
    assert [(line["model"], line["framework"]) for line in lines] == [
        ("edsr", "torch"),
        ("edsr", "copy"),
        ("mimo_unet", "torch"),
        ("mimo_unet", "copy"),
    ]
    for line in lines:
        rows = [
            row
            for row in result["rows"]
            if (row["model"], row["framework"]) == (line["model"], line["framework"])
        ]
        worst = max(rows, key=lambda row: row["worst_ratio"])
        assert (line["agreeing"], line["seeds"], line["verdict"]) == (3, 3, "agree")
        assert line["worst_ratio"] == worst["worst_ratio"]
        assert line["worst_seed"] == worst["seed"]
        assert line["worst_array"] == worst["worst_array"]
        assert f"{line['worst_ratio']:.3g}" in printed
    assert printed.count("3/3") == 4
    assert "at seed" in printed
    assert "tiny-seed" not in printed  # all agree: no case needs a line of its own


def test_one_seed_is_a_run_as_any_other(tmp_path: Path) -> None:
    finished = parity(
        "run", "edsr", "--seeds", "26", *SMALL, "--frameworks", "torch", "--json", cwd=tmp_path
    )
    assert finished.returncode == ExitCode.OK, finished.stderr
    result = json.loads(finished.stdout)
    assert [(row["case"], row["seed"]) for row in result["rows"]] == [("edsr-tiny-seed26", 26)]
    assert result["seeds"] == []
    (run,) = (tmp_path / "runs").iterdir()
    assert finished.stdout == (run / "result.json").read_text()


def _row(model: str, framework: str, seed: int, ratio: float, verdict: Verdict) -> Row:
    worst = ArrayVerdict(ArrayKey.output(f"y{seed}"), verdict, ratio)
    judged = CaseVerdict(verdict, [worst], 1, 1)
    name = f"{model}-seed{seed}"
    return Row(name, model, framework, verdict, seed, judged=judged, seconds=2.0, peak_mb=seed)


def test_the_worst_seed_and_those_that_agree() -> None:
    rows = [
        _row("a", "port", 1, 2.0, Verdict.AGREE),
        _row("a", "port", 7, math.inf, Verdict.DIFFER),
        _row("a", "port", 9, 4.0, Verdict.AGREE),
        _row("a", "port", 9, 90.0, Verdict.DIFFER),  # another picture at the same seed
        Row("a-seed8", "a", "port", Verdict.FAILED, 8, reason="crashed"),
        _row("a", "other", 1, 3.0, Verdict.AGREE),
        _row("a", "other", 7, 1.0, Verdict.INCOMPLETE),
        Row("b-seed1", "b", "port", Verdict.FAILED, 1, reason="crashed"),
    ]
    first, second, third = summarize(rows)
    assert first == SeedSummary(
        "a", "port", Verdict.DIFFER, 4, 1, math.inf, 7, ArrayKey.output("y7"), 8.0, 9
    )
    assert first.to_json()["worst_ratio"] is None
    assert first.to_json()["worst_array"] == "output/y7"
    assert second == SeedSummary(
        "a", "other", Verdict.INCOMPLETE, 2, 1, 3.0, 1, ArrayKey.output("y1"), 4.0, 7
    )
    assert (third.verdict, third.seeds, third.agreeing) == (Verdict.FAILED, 1, 0)
    assert (third.worst_seed, third.to_json()["worst_ratio"]) == (None, None)


def test_what_differs_at_a_seed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from parity.report.table import print_result

    rows = [
        _row("a", "port", 1, 2.0, Verdict.AGREE),
        dataclasses.replace(_row("a", "port", 7, 90.0, Verdict.DIFFER), fault="head: its code"),
    ]
    print_result(Run(tmp_path, rows), Console(width=160))
    printed = capsys.readouterr().out
    assert "a-seed7, port: head: its code" in printed
    assert "1/2" in printed
    assert "implementations differ" in printed


@pytest.mark.parametrize(("bound", "value"), [("_MOST_CASES", 2), ("_MOST_INPUT_BYTES", 1)])
def test_arrays_are_dropped_as_they_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    """Whatever the number of cases, no more than a few of them lie on the disk."""
    monkeypatch.setattr(command, bound, value)
    found = []

    def cases() -> Iterator[Case]:
        for seed in range(5):
            found.append([path.parent.name for path in tmp_path.glob("*/*/given.safetensors")])
            case = sources.photograph_case(
                "edsr",
                spec_name="tiny",
                photographs=("cat",),
                size_px=(16, 24),
                gradient_size_px=(16, 24),
                seed=seed,
            )
            yield dataclasses.replace(case, name=f"edsr-seed{seed}")

    with Progress(quiet=True) as progress:
        result = command.run(
            cases(),
            Worker("torch", "torch_impl"),
            [],
            runs_folder=tmp_path,
            progress=progress,
        )
    assert [row.seed for row in result.rows] == [0, 1, 2, 3, 4]
    assert result.exit_code is ExitCode.OK
    assert len(found) == 5
    assert max(map(len, found)) == value - 1
    assert all(row.judged and len(row.judged.arrays) == 1 for row in result.rows)
    written = json.loads(result.file.read_text())
    assert all(len(row["arrays"]) == row["expected"] > 30 for row in written["rows"])
