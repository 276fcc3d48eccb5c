"""One pair under every rule, or the rules that give a number from elsewhere."""

from __future__ import annotations

import numpy as np
from rich.table import Table

from restoration import console
from restoration.errors import ExitCode, InputError, RestorationError
from restoration.evaluation import protocols, rules
from restoration.evaluation.pairs import Pair
from restoration.evaluation.scoring import scored


def explain(pair: Pair, restored: np.ndarray, scale: float, number: str) -> int:
    """Print what each rule gives for a pair, or the rules that give `number` if it is not empty;
    the exit code says whether any does."""
    wanted = _Wanted(number) if number else None
    table = Table("protocol", "numbers", "rule", title=f"{pair.name} under every rule")
    hits = 0
    for name, protocol in rules.PROTOCOLS.items():
        try:
            numbers = scored(protocol, pair, restored, scale).numbers()
        except RestorationError as problem:
            if not wanted:
                table.add_row(name, "-", str(problem).partition(";")[0])
            continue
        given = [key for key, value in numbers.items() if wanted and wanted.is_met_by(value)]
        if wanted and not given:
            continue
        hits += 1
        said = ", ".join(f"{key} {protocols.shown(key, value)}" for key, value in numbers.items())
        table.add_row(name, said, protocol.describe())
    if wanted and not hits:
        print(f"no rule gives {number} for {pair.name}; --explain shows what each gives")
        return ExitCode.DIFFERENT
    console.results_console(160).print(table)
    return ExitCode.OK


class _Wanted:
    """A number as somebody printed it, to so many places."""

    def __init__(self, text: str):
        try:
            self._value = float(text)
        except ValueError as problem:
            raise InputError(
                "--explain",
                expected="a number, as 31.73",
                got=repr(text),
                where="command line",
                next_step="leave it out to see every rule",
            ) from problem
        self._half_place = 0.5001 * 10.0 ** -len(text.partition(".")[2])

    def is_met_by(self, value: float) -> bool:
        return abs(value - self._value) <= self._half_place
