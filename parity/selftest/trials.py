"""Tests the judge itself: every planted fault is to be seen, and nothing honest to be blamed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from parity.judge.errors import error_of, norms_of
from parity.judge.measurement import ArrayKey, ReferenceMeasurement
from parity.judge.verdicts import CaseVerdict, Verdict, judge_case
from parity.selftest import network
from parity.selftest.faults import CHANGES, FAULTS, MISSING
from restoration.errors import ExitCode
from restoration.process.arrays import Reader

_PERTURBED_RUNS = 3


@dataclass
class SelfTest:
    """What came of it. killed: of each fault's trials those that were seen, and all. alarms: honest
    trials that were blamed, as (seed, what). worst: the largest ratio of an honest trial."""

    killed: dict[str, list[int]] = field(default_factory=dict)
    alarms: list[tuple[int, str]] = field(default_factory=list)
    trials: int = 0
    worst: float = 0.0
    seconds: float = 0.0

    @property
    def missed(self) -> list[str]:
        return [name for name, (seen, tried) in self.killed.items() if seen < tried]

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.DIFFERENT if self.missed or self.alarms else ExitCode.OK

    def to_json(self) -> dict[str, Any]:
        seen = sum(one for one, _ in self.killed.values())
        tried = sum(one for _, one in self.killed.values())
        return {
            "kill_rate": seen / tried if tried else None,
            "faults": {
                name: {"seen": seen, "tried": tried} for name, (seen, tried) in self.killed.items()
            },
            "honest_trials": self.trials,
            "false_alarms": [{"seed": seed, "what": what} for seed, what in self.alarms],
            "worst_honest_ratio": self.worst,
            "seconds": round(self.seconds, 2),
        }


class _Held(dict[str, np.ndarray]):
    """Arrays by name, as a `Reader` gives them."""

    @property
    def names(self) -> list[str]:
        return list(self)


def run(trials: int, fault_seeds: int, show: Callable[[str], None]) -> SelfTest:
    """Honest trials on as many seeds, and every fault on `fault_seeds` of them, in every array."""
    result = SelfTest()
    started = time.monotonic()
    honest = list(network.HONEST.items())
    for seed in range(trials):
        if not seed % 50:
            show(f"honest trials: {seed} of {trials}")
        problem = network.draw(seed)
        truth, reference = _measured(problem, seed)
        title, (sums, factor) = honest[seed % len(honest)]
        port = network.run(problem, sums=sums, factor=factor)
        verdict = _judged(port, truth, reference)
        result.trials += 1
        result.worst = max(result.worst, verdict.worst.ratio if verdict.worst else 0.0)
        if verdict.verdict is not Verdict.AGREE:
            result.alarms.append((seed, title))
        if seed < fault_seeds:
            _plant(port, truth, reference, result)
    result.seconds = time.monotonic() - started
    return result


def _plant(
    port: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    reference: ReferenceMeasurement,
    result: SelfTest,
) -> None:
    for fault in FAULTS:
        seen_tried = result.killed.setdefault(fault, [0, 0])
        for name in port:
            changed = dict(port)
            if fault in CHANGES:
                changed[name] = CHANGES[fault](port[name])
            elif fault == MISSING:
                del changed[name]
            else:
                changed[f"{name}0"] = port[name]
            verdict = _judged(changed, truth, reference).verdict
            seen_tried[0] += verdict is not Verdict.AGREE
            seen_tried[1] += 1


def _measured(
    problem: network.Problem, seed: int
) -> tuple[dict[str, np.ndarray], ReferenceMeasurement]:
    """The truth of a problem, and its noise, as `parity.measure.reference` has them."""
    truth = network.run(problem, np.float64)
    rng = np.random.default_rng((seed, 1))
    runs = {
        "default": network.run(problem),
        "in halves": network.run(problem, sums=network.in_halves),
        **{
            f"perturbed by one ulp ({number + 1})": network.run(problem.perturbed(rng))
            for number in range(_PERTURBED_RUNS)
        },
    }
    keys = {ArrayKey.parse(name): name for name in truth}
    return truth, ReferenceMeasurement(
        taps=[key for key in keys if str(key).startswith("tap/")],
        norms={key: norms_of(truth[name]) for key, name in keys.items()},
        noise={
            key: {title: error_of(found[name], truth[name]).norms for title, found in runs.items()}
            for key, name in keys.items()
        },
    )


def _judged(
    port: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    reference: ReferenceMeasurement,
) -> CaseVerdict:
    readers = [cast(Reader, _Held(arrays)) for arrays in (port, truth)]
    return judge_case(readers[0], readers[1], {}, reference, ())
