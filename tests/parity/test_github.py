"""What GitHub shows of a result: commands, summary and outputs, whatever names are in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.report import github, markdown
from parity.report.comparison import Aligned, Comparison, Finding, Place
from parity.report.saved import Saved

HOSTILE = "a\n::error file=x::b\r%0A::set-output name=c::%\u202e\u200b\x1b[2J|`<script>`,:\u2028end"


def _saved(folder: Path, findings: list[Finding]) -> Saved:
    comparison = Comparison("torch:a.py:build", "jittor:b.py:build", framework="jittor")
    comparison.findings = findings
    comparison.aligned = [Aligned("output/0", Place(), Place(), 1.0)]
    comparison.expected = comparison.compared = 1
    comparison.conclude()
    return Saved.of_comparison(comparison, folder)


def _finding(file: Path | str | None, module: str, ratio: float = 1e5, line: int = 3) -> Finding:
    port = Place(module, None if file is None else str(file), line, line)
    return Finding("module", Place(module), port, ratio, cause="slope", detail="0.2 for 0.1")


def _parsed(command: str) -> tuple[dict[str, str], str]:
    """What GitHub's runner reads of a command: properties and message, unescaped."""
    head, _, message = command.removeprefix("::").partition("::")
    name, _, listed = head.partition(" ")
    assert name == "error"
    properties = dict(part.split("=", 1) for part in listed.split(","))
    for pair in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        properties = {key: value.replace(*pair) for key, value in properties.items()}
        if pair[0] not in ("%3A", "%2C"):
            message = message.replace(*pair)
    return properties, message


def test_errors_stand_at_the_lines_of_the_port(tmp_path: Path) -> None:
    inside, outside = tmp_path / "net works" / "b,c:d.py", tmp_path.parent / "outside.py"
    found = [_finding(inside, "head"), _finding(outside, "tail", 9e4), _finding(None, "act", 8e4)]
    first, second, third = map(_parsed, github.errors_of(_saved(tmp_path, found), tmp_path)[:3])
    assert first[0] == {
        "file": "net works/b,c:d.py",
        "line": "3",
        "title": "parity, jittor: head",
    }
    assert "slope: 0.2 for 0.1" in first[1]
    for properties, _ in (second, third):
        assert set(properties) == {"title"}


def test_ten_errors_at_most_the_worst_first_and_the_rest_is_counted(tmp_path: Path) -> None:
    found = [_finding(tmp_path / "b.py", f"block{n}", 1e3 * (n + 1)) for n in range(30)]
    told = github.errors_of(_saved(tmp_path, found), tmp_path)
    assert len(told) == 10
    assert "block29" in told[0]
    assert "block21" in told[8]
    assert _parsed(told[9])[1] == "21 more are in the summary of the step and on the page"


def test_a_result_that_agrees_has_no_errors(tmp_path: Path) -> None:
    assert github.errors_of(_saved(tmp_path, []), tmp_path) == []


def test_names_of_others_write_no_commands(tmp_path: Path) -> None:
    file = tmp_path / "x\n::error::y,line=9:%0A.py"
    (told,) = github.errors_of(_saved(tmp_path, [_finding(file, HOSTILE)]), tmp_path)
    assert len(told.splitlines()) == 1
    assert told.isprintable()
    properties, message = _parsed(told)
    assert set(properties) == {"file", "line", "title"}
    assert properties["file"] == file.name
    assert properties["line"] == "3"
    assert r"\n::error file=x::b\r%0A" in properties["title"]
    assert r"\u202e\u200b\x1b[2J" in message


def test_a_summary_stays_within_what_github_takes(tmp_path: Path) -> None:
    found = [_finding(tmp_path / "b.py", f"{HOSTILE}{n}" * 9) for n in range(9000)]
    path = tmp_path / "summary.md"
    before = b"x" * (markdown.MAX_BYTES - 3000)
    path.write_bytes(before)
    names = {"SERVER_URL": "S", "REPOSITORY": "O/N", "RUN_ID": "7"}
    environment = {f"GITHUB_{name}": value for name, value in names.items()}
    environment["GITHUB_STEP_SUMMARY"] = str(path)
    size = github.add_summary(_saved(tmp_path, found), environment)
    written = path.read_bytes()
    assert len(written) == len(before) + size <= markdown.MAX_BYTES == 2**20
    text = written.decode()[len(before) :]
    assert "S/O/N/actions/runs/7#artifacts" in text
    assert "more" in text
    assert all(letter.isprintable() for letter in text if letter != "\n")
    assert "<script" not in text


def test_an_output_of_several_lines_is_refused(tmp_path: Path) -> None:
    environment = {"GITHUB_OUTPUT": str(tmp_path / "output")}
    github.set_outputs({"verdict": "differ"}, environment)
    with pytest.raises(ValueError, match="one line"):
        github.set_outputs({"verdict": "agree\nfolder=/"}, environment)
    assert (tmp_path / "output").read_text() == "verdict=differ\n"
