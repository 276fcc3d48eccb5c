"""docs/porting/lint.md has every rule, and a rule or a reason for every trap of the other pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parity.lint.registry import RULES
from parity.lint.rule import PAGE

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / PAGE).read_text()
OTHERS = sorted(file for file in (ROOT / PAGE).parent.glob("*.md") if file.name != "lint.md")


def _section(title: str) -> str:
    """The text of a section."""
    found = re.search(rf"^### {re.escape(title)}$\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def _rows(text: str) -> list[list[str]]:
    """The cells of the lines of tables, heads and rules of tables left out."""
    rows = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [row.split(" | ") for row in rows][1:]


def test_the_page_tells_every_rule_as_it_is() -> None:
    for rule in RULES.values():
        anchor = rule.link.partition("#")[2]
        line = f'| <a id="{anchor}"></a>{rule.code} | {rule.happens} | {rule.write} |'
        assert f"{line}\n" in TEXT, f"write in {PAGE}: {line}"
    assert TEXT.count("<a id=") == len(RULES)


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.stem)
def test_every_trap_has_a_rule_or_a_reason(page: Path) -> None:
    """A trap is a line of a table whose last column is its test, see test_porting_docs.py."""
    lines = re.findall(r"^\| (.*) \|$", page.read_text(), re.MULTILINE)
    tests = [line.rpartition(" | ")[2] for line in lines]
    traps = [test for test in tests if "test_" in test]
    told = dict(_rows(_section(f"Traps of {page.name}"))) if traps else {}
    assert sorted(told) == sorted(traps)
    for test, answer in told.items():
        _look_at(test, answer)


def test_what_users_wrote_down_has_a_rule_or_a_reason() -> None:
    rows = _rows(_section("Differences that users wrote down"))
    assert len(rows) >= 15
    for note, answer in rows:
        _look_at(note, answer)
    assert all(len(why) > 15 for _, why in _rows(_section("Measured, and without a rule")))


def _look_at(trap: str, answer: str) -> None:
    """An answer must name rules that are there, or give a reason."""
    codes = re.findall(r"\[(\w+)\]\(#(\w+)\)", answer)
    for code, anchor in codes:
        assert code in RULES, f"{trap}: {code}"
        assert anchor == code.lower()
    assert codes or len(answer.removeprefix("none: ")) > 15 < len(answer), trap
    assert codes or answer.startswith("none: "), trap


def test_the_example_is_what_the_command_prints() -> None:
    rule = RULES["JT202"]
    assert f"port.py:8:16: JT202 {rule.message} ({rule.link})\n" in TEXT
