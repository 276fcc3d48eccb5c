"""What a rule is: what happens, what to write instead, a sample of each, and how it is found."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from parity.lint.source import Source

PAGE = "docs/porting/lint.md"

Check = Callable[[Source], Iterable[ast.AST]]


@dataclass(frozen=True)
class Rule:
    """A check of a file; it gives the nodes that fall into the trap.

    bad, good: programs in the framework's own words, an expression or lines that leave `result`;
    `x` is a tensor. Tests run both where they can be run.
    """

    code: str
    happens: str
    write: str
    bad: str
    good: str
    check: Check

    @property
    def link(self) -> str:
        """Where the documentation has it: page and anchor."""
        return f"{PAGE}#{self.code.lower()}"

    @property
    def message(self) -> str:
        """What a finding says."""
        return f"{self.happens}; write {self.write}"


class Topic:
    """The rules of a file."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def rule(
        self, code: str, *, happens: str, write: str, bad: str, good: str
    ) -> Callable[[Check], Check]:
        """Makes a rule of the function below; see `Rule`."""

        def add(check: Check) -> Check:
            self.rules.append(Rule(code, happens, write, bad, good, check))
            return check

        return add
