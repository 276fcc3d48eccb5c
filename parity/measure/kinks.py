"""Kinks: places where rounding decides the side of a ReLU or the like, and gradients jump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from parity.judge.errors import Error, Norms, error_of
from parity.judge.measurement import ArrayKey
from parity.judge.noise import largest
from parity.judge.verdicts import BOUND
from parity.measure.problem import Problem
from parity.measure.results import gradients_of
from restoration.engine.contract import Engine

RUNS = 2


def perturbed_past_ties(
    problem: Problem, numbers: Sequence[int] = range(RUNS)
) -> Iterator[Problem]:
    """The problem with numbers perturbed by as many units as change decisions near a tie.

    numbers: of the runs, which draw other directions each.
    """
    return (problem.perturbed(int(BOUND), (number,)) for number in numbers)


def has_kinks(
    exact: Engine, exact_model: Any, approximate: Engine, model: Any, problem: Problem
) -> bool:
    """Whether gradients are taken at a kink."""
    exact.load(exact_model, problem.weights)
    truth = gradients_of(exact, exact_model, problem)

    def errors(candidate: Problem) -> dict[ArrayKey, Error]:
        approximate.load(model, candidate.weights)
        found = gradients_of(approximate, model, candidate)
        return {key: error_of(array, truth[key]) for key, array in found.items()}

    plain = errors(problem)
    perturbed = [errors(candidate) for candidate in perturbed_past_ties(problem)]
    return any(is_kink(run[key].norms, [plain[key].norms]) for run in perturbed for key in truth)


def is_kink(error: Norms, regular: Iterable[Norms]) -> bool:
    """Whether moving numbers by BOUND ulps did more than make rounding errors BOUND times larger.

    Then a decision inside the network changed, as of a ReLU at zero. A port's rounding may change
    it too, and its gradient is then as wrong, and as right, as this one. regular: the errors of
    runs whose decisions are the network's.
    """
    usual = largest(regular)
    return error.two > 2 * BOUND * usual.two or error.max > 2 * BOUND * usual.max
