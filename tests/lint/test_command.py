"""`parity lint`: what it prints, what it leaves out, how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parity import cli
from parity.lint.check import chosen, lint
from parity.lint.registry import RULES
from restoration.errors import ExitCode, InputError

ROOT = Path(__file__).resolve().parents[2]

PORT = """\
import jittor as jt
import numpy as np
from jittor import nn


class Net(nn.Module):
    def execute(self, x):
        return nn.leaky_relu(nn.interpolate(x, size=(8, 8)), negative_slope=0.1)


loss = Net()(jt.array(np.zeros(3, np.float)))
loss.backward()
"""


def _run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in ("lint", *words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def port(tmp_path: Path) -> Path:
    file = tmp_path / "port.py"
    file.write_text(PORT)
    return file


def _codes(output: str) -> list[str]:
    return [line.split()[1] for line in output.splitlines()]


def test_a_finding_is_a_line_with_its_place_and_code(
    port: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, summary = _run(capsys, port)
    assert code == ExitCode.DIFFERENT
    assert _codes(output) == ["JT202", "JT104", "PT101", "JT206"]
    first = output.splitlines()[0]
    assert first.startswith(f"{port}:8:16: JT202 the slope of Jittor's leaky_relu")
    assert "; write nn.leaky_relu(x, slope)" in first
    assert first.endswith("(docs/porting/lint.md#jt202)")
    assert summary == "parity: 4 findings in 1 file\n"


def test_rules_are_selected_and_ignored_by_the_start_of_their_code(
    port: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _codes(_run(capsys, port, "--select", "JT2")[1]) == ["JT202", "JT206"]
    assert _codes(_run(capsys, port, "--ignore", "JT")[1]) == ["PT101"]
    found = _run(capsys, port, "--select", "JT,PT", "--ignore", "JT2", "--ignore", "PT101")[1]
    assert _codes(found) == ["JT104"]
    found = _run(capsys, port, "--select", "JT206", "--ignore", "JT")[1]
    assert _codes(found) == ["JT206"]
    assert _run(capsys, port, "--select", "MS")[0] == ExitCode.OK


def test_a_code_that_is_none_is_bad_input(port: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, problem = _run(capsys, port, "--select", "JX1")
    assert (code, output) == (ExitCode.BAD_INPUT, "")
    assert problem.startswith("parity: code of a rule: expected one that is known, got 'JX1'")


def test_noqa_suppresses_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "port.py"
    lines = {
        "nn.softplus(x)": {"JT101"},
        "nn.softplus(x)  # noqa": set(),
        "nn.softplus(x)  # noqa: JT101": set(),
        "nn.softplus(x)  # NOQA:JT102, JT101": set(),
        "nn.softplus(x)  # noqa: E501": {"JT101"},
        "nn.softplus(\n    x\n)  # noqa: JT101": set(),
        "nn.softplus(  # noqa: JT101\n    x\n)": set(),
        'nn.softplus(x, "# noqa")': {"JT101"},
    }
    for line, codes in lines.items():
        file.write_text(f"from jittor import nn\n{line}\n")
        report = lint([file], list(RULES.values()))
        assert {finding.code for finding in report.findings} == codes, line


def test_json_has_all_of_a_finding(port: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, said = _run(capsys, port, "--json")
    result = json.loads(output)
    assert (code, said) == (ExitCode.DIFFERENT, "")
    assert result["files"] == 1
    assert result["problems"] == []
    first = result["findings"][0]
    assert (first["path"], first["line"], first["column"]) == (str(port), 8, 16)
    assert (first["code"], first["link"]) == ("JT202", "docs/porting/lint.md#jt202")
    assert first["happens"] == RULES["JT202"].happens
    assert first["write"] == RULES["JT202"].write


def test_rules_are_told_with_their_samples(capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = _run(capsys, "--rules", "--select", "JT202")
    assert code == ExitCode.OK
    assert output.splitlines()[1:] == [
        "  bad:",
        "    nn.leaky_relu(x, negative_slope=0.1)",
        "  good:",
        "    nn.leaky_relu(x, 0.1)",
    ]
    told = json.loads(_run(capsys, "--rules", "--json")[1])
    assert [rule["code"] for rule in told] == list(RULES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"print 'Python 2'\n", "in line 1"),
        (b"def f(:\n", "invalid syntax in line 1"),
        (b"\x80\x02}q\x00.", "invalid or missing encoding"),
        (b"x = 1\x00\n", "null bytes"),
        (b"# coding: klingon\n", "unknown encoding"),
        (b"(" * 5000, "parenthes"),
        (b"-" * 200_000 + b"1", "in"),
    ],
)
def test_what_is_no_python_is_one_clear_error(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "weights.py"
    file.write_bytes(content)
    code, output, problem = _run(capsys, file)
    assert (code, output) == (ExitCode.BAD_INPUT, "")
    first = problem.splitlines()[0]
    assert first.startswith("parity: source: expected a file of Python 3, got ")
    assert words in first
    assert str(file) in first
    assert "Traceback" not in problem


def test_a_file_that_is_not_there_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, problem = _run(capsys, tmp_path / "port.py")
    assert code == ExitCode.BAD_INPUT
    assert problem.startswith("parity: PATH: expected a file or folder that exists, got none")
    code, _, problem = _run(capsys, tmp_path)
    assert code == ExitCode.BAD_INPUT
    assert "expected a folder with files of Python, got one without" in problem


def test_one_bad_file_hides_no_finding_of_others(
    port: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (port.parent / "broken.py").write_text("def f(:\n")
    code, output, problem = _run(capsys, port.parent)
    assert code == ExitCode.BAD_INPUT
    assert len(_codes(output)) == 4
    assert "broken.py" in problem
    assert problem.endswith("parity: 4 findings in 1 file\n")


def test_folders_are_searched_and_caches_are_not(port: Path) -> None:
    folder = port.parent
    for name in ("deep/er", ".hidden", "__pycache__", "site-packages"):
        (folder / name).mkdir(parents=True)
        (folder / name / "more.py").write_text(PORT)
    report = lint([folder, port], chosen([], []))
    assert report.files == 2
    assert len(report.findings) == 8


def test_an_unknown_prefix_says_what_there_is() -> None:
    with pytest.raises(InputError, match=r"known: JT101, JT102"):
        chosen(["Q"], [])


@pytest.mark.parametrize(
    "package",
    ["torch_impl", "jittor_impl", "mindspore_impl", "restoration", "parity", "weights_convert"],
)
def test_our_own_packages_fall_into_no_trap(package: str) -> None:
    report = lint([ROOT / package], list(RULES.values()))
    assert [str(finding) for finding in report.findings] == []
    assert report.problems == []
    assert report.files > 20


def test_the_whole_repository_takes_seconds() -> None:
    start = time.process_time()
    report = lint([ROOT], list(RULES.values()))
    assert report.problems == []
    assert report.files > 300
    assert time.process_time() - start < 10


def test_nothing_of_what_is_looked_at_runs(tmp_path: Path) -> None:
    file = tmp_path / "port.py"
    file.write_text("import jittor\nraise SystemExit('it ran')\n")
    program = (
        "import sys\nfrom parity import cli\n"
        f"assert cli.main(['lint', {str(file)!r}]) == 0\n"
        "assert not {'torch', 'jittor', 'mindspore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True)
