"""Why parameters leave the reference's: its optimizer's steps are done otherwise, as a rule says.

Runs inside the reference's process, which is PyTorch's. What makes the reference, in float64, have
the port's parameters after each step within rounding is the cause.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from parity.judge.errors import norms_of
from parity.judge.steps import Held, judge_steps
from parity.judge.verdicts import BOUND
from parity.measure.foreign_steps import Plan, Training, by_key, read_state, trained
from parity.measure.problem import Problem
from restoration.process.serve import Session

_BUDGET_S = 120.0
_KEPT = 8  # variants that are tried in pairs: those that come closest
_VERIFIED = 4  # that are judged by their own noise
_MOST_NOISY = 0.5  # share of arrays that rounding alone may decide
_MOVED_RUNS = 3


def explain_steps(
    session: Session,
    *,
    weights: str,
    port: str,
    truth: str,
    noise: Mapping[str, Sequence[float]],
    **plan: Any,
) -> list[dict[str, Any]]:
    """Causes that together make the reference's steps the port's; none where none are known.

    port: a file with the port's arrays by the reference's names. truth: the reference's. noise: its
    errors in float32.
    """
    rules = session.module("optimizer_rules")
    search = _Search(session, rules, Plan.of(**plan), weights, noise)
    search.port, search.truth = Held(read_state(port)), Held(read_state(truth))
    return search.causes()


class _Search:
    def __init__(
        self,
        session: Session,
        rules: Any,
        plan: Plan,
        weights: str,
        noise: Mapping[str, Sequence[float]],
    ):
        self._session, self._rules, self._plan = session, rules, plan
        self._weights, self._noise = read_state(weights), noise
        self._deadline = time.thread_time() + _BUDGET_S
        self.port, self.truth = Held(), Held()

    def causes(self) -> list[dict[str, Any]]:
        rule, rates, decays = self._look()
        if rule is None or self._distance(rule, rates, self.truth)[1] > BOUND:
            return []  # an optimizer that is not known
        variants = list(self._rules.variants(rule, decays, self._length()))
        if (scale := self._scale()) is not None:
            words = f"{scale:.6g} times"
            variants.insert(0, ("loss scale", words, {"gradient_factor": scale}))
        singles = [(variant,) for variant in variants]
        ranked: list[tuple[float, float, tuple[Any, ...]]] = []
        found = self._first(rule, rates, singles, ranked)
        if found is None:
            best = [chosen[0] for _, _, chosen in sorted(ranked, key=_closeness)[:_KEPT]]
            pairs = [
                (one, other)
                for one, other in itertools.product(best, variants)
                if not set(one[2]) & set(other[2])
            ]
            found = self._first(rule, rates, pairs, ranked)
        if found is None:
            return []
        ratio, chosen = found
        return [{"name": name, "detail": words, "ratio_after": ratio} for name, words, _ in chosen]

    def _first(
        self,
        rule: Any,
        rates: list[list[float]],
        combinations: Sequence[tuple[Any, ...]],
        ranked: list[tuple[float, float, tuple[Any, ...]]],
    ) -> tuple[float, tuple[Any, ...]] | None:
        """The first variants that make the reference's steps the port's, with the ratio that is
        left; `ranked` gets how far off all others are.

        What a variant leaves to rounding, as a gradient that is zero but for it, has no noise in
        the reference: those that come closest are judged by their own.
        """
        tried: list[tuple[float, float, tuple[Any, ...]]] = []
        for chosen in combinations:
            if time.thread_time() > self._deadline:
                break
            self._session.report(f"looking for causes: {', '.join(one[0] for one in chosen)}")
            share, ratio = self._distance(self._changed(rule, chosen), rates, self.port)
            if ratio <= BOUND:
                return ratio, chosen
            tried.append((share, ratio, chosen))
        ranked += tried
        for share, _, chosen in sorted(tried, key=_closeness)[:_VERIFIED]:
            if share <= _MOST_NOISY:
                changed = self._changed(rule, chosen)
                noise = self._noise_of(changed, rates)
                _, ratio = self._distance(changed, rates, self.port, noise)
                if ratio <= BOUND:
                    return ratio, chosen
        return None

    def _changed(self, rule: Any, chosen: Sequence[Any]) -> Any:
        for variant in chosen:
            rule = self._rules.otherwise(rule, variant)
        return rule

    def _look(self) -> tuple[Any, list[list[float]], list[float]]:
        """The reference's rule, the rates of its steps, and the decays of its groups."""
        watched: list[Any] = []
        found: list[Any] = []

        def prepare(training: Training) -> None:
            found.extend(self._rules.optimizers_of(training.network))
            if len(found) == 1:
                watched.append(self._rules.Replaced(found[0], None, []))

        for _ in trained(self._session, self._plan, self._weights, is_exact=True, prepare=prepare):
            pass
        if not watched:
            return None, [], []
        decays = [group.get("weight_decay", 0.0) for group in found[0].param_groups]
        return self._rules.rule_of(found[0]), watched[0].detach(), decays

    def _steps(
        self,
        rule: Any,
        rates: list[list[float]],
        weights: Mapping[str, np.ndarray],
        *,
        is_exact: bool,
    ) -> Iterator[dict[str, np.ndarray]]:
        """The arrays of each step of the reference by a rule."""

        def prepare(training: Training) -> None:
            (optimizer,) = self._rules.optimizers_of(training.network)
            self._rules.Replaced(optimizer, rule, rates)

        steps = trained(self._session, self._plan, weights, is_exact=is_exact, prepare=prepare)
        for number, (loss, state) in enumerate(steps):
            found = by_key(iter([(loss * rule.gradient_factor, state)]), np.float64)
            yield {
                name.replace("step/1/", f"step/{number + 1}/", 1): value
                for name, value in found.items()
            }

    def _distance(
        self,
        rule: Any,
        rates: list[list[float]],
        other: Held,
        noise: Mapping[str, Sequence[float]] | None = None,
    ) -> tuple[float, float]:
        """How far the reference by a rule is from other arrays: the share of those that differ
        until most do, and the largest ratio."""
        worst, differing, seen = 0.0, 0, 0
        for here in self._steps(rule, rates, self._weights, is_exact=True):
            judged = judge_steps(
                Held({name: other[name].astype(np.float32) for name in here if name in other}),
                Held({name: array for name, array in here.items() if name in other}),
                {name: norms_of(value) for name, value in here.items()},
                {name: (noise or self._noise)[name] for name in here},
            )
            worst = max([worst, *(one.ratio for one in judged.arrays)])
            wrong = sum(one.ratio > BOUND for one in judged.arrays)
            differing, seen = differing + wrong, seen + len(judged.arrays)
            if 2 * wrong > len(judged.arrays):
                return 1.0 + differing / seen, worst
        return differing / seen if seen else 1.0, worst if seen else math.inf

    def _noise_of(self, rule: Any, rates: list[list[float]]) -> dict[str, Sequence[float]]:
        """The errors of float32 steps by a rule, or the reference's own, whichever is larger."""
        exact: dict[str, np.ndarray] = {}
        for here in self._steps(rule, rates, self._weights, is_exact=True):
            exact |= here
        noise = dict(self._noise)
        for seed in range(_MOVED_RUNS):
            moved = Problem(inputs={}, weights=self._weights).perturbed(seed, (seed,)).weights
            for here in self._steps(rule, rates, moved, is_exact=False):
                for name, array in here.items():
                    error = norms_of(array - exact[name])
                    noise[name] = tuple(map(max, zip(noise[name], error, strict=True)))
        return noise

    def _length(self) -> float:
        """By what the port's first step is longer than the reference's, in most entries."""
        found = []
        for name, start in self._weights.items():
            key = f"step/1/weights/{name}"
            mine = self.truth[key] - start if key in self.truth else np.zeros(1)
            if key in self.port and mine.any():
                theirs = self.port[key] - start
                found.append(float((mine * theirs).sum() / (mine * mine).sum()))
        return float(np.median(found)) if found else 1.0

    def _scale(self) -> float | None:
        """The factor of the losses, where they differ from the first step on."""
        one, other = (held["step/1/loss/loss"].item() for held in (self.truth, self.port))
        factor = float(other / one) if one else 1.0
        return None if abs(factor - 1) < 1e-4 else factor


def _closeness(tried: tuple[float, float, tuple[Any, ...]]) -> tuple[float, float]:
    return tried[0], tried[1]
