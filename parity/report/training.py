"""The result of `parity train-compare`, as text and as JSON (`training.schema.json`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from parity.judge.steps import Departure
from parity.judge.verdicts import CaseVerdict, Verdict
from restoration.errors import ExitCode


@dataclass(frozen=True)
class StepCause:
    """One thing that makes the reference's steps the port's. name: one of
    `parity.diagnose.causes.CAUSES`."""

    name: str
    detail: str
    ratio_after: float | None


@dataclass
class TrainingComparison:
    """What is known of a port's steps. departure: where it leaves the reference, by the reference's
    names. entries: the port's, by the reference's."""

    reference: str
    port: str
    steps: int
    judged: CaseVerdict | None = None
    departure: Departure | None = None
    entries: dict[str, str] = field(default_factory=dict)
    causes: Sequence[StepCause] = ()
    gaps: list[str] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        if self.judged is None:
            return "INCOMPLETE"
        if self.judged.verdict is Verdict.DIFFER:
            return "DIFFER"
        return "AGREE" if self.judged.verdict is Verdict.AGREE and not self.gaps else "INCOMPLETE"

    @property
    def exit_code(self) -> ExitCode:
        return {
            "AGREE": ExitCode.OK,
            "DIFFER": ExitCode.DIFFERENT,
            "INCOMPLETE": ExitCode.INCOMPLETE,
        }[self.verdict]

    @property
    def compared(self) -> int:
        return self.judged.compared if self.judged else 0

    @property
    def expected(self) -> int:
        return (self.judged.expected if self.judged else 0) + len(self.gaps)

    @property
    def worst(self) -> float:
        return max((one.ratio for one in self.judged.arrays), default=0.0) if self.judged else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "reference": self.reference,
            "port": self.port,
            "steps": self.steps,
            "ratio": _finite(self.worst),
            "coverage": {"compared": self.compared, "expected": self.expected},
            "departure": self._departure(),
            "causes": [
                {
                    "name": one.name,
                    "detail": one.detail,
                    "ratio_after": None if one.ratio_after is None else _finite(one.ratio_after),
                }
                for one in self.causes
            ],
            "gaps": self.gaps,
            "assumptions": self.assumptions,
            "warnings": self.warnings,
        }

    def _departure(self) -> dict[str, Any] | None:
        found = self.departure
        if found is None:
            return None
        kind, _, name = found.array.key.name.partition("/")[2].partition("/")
        is_loss = kind == "loss"
        return {
            "step": found.step,
            "kind": "loss" if is_loss else "entry",
            "reference": None if is_loss else name,
            "port": None if is_loss else self.entries.get(name),
            "ratio": _finite(found.array.ratio),
            "differing": found.differing,
        }

    def in_words(self) -> list[str]:
        """The result for a person, line by line."""
        lines = [
            f"{self.verdict}: {self.port} against {self.reference}, {self.steps} steps, "
            f"{self.compared} of {self.expected} arrays compared, the worst {self.worst:.3g} times "
            "the reference's own drift"
        ]
        if self.departure is not None:
            found = self.departure
            others = f", and {found.differing - 1} more there" if found.differing > 1 else ""
            lines.append(
                f"leaves the reference at {found.array.key.in_words}: {found.array.why}{others}"
            )
            for cause in self.causes:
                after = "" if cause.ratio_after is None else f" (with it {cause.ratio_after:.2g})"
                lines.append(f"    {cause.name}: {cause.detail}{after}")
            if not self.causes:
                lines.append("    no known cause; parity compare looks at outputs and gradients")
        lines += [f"not compared: {text}" for text in self.gaps]
        lines += [f"assumed: {text}" for text in self.assumptions]
        lines += [f"warning: {text}" for text in dict.fromkeys(self.warnings)]
        return lines


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
