"""A run over several seeds, summed up: a line for each model and framework."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parity.judge.measurement import ArrayKey
from parity.judge.verdicts import Verdict

if TYPE_CHECKING:
    from parity.report.result import Row


@dataclass(frozen=True)
class SeedSummary:
    """One framework on one model over all seeds.

    verdict: of the seeds together; a difference outweighs what could not be compared. agreeing: how
    many of the seeds agree. worst_ratio, worst_seed, worst_array: the largest ratio of all, at
    which seed and where; NaN and None where nothing could be compared.
    """

    model: str
    framework: str
    verdict: Verdict
    seeds: int
    agreeing: int
    worst_ratio: float = math.nan
    worst_seed: int | None = None
    worst_array: ArrayKey | None = None
    seconds: float = 0.0
    peak_mb: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values; a ratio that is no number as null."""
        return vars(self) | {
            "worst_ratio": self.worst_ratio if math.isfinite(self.worst_ratio) else None,
            "worst_array": str(self.worst_array) if self.worst_array else None,
            "seconds": round(self.seconds, 3),
        }


def summarize(rows: Sequence[Row]) -> list[SeedSummary]:
    """The summaries, in the order in which models and frameworks first occur."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.model, row.framework), []).append(row)
    return [_summary(model, framework, members) for (model, framework), members in groups.items()]


def _summary(model: str, framework: str, rows: Sequence[Row]) -> SeedSummary:
    seeds = {row.seed for row in rows}
    disagreeing = {row.seed for row in rows if row.verdict is not Verdict.AGREE}
    ranked = [Verdict.DIFFER, Verdict.FAILED, Verdict.INCOMPLETE, Verdict.AGREE]
    verdict = min((row.verdict for row in rows), key=ranked.index)
    worst = max(
        ((row.judged.worst, row.seed) for row in rows if row.judged and row.judged.worst),
        key=lambda pair: pair[0].ratio,
        default=None,
    )
    return SeedSummary(
        model,
        framework,
        verdict,
        len(seeds),
        len(seeds - disagreeing),
        worst_ratio=worst[0].ratio if worst else math.nan,
        worst_seed=worst[1] if worst else None,
        worst_array=worst[0].key if worst else None,
        seconds=sum(row.seconds for row in rows if not math.isnan(row.seconds)),
        peak_mb=max(row.peak_mb for row in rows),
    )
