"""`parity lint`: what a port's source says of the traps of docs/porting, without running it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parity.lint.check import Report, chosen, lint
from parity.lint.rule import Rule
from restoration.errors import ExitCode


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of the command, and what it does."""
    command.set_defaults(command=run)
    command.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="files, and folders with *.py in them"
    )
    for name, help_text in (
        ("--select", "only these rules: codes, or what codes begin with, as JT or MS1"),
        ("--ignore", "none of these rules; of two that fit a code, the longer one counts"),
    ):
        command.add_argument(
            name, type=_codes, action="extend", default=[], metavar="CODE,...", help=help_text
        )
    command.add_argument(
        "--rules", action="store_true", help="say what the rules are instead, with samples"
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Look at the paths and print a line for each finding; the exit code says what came of it."""
    rules = chosen(options.select, options.ignore)
    if options.rules:
        _print_rules(rules, as_json=options.json)
        return ExitCode.OK
    report = lint(options.paths or [Path()], rules)
    if options.json:
        print(json.dumps(to_json(report), indent=1))
    else:
        for finding in report.findings:
            print(finding)
    for problem in report.problems:
        print(f"parity: {problem}", file=sys.stderr)
    if not options.json:
        print(_summary(report), file=sys.stderr)
    if report.problems:
        return ExitCode.BAD_INPUT
    return ExitCode.DIFFERENT if report.findings else ExitCode.OK


def to_json(report: Report) -> dict[str, Any]:
    """A report as plain values."""
    return {
        "files": report.files,
        "findings": [asdict(finding) for finding in report.findings],
        "problems": [str(problem) for problem in report.problems],
    }


def _summary(report: Report) -> str:
    def counted(number: int, noun: str) -> str:
        return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

    found = counted(len(report.findings), "finding")
    return f"parity: {found} in {counted(report.files, 'file')}"


def _print_rules(rules: Sequence[Rule], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_rule_to_json(rule) for rule in rules], indent=1))
        return
    for rule in rules:
        print(f"{rule.code}: {rule.message} ({rule.link})")
        for title, sample in (("bad", rule.bad), ("good", rule.good)):
            lines = sample.strip().splitlines()
            print(f"  {title}:", *(f"    {line}".rstrip() for line in lines), sep="\n")


def _rule_to_json(rule: Rule) -> dict[str, str]:
    names = ("code", "happens", "write", "bad", "good", "link")
    return {name: getattr(rule, name) for name in names}


def _codes(text: str) -> list[str]:
    return [code for code in text.replace(",", " ").split() if code]
