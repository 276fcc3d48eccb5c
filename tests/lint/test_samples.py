"""Every rule finds its bad sample and is silent on the good one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parity.lint.check import check
from parity.lint.registry import RULES
from parity.lint.rule import Rule
from tests.lint.samples import framework_of, program_of, source_of

ROOT = Path(__file__).resolve().parents[2]
ALL = [pytest.param(rule, id=code) for code, rule in RULES.items()]


@pytest.mark.parametrize("rule", ALL)
def test_a_rule_finds_its_bad_sample_and_not_the_good_one(rule: Rule, tmp_path: Path) -> None:
    bad = source_of(tmp_path, program_of(rule.bad), framework_of(rule))
    assert {finding.code for finding in check(bad, [rule])} == {rule.code}
    good = source_of(tmp_path, program_of(rule.good), framework_of(rule))
    assert check(good, [rule]) == []


@pytest.mark.parametrize("rule", ALL)
def test_what_is_advised_falls_into_no_other_trap(rule: Rule, tmp_path: Path) -> None:
    good = source_of(tmp_path, program_of(rule.good), framework_of(rule))
    found = {finding.code for finding in check(good, list(RULES.values()))}
    assert found <= {"JT102"}  # samples add up a few numbers, which even float32 can


@pytest.mark.parametrize("rule", [one for one in ALL if not one.id.startswith("PT")])
def test_a_rule_is_silent_on_other_frameworks(rule: Rule, tmp_path: Path) -> None:
    text = program_of(rule.bad)
    start = re.compile(r"\b(jt|ms)\.")
    others = source_of(tmp_path, start.sub("torch.", text), "torch")
    if rule.code != "JT215":  # what is written down for Jittor can be anybody's line
        assert check(others, [rule]) == []


def test_codes_are_told_apart_by_framework() -> None:
    assert len(RULES) > 90
    assert all(re.fullmatch(r"(JT|MS|PT)[1-4]\d\d", code) for code in RULES)
    for start in ("JT1", "JT2", "JT3", "MS1", "MS2", "MS3", "MS4"):
        numbers = [int(code[3:]) for code in RULES if code.startswith(start)]
        assert numbers == list(range(1, len(numbers) + 1)), start


def test_no_code_is_given_twice() -> None:
    files = (ROOT / "parity" / "lint").glob("*.py")
    given = [
        code
        for file in files
        for code in re.findall(r'^    "(\w\w\d{3})",$', file.read_text(), re.M)
    ]
    assert sorted(given) == list(RULES)
