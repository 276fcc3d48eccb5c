"""What got better or worse from one saved result to another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parity.judge.verdicts import Verdict
from parity.report.checks import SEVERITY, Check, checks_of
from parity.report.saved import Saved
from restoration.errors import ExitCode

NOTABLE = 2.0
"""How many times another a ratio must be to be told; another machine's rounding moves it less."""

_Key = tuple[str, str, str]


@dataclass(frozen=True)
class Change:
    """One module of a case and framework, before and after; None where a result has none."""

    case: str
    framework: str
    module: str
    before: Check | None
    after: Check | None

    @property
    def kind(self) -> str:
        """ "worse", "better", "new" or "gone"; by the verdict, and within one by the ratio."""
        if self.before is None:
            return "new"
        if self.after is None:
            return "gone"
        ranks = SEVERITY.index(self.before.verdict), SEVERITY.index(self.after.verdict)
        pair = ranks if ranks[0] != ranks[1] else (self.before.ratio, self.after.ratio)
        return "worse" if pair[1] > pair[0] else "better"

    @property
    def changes_verdict(self) -> bool:
        return bool(self.before and self.after and self.before.verdict is not self.after.verdict)

    @property
    def in_words(self) -> str:
        where = f"{self.case}, {self.framework}, {self.module}"
        sides = [_in_words(side) for side in (self.before, self.after) if side]
        return f"{self.kind}: {where}: {' -> '.join(sides)}"

    def to_json(self) -> dict[str, Any]:
        """Plain values; an infinite ratio as null."""
        values: dict[str, Any] = {
            "kind": self.kind,
            "case": self.case,
            "framework": self.framework,
            "module": self.module,
        }
        for name, side in (("before", self.before), ("after", self.after)):
            ratio = side.ratio if side and math.isfinite(side.ratio) else None
            values[name] = side and {"verdict": side.verdict, "ratio": ratio}
        return values


def changes(before: Saved, after: Saved) -> list[Change]:
    """Everything whose verdict is another, whose ratio changed notably, or that only one has; what
    got worse first."""
    found = []
    sides = _by_key(before), _by_key(after)
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        change = Change(*key, sides[0].get(key), sides[1].get(key))
        if _is_notable(change):
            found.append(change)
    order = ["worse", "gone", "new", "better"]
    return sorted(found, key=lambda one: (not one.changes_verdict, order.index(one.kind)))


def exit_code(found: list[Change]) -> ExitCode:
    """1 where a verdict got worse or what is new does not agree, 2 where something is gone."""
    if any(one.kind == "worse" and one.changes_verdict for one in found):
        return ExitCode.DIFFERENT
    if any(one.kind == "new" and one.after and not _agrees(one.after) for one in found):
        return ExitCode.DIFFERENT
    return ExitCode.INCOMPLETE if any(one.kind == "gone" for one in found) else ExitCode.OK


def _by_key(saved: Saved) -> Mapping[_Key, Check]:
    return {(check.case, check.framework, check.module): check for check in checks_of(saved)}


def _agrees(check: Check) -> bool:
    return check.verdict is Verdict.AGREE


def _is_notable(change: Change) -> bool:
    if change.before is None or change.after is None or change.changes_verdict:
        return True
    less, more = sorted((change.before.ratio, change.after.ratio))
    return more > 1.0 and more != less and more >= NOTABLE * less


def _in_words(check: Check) -> str:
    ratio = f"{check.ratio:.3g}" if math.isfinite(check.ratio) else "no number"
    return f"{check.verdict} ({ratio})" if check.ratio else str(check.verdict)
