"""Learning rates over a run: factors that every group's rate is multiplied by.

A factor depends on the number of the step alone (and of the epoch, which follows from it), so that
a resumed run needs nothing but its step. Steps and epochs are counted from 0 here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from restoration.training.settings import STRICT, require


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """How the learning rate goes on from what the optimizer starts with."""

    __pydantic_config__: ClassVar[Any] = STRICT

    name: Literal["constant", "multi_step", "linear_decay", "cosine", "one_cycle", "plateau"] = (
        "constant"
    )
    """multi_step: times gamma at each milestone; linear_decay: constant, then down to 0 in a line;
    cosine: down by half a wave; one_cycle: up and down once, each by half a wave; plateau: times
    gamma whenever no validation was better for a while."""
    per: Literal["step", "epoch"] = "step"
    """What milestones, constant, length and warmup count, and how often the rate changes."""
    milestones: tuple[int, ...] = ()
    """multi_step: from which step or epoch on the rate is lower."""
    every: int | None = None
    """multi_step: a milestone at each multiple of this, instead of a list."""
    gamma: float = 0.5
    """multi_step, plateau: what the rate is multiplied by."""
    constant: int = 0
    """linear_decay: how long the rate stays."""
    length: int | None = None
    """linear_decay, cosine, one_cycle: how long it takes to come down; the rest of the run if none
    is given."""
    lowest: float = 0.0
    """cosine: the factor at its end."""
    restarts: tuple[int, ...] = ()
    """cosine: lengths of waves, one after another; each starts at the full rate."""
    rise: float = 0.3
    """one_cycle: the share of its length in which the rate rises."""
    start: float = 0.04
    """one_cycle: the factor it begins with."""
    end: float = 4e-06
    """one_cycle: the factor it ends with."""
    patience: int = 5
    """plateau: how many validations may pass without a better one."""
    threshold: float = 0.01
    """plateau: by what share of the best one a validation must be better."""
    warmup: int = 0
    """Steps or epochs in which the rate rises in a line, beginning at warmup_from."""
    warmup_from: float = 0.0
    """The factor at the first step of a warm-up."""

    def __post_init__(self) -> None:
        count = "a whole number of at least 1"
        require(
            self,
            every=(self.every is None or self.every >= 1, f"{count}, or none"),
            gamma=(0 < self.gamma <= 1, "a number in (0, 1]"),
            length=(self.length is None or self.length >= 1, f"{count}, or none"),
            restarts=(all(length >= 1 for length in self.restarts), "lengths of at least 1"),
            rise=(0 < self.rise < 1, "a number in (0, 1)"),
            warmup=(self.warmup >= 0, "a whole number of at least 0"),
        )

    def factor(
        self, step: int, *, steps: int, steps_per_epoch: int, scores_db: Sequence[float] = ()
    ) -> float:
        """The factor for a step, counted from 0, of a run of `steps`.

        scores_db: PSNR of the validations so far, for plateau.
        """
        whole = steps if self.per == "step" else math.ceil(steps / steps_per_epoch)
        place = step if self.per == "step" else step // steps_per_epoch
        if place < self.warmup:
            return self.warmup_from + (1 - self.warmup_from) * place / self.warmup
        place, whole = place - self.warmup, whole - self.warmup
        length = self.length if self.length is not None else whole
        factor = 1.0
        if self.name == "multi_step":
            factor = self.gamma ** self._milestones_before(place)
        elif self.name == "linear_decay":
            length = self.length if self.length is not None else whole - self.constant
            factor = max(0.0, 1 - max(0, place - self.constant) / (length + 1))
        elif self.name == "cosine":
            begun, wave = _wave(self.restarts or (length,), place)
            factor = _fall(1.0, self.lowest, (place - begun) / max(wave, 1))
        elif self.name == "one_cycle":
            factor = self._one_cycle(place, length)
        elif self.name == "plateau":
            factor = self.gamma ** self.falls([-score for score in scores_db])
        return float(factor)

    def _milestones_before(self, place: int) -> int:
        if self.every is not None:
            return place // self.every
        return sum(place >= milestone for milestone in self.milestones)

    def _one_cycle(self, place: int, length: int) -> float:
        """Smith, Topin: Super-Convergence, 2018, as PyTorch counts it: the last step is the end."""
        top, last = self.rise * length - 1, length - 1
        if place <= top:
            return _fall(self.start, 1.0, place / top) if top > 0 else 1.0
        return _fall(1.0, self.end, min((place - top) / max(last - top, 1), 1.0))

    def falls(self, values: Sequence[float]) -> int:
        """How often a plateau was reached by values of which lower ones are better."""
        falls, waited, best = 0, 0, math.inf
        for value in values:
            if value < best - self.threshold * abs(best if math.isfinite(best) else 0):
                best, waited = value, 0
            else:
                waited += 1
            if waited > self.patience:
                falls, waited = falls + 1, 0
        return falls


def _wave(lengths: Sequence[int], place: int) -> tuple[int, int]:
    """Where the wave began that a place lies in, and how long it is; the last one goes on."""
    begun = 0
    for length in lengths[:-1]:
        if place < begun + length:
            return begun, length
        begun += length
    return begun, lengths[-1]


def _fall(first: float, last: float, share: float) -> float:
    """From one factor to another by half a wave."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
