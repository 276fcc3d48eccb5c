"""Saved results: shown, judged again, compared with each other, and written for CI."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import junitparser
import pytest

from parity import cli
from parity.judge.verdicts import Verdict
from parity.report import change, checks, junit, markdown, names, saved
from parity.report.comparison import Comparison
from parity.report.saved import Saved
from restoration.errors import ExitCode, InputError
from tests.parity import saved_results as made

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results"


def _parity(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_result_that_is_read_again_is_the_one_that_was_written(tmp_path: Path) -> None:
    found = made.mixed(tmp_path)
    text = json.loads((found.folder / "result.json").read_text())
    assert json.loads(json.dumps(found.to_json())) == text
    assert [row.verdict for row in found.rows] == ["agree", "differ", "incomplete", "could not run"]


def test_a_comparison_that_is_saved_is_read_as_it_was(tmp_path: Path) -> None:
    result = made.comparison(tmp_path / "port.py")
    kept = saved.save(result, tmp_path)
    again = saved.read(kept.folder / "result.json")
    assert again.comparison is not None
    assert again.comparison.to_saved() == result.to_saved()
    assert again.kind == "compare"
    assert again.exit_code == ExitCode.DIFFERENT


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_results_of_every_format_are_read(file: Path) -> None:
    values = json.loads(file.read_text())
    found = saved.read(file)
    _, version, kind = re.fullmatch(r"(format)(\d+)_(\w+)", file.stem).groups()  # type: ignore[union-attr]
    assert (values["format"], found.kind) == (int(version), kind)
    assert int(found.exit_code) == values["exit_code"]
    if kind == "compare":
        assert found.comparison is not None
        assert found.comparison.to_saved() == values["comparison"]
        return
    for row, kept in zip(found.rows, values["rows"], strict=True):
        assert row.judged is not None
        assert (row.judged.expected, row.judged.compared) == (kept["expected"], kept["compared"])
        assert [one.ratio for one in row.judged.arrays] == [one["ratio"] for one in kept["arrays"]]


def test_a_result_of_each_format_and_kind_is_kept() -> None:
    kept = {file.stem for file in RESULTS.glob("*.json")}
    old = {"format1_run", "format1_train"}
    assert kept == old | {f"format{saved.FORMAT}_{kind}" for kind in ("run", "train", "compare")}


def test_a_result_of_a_later_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"format": 99}')
    with pytest.raises(InputError, match=r"expected format 1 to \d+, got format 99.*install"):
        saved.read(tmp_path / "result.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "not JSON", "\x00"])
def test_what_is_no_result_is_refused_in_a_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "result.json").write_text(text)
    code, _, err = _parity(capsys, "show", str(tmp_path))
    assert code == ExitCode.BAD_INPUT
    assert "expected what parity run, train or compare wrote" in err
    assert "Traceback" not in err


def test_latest_is_the_one_made_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.mixed(tmp_path, "20261126-031501-aaaa")
    made.mixed(tmp_path, "20251126-031500-ffff")
    assert saved.find("latest", tmp_path).parent.name == "20261126-031501-aaaa"
    assert saved.find("20251126-031500-ffff", tmp_path).name == "result.json"
    code, _, err = _parity(capsys, "show", "nothing", "--runs", str(tmp_path))
    assert code == ExitCode.BAD_INPUT
    assert "there are 20251126-031500-ffff, 20261126-031501-aaaa" in err


def test_show_says_what_the_run_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.mixed(tmp_path)
    code, out, _ = _parity(capsys, "show", "latest", "--runs", str(tmp_path))
    assert code == ExitCode.DIFFERENT
    assert "net-tiny, jittor: conv4" in out
    assert "net-tiny, other: it crashed" in out


def test_recheck_judges_the_saved_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = made.mixed(tmp_path)
    expected = {3.5: ["differ"] * 3, 16: ["agree", "differ", "incomplete"],
                40: ["agree", "agree", "incomplete"]}  # fmt: skip
    for bound, verdicts in expected.items():
        again = saved.recheck(found, bound)
        assert [str(row.verdict) for row in again.rows] == [*verdicts, "could not run"]
    # By the bound it was judged by, the same comes of it.
    assert saved.recheck(found, found.bound).to_json() == found.to_json()
    before = (found.folder / "result.json").read_bytes()
    code, out, _ = _parity(
        capsys, "recheck", "latest", "--bound", "50", "--runs", str(tmp_path), "--json"
    )
    assert (code, json.loads(out)["bound"]) == (ExitCode.INCOMPLETE, 50)
    assert (found.folder / "result.json").read_bytes() == before
    assert _parity_fails(capsys, "recheck", "latest", "--bound", "0")


def _parity_fails(capsys: pytest.CaptureFixture[str], *words: str) -> bool:
    with pytest.raises(SystemExit) as raised:
        cli.main(words)
    capsys.readouterr()
    return raised.value.code == ExitCode.BAD_INPUT


def test_no_bound_excuses_what_differs_beside_the_arrays(tmp_path: Path) -> None:
    one = made.row("net", "jittor", [made.array("tap/conv#0.out0", 1.0)])
    differing = Verdict.DIFFER
    text = "its batches differ from step 1 on"
    rows = [type(one)(**{**vars(one), "verdict": differing, "fault": text, "beside": text})]
    again = saved.recheck(made.saved(tmp_path, rows), 1e9)
    assert [row.verdict for row in again.rows] == [Verdict.DIFFER]


@pytest.mark.parametrize(
    ("bound", "verdict"), [(0.5, "DIFFER"), (16, "DIFFER"), (260, "DIFFER"), (301, "AGREE")]
)
def test_a_comparison_is_judged_again_with_twice_the_bound_between_modules(
    bound: float, verdict: str, tmp_path: Path
) -> None:
    found = Saved.of_comparison(made.comparison(tmp_path / "port.py"))
    again = saved.recheck(found, bound)
    assert again.comparison is not None
    assert again.comparison.verdict == verdict
    # The stretch's ratio of 500 is within twice 260; the output's 300 is not within 260.
    assert len(again.comparison.findings) == (1 if bound < 250 else 0)
    assert again.verdict == verdict.lower()


def test_diff_says_what_got_better_and_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steady = [made.array(f"tap/conv{number}#0.out0", 2.0) for number in range(3)]
    one = [*steady, made.array("tap/head#0.out0", 40.0), made.array("tap/old#0.out0", 1.0)]
    two = [*steady[:2], made.array("tap/conv2#0.out0", 90.0), made.array("tap/head#0.out0", 3.0)]
    before = made.saved(tmp_path, [made.row("net", "jittor", one)], "20261126-031500-aaaa")
    after = made.saved(tmp_path, [made.row("net", "jittor", two)], "20261126-031600-bbbb")
    kinds = {one.module: one.kind for one in change.changes(before, after)}
    assert kinds == {"conv2": "worse", "head": "better", "old": "gone"}
    code, out, _ = _parity(capsys, "diff", before.name, after.name, "--runs", str(tmp_path))
    assert code == ExitCode.DIFFERENT
    assert out.startswith("worse: net, jittor, conv2: agree (2) -> differ (90)\n")
    assert out.endswith(f"{before.name} -> {after.name}: 1 worse, 1 gone, 1 better\n")
    assert _parity(capsys, "diff", before.name, before.name, "--runs", str(tmp_path))[0] == 0
    code, out, _ = _parity(
        capsys, "diff", after.name, before.name, "--json", "--runs", str(tmp_path)
    )
    assert {one["kind"] for one in json.loads(out)["changes"]} == {"worse", "better", "new"}


def test_reports_are_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = made.mixed(tmp_path / "runs")
    words = [
        f"--report={kind}={tmp_path / 'new' / kind}"
        for kind in ("junit", "json", "markdown", "html")
    ]
    code, out, _ = _parity(capsys, "report", "latest", *words, "--runs", str(tmp_path / "runs"))
    assert (code, len(out.splitlines())) == (ExitCode.OK, 4)
    assert saved.read(tmp_path / "new" / "json").to_json() == found.to_json()
    blocked = tmp_path / "new" / "json" / "inside"
    code, _, err = _parity(capsys, "report", str(found.folder), f"--report=markdown={blocked}")
    assert code == ExitCode.BAD_INPUT
    assert "--report markdown: expected a file that can be written" in err
    assert _parity(capsys, "report", str(found.folder))[0] == ExitCode.BAD_INPUT
    assert _parity_fails(capsys, "report", "latest", "--report", "pdf=x")


def test_junit_has_a_failure_for_all_that_does_not_agree(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    junit.write(made.mixed(tmp_path), file)
    suites = list(junitparser.JUnitXml.fromfile(str(file)))
    assert [suite.name.partition(", ")[2] for suite in suites] == [
        "torch", "jittor", "mindspore", "other",
    ]  # fmt: skip
    assert [(suite.tests, suite.failures, suite.skipped) for suite in suites] == [
        (4, 0, 0), (5, 1, 0), (5, 1, 0), (1, 1, 0),
    ]  # fmt: skip
    types = [case.result[0].type for suite in suites for case in suite if case.result]
    assert types == ["differ", "incomplete", "could not run"]
    bad = next(case for case in suites[1] if case.result)
    assert {one.name: one.value for one in bad.child(junitparser.Properties)} == {
        "ratio": "40", "bound": "16", "noise": "1e-07",
    }  # fmt: skip
    assert bad.name == "conv4"
    assert "40 times the reference's own error" in bad.result[0].message


def test_junit_has_what_gitlab_and_jenkins_read(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    junit.write(made.mixed(tmp_path), file)
    root = ElementTree.parse(file).getroot()
    assert root.tag == "testsuites"
    cases = root.findall("testsuite/testcase")
    assert len(cases) == int(root.attrib["tests"])
    for case in cases:
        assert {"name", "classname", "time"} <= set(case.attrib)
        assert float(case.attrib["time"]) >= 0
        for failure in case.findall("failure"):
            assert failure.attrib["message"]
            assert failure.attrib["type"]
            assert failure.text
    assert not root.findall(".//skipped")


def test_findings_of_a_comparison_have_file_and_line(tmp_path: Path) -> None:
    port = tmp_path / "port.py"
    port.write_text("def forward(x):\n    x = reference(x)\n    return leaky(x, 0.01)\n")
    found = Saved.of_comparison(made.comparison(port))
    file = tmp_path / "junit.xml"
    junit.write(found, file)
    cases = ElementTree.parse(file).getroot().findall("testsuite/testcase")
    (bad,) = [case for case in cases if case.get("name") == "body.1"]
    assert (bad.get("file"), bad.get("line")) == (str(port), "3")
    failure = bad.find("failure")
    assert failure is not None
    assert "slope: 0.01 for 0.2" in failure.attrib["message"]
    assert "port port.py:3: return leaky(x, 0.01)" in str(failure.text)


def test_a_comparison_without_numbers_still_fails(tmp_path: Path) -> None:
    empty = Comparison("torch:a.py:A", "torch:b.py:B", expected=3)
    empty.conclude()
    found = checks.checks_of(Saved.of_comparison(empty))
    assert [check.verdict for check in found] == [Verdict.INCOMPLETE]


def test_a_summary_has_the_worst_first_and_a_link(tmp_path: Path) -> None:
    text = markdown.summary(made.mixed(tmp_path), link="https://example.invalid/page")
    assert text.startswith("## ❌ Implementations differ\n")
    assert "(<https://example.invalid/page>)" in text
    lines = [line for line in text.splitlines() if line.startswith("| net-tiny: ")]
    assert [line.split(" | ")[1] for line in lines] == ["jittor", "other", "mindspore"]


def test_a_place_without_a_line_is_a_file_alone(tmp_path: Path) -> None:
    """As a network of the suite's: `parity run` knows its file, and no line."""
    row = made.row("x-tiny", "jittor", [made.array("tap/conv#0.out0", 40.0)])
    text = markdown.summary(Saved("run", [dataclasses.replace(row, model="mimo_unet")], tmp_path))
    assert "conv (mimo\\_unet.py) " in text
    assert "None" not in text


