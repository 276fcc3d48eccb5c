"""Decisions of a port: one that was taken the other way is no fault where rounding decides it.

As in `parity run`, a decision's ratio is its margin in units of the noise of what it is taken from.
Those within the bound may be the port's: the reference is played with them until its numbers are
the port's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.judge.errors import norms_of
from parity.judge.verdicts import BOUND

_ULP = 2.0**-23
_MOST = 4096  # decisions of a stretch that are tried the other way
_BUDGET_S = 10.0  # of the thread's own time, so that no other work on the machine counts


@dataclass(frozen=True)
class Decided:
    """Decisions of a call that the port takes otherwise. ratio: of the clearest
    of them. total: how many the call takes."""

    call: Any
    count: int
    total: int
    ratio: float

    @property
    def in_words(self) -> str:
        where = ""
        if self.call.frames:
            file, line, _ = self.call.frames[0]
            where = f" ({file.rpartition('/')[2]}:{line})"
        return (
            f"{self.count} of {self.total} decisions of {self.call.name}{where} are the port's "
            f"own, against margins of at most {self.ratio:.2g} times their noise"
        )


def decide(
    tape: Any,
    stretch: Any,
    kinds: Any,
    value: np.ndarray,
    judge: Callable[[np.ndarray], float],
) -> tuple[float, list[Decided]]:
    """The ratio of a stretch with the decisions that rounding may take the other way, and those.

    kinds: the module that knows decisions (`torch_impl/decisions.py`). value: the port's. judge:
    gives the ratio of it to what is played.
    """
    unclear = [
        (call, place, ratio)
        for call in stretch.calls
        if kinds.is_decision(call.name) and not call.written
        for place, ratio in _unclear(tape, stretch, kinds, call)
    ]
    chosen: dict[int, list[int]] = {}

    def played(flips: dict[int, list[int]]) -> np.ndarray | None:
        changes = {number: kinds.flipped(names[number], places) for number, places in flips.items()}
        try:
            found: np.ndarray = tape.play(stretch, changes=changes).astype(np.float64)
        except Exception:  # the change does not fit
            return None
        return found if found.shape == value.shape else None

    def distance(found: np.ndarray | None) -> float:
        return np.inf if found is None else float(np.linalg.norm(found - value))

    names = {call.number: call.name for call, _, _ in unclear}
    deadline = time.thread_time() + _BUDGET_S
    best = played({})
    least = distance(best)
    ratios: dict[int, float] = {}
    ranked = sorted(unclear, key=lambda one: one[2])[:_MOST]
    together = _where_off(tape, ranked, best, value)
    for group in [*together, *([one] for one in ranked)]:
        trial = dict(chosen)
        for call, place, _ in group:
            trial[call.number] = [*trial.get(call.number, []), place]
        if any(len(set(places)) < len(places) for places in trial.values()):
            continue  # tried
        found = played(trial)
        if distance(found) < least:
            best, least, chosen = found, distance(found), trial
            for call, _, ratio in group:
                ratios[call.number] = max(ratio, ratios.get(call.number, 0.0))
        if (best is not None and judge(best) <= 1) or time.thread_time() > deadline:
            break
    decided = [
        Decided(call, len(chosen[call.number]), _total(tape, kinds, call), ratios[call.number])
        for call in stretch.calls
        if call.number in chosen
    ]
    return (np.inf if best is None else judge(best)), decided


def _where_off(
    tape: Any, ranked: list[tuple[Any, int, float]], best: np.ndarray | None, value: np.ndarray
) -> list[list[tuple[Any, int, float]]]:
    """For each call that decides number by number: the decisions at the places that are off."""
    if best is None:
        return []
    off = np.abs(best - value).ravel()
    groups: dict[int, list[tuple[Any, int, float]]] = {}
    for call, place, ratio in ranked:
        is_by_number = tape.tensors[call.results[0]].numel() == value.size
        if is_by_number and off[place] > 0.25 * off.max():
            groups.setdefault(call.number, []).append((call, place, ratio))
    return list(groups.values())


def _values(tape: Any, call: Any) -> tuple[Any, Any]:
    def value(part: Any) -> Any:
        slot = getattr(part, "slot", None)
        return part if slot is None else tape.tensors[slot]

    arguments = tuple(value(part) for part in call.arguments)
    return arguments, {name: value(part) for name, part in call.keywords.items()}


def _total(tape: Any, kinds: Any, call: Any) -> int:
    return int(kinds.margins(call.name, *_values(tape, call)).numel())


def _unclear(tape: Any, stretch: Any, kinds: Any, call: Any) -> list[tuple[int, float]]:
    """Decisions that rounding may take the other way, with their ratios."""
    arguments, keywords = _values(tape, call)
    slot = getattr(kinds.operand(call.arguments), "slot", None)
    if slot is None or not arguments[0].is_floating_point():
        return []
    exact = arguments[0].detach().numpy()
    unit = _ULP * norms_of(exact).max
    inside = type(stretch)(
        slot, [one for one in stretch.calls if one.number < call.number], stretch.sources
    )
    try:
        single = tape.play(inside, single=True)
        unit = max(unit, norms_of(single.astype(np.float64) - exact).max)
    except Exception:  # the operand is a tap, or not of this stretch
        unit = 2 * unit
    ratios = kinds.margins(call.name, arguments, keywords).numpy() / unit
    return [(int(place), float(ratios[place])) for place in np.flatnonzero(ratios <= BOUND)]