@pytest.mark.parametrize("most", [200, 1_000, 5_000, markdown.MAX_BYTES])
def test_a_summary_takes_no_more_bytes_than_it_may(most: int, tmp_path: Path) -> None:
    names_in_three_bytes = [
        made.row(f"网络{number}" * 20, "计图", [made.array("tap/卷积#0.out0", 20.0 + number)])
        for number in range(400)
    ]
    found = made.saved(tmp_path, names_in_three_bytes)
    text = markdown.summary(found, most, most=10_000)
    assert len(text.encode()) <= most
    if most >= 1_000:
        listed = sum(line.startswith("| 网络") and ": 卷积" in line for line in text.splitlines())
        assert listed == 400 or re.search(rf"and {400 - listed} more", text)
    if most == markdown.MAX_BYTES:
        assert listed == 400


def test_hostile_names_harm_neither_junit_nor_the_summary(tmp_path: Path) -> None:
    found = made.hostile(tmp_path)
    file = tmp_path / "junit.xml"
    junit.write(found, file)
    suites = list(junitparser.JUnitXml.fromfile(str(file)))
    assert len(suites) == len(made.HOSTILE)
    assert sum(suite.failures for suite in suites) == len(made.HOSTILE) ** 2
    text = markdown.summary(found)
    for content in (file.read_text("utf-8"), text):
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]", content
        )
        assert "n" * 1_000 not in content
    assert "<script" not in text
    assert "<img" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    # What is escaped begins no column.
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in rows}
    assert columns == {5, 6}


def test_names_are_shown_on_one_line_with_all_that_is_in_them() -> None:
    assert names.shown("a\nb\u202ec\x00\ud800") == "a\\nb\\u202ec\\x00\\ud800"
    assert names.shown("网络 conv-1") == "网络 conv-1"
    assert names.shown("x" * 500, 100) == "x" * 66 + "…" + "x" * 33


@pytest.mark.frameworks("torch")
def test_a_comparison_is_saved_shown_judged_again_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = ROOT / "examples" / "porting" / "network.py"
    port = tmp_path / "port.py"
    port.write_text(reference.read_text().replace("self.head(noisy), 0.1", "self.head(noisy), 0.2"))
    runs, page, xml = tmp_path / "runs", tmp_path / "page.html", tmp_path / "junit.xml"
    code, out, err = _parity(
        capsys,
        *("compare", f"torch:{reference}:build", f"torch:{port}:build"),
        *("--input", "noisy=1x3x16x24:0,1", "--quiet", "--json", "--runs", str(runs)),
        *("--report", f"html={page}", "--report", f"junit={xml}"),
    )
    assert code == ExitCode.DIFFERENT, err
    printed = json.loads(out)
    kept = saved.read(saved.find("latest", runs))
    assert kept.comparison is not None
    assert kept.comparison.to_json() == printed
    assert "slope" in page.read_text("utf-8")
    (failing,) = [
        case
        for case in ElementTree.parse(xml).getroot().iter("testcase")
        if case.get("file") and case.find("failure") is not None
    ]
    assert (failing.get("file"), failing.get("line")) == (str(port), "20")
    # The stretch that differs is among what was aligned, with its ratio; no other one is.
    ratios = [one.ratio for one in kept.comparison.aligned if one.array.startswith("tap/")]
    assert sum(ratio > 32 for ratio in ratios) == 1
    assert len(ratios) > 1
    shown = _parity(capsys, "show", "latest", "--runs", str(runs))
    assert (shown[0], "slope" in shown[1]) == (ExitCode.DIFFERENT, True)
    again = _parity(capsys, "recheck", "latest", "--bound", "1e9", "--runs", str(runs))
    assert (again[0], again[1].startswith("AGREE")) == (ExitCode.OK, True)
