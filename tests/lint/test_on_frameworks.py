"""The traps are there: a bad sample differs from PyTorch, or is refused; the good one agrees.

When a later version mends one, its test fails and says which rule can go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from parity.lint.registry import RULES
from restoration.process.frameworks import FRAMEWORKS
from tests.backends import Backend
from tests.lint import truths
from tests.lint.samples import framework_of, program_of

X = np.linspace(-2, 2, 48, dtype=np.float32).reshape(1, 3, 4, 4)
Run = Callable[[str, str], np.ndarray]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Gives what a sample leaves in `result`, in a process of its own: an error in MindSpore's
    gradients changes later ones."""
    started: dict[str, Backend] = {}

    def result(framework: str, sample: str) -> np.ndarray:
        if framework not in started:
            started[framework] = Backend(framework, tmp_path_factory.mktemp(framework))
        found = started[framework].call("native", program_of(sample), {"x": X})
        return np.asarray(found, np.float64)

    yield result
    for backend in started.values():
        backend.close()


def _cases(codes: dict[str, object]) -> list:
    """A case per code, which needs PyTorch and the framework of its samples."""
    return [
        pytest.param(
            code, marks=pytest.mark.frameworks(*{framework_of(RULES[code]), "torch"}), id=code
        )
        for code in codes
    ]


def _truths(truth: truths.Truth) -> tuple[str, str]:
    return truth if isinstance(truth, tuple) else (truth, truth)


def _distance(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest difference in units of the largest value; endless for another shape. Axes of
    length 1 do not count: Jittor's scalars have one."""
    found, exact = found.squeeze(), exact.squeeze()
    if found.shape != exact.shape:
        return np.inf
    return float(np.abs(found - exact).max() / max(np.abs(exact).max(), 1e-12))


@pytest.mark.parametrize("code", _cases(truths.OTHER_VALUES))
def test_the_bad_sample_differs_and_the_good_one_agrees(code: str, run: Run) -> None:
    rule, (truth, share) = RULES[code], truths.OTHER_VALUES[code]
    of_bad, of_good = _truths(truth)
    framework = framework_of(rule)
    difference = _distance(run(framework, rule.bad), run("torch", of_bad))
    assert difference > share, f"{code} may go: {rule.bad} is right now"
    assert _distance(run(framework, rule.good), run("torch", of_good)) < share


@pytest.mark.parametrize("code", _cases(truths.REFUSED))
def test_the_bad_sample_is_refused_and_the_good_one_agrees(code: str, run: Run) -> None:
    rule, (words, truth) = RULES[code], truths.REFUSED[code]
    framework = framework_of(rule)
    with pytest.raises(RuntimeError) as problem:
        run(framework, rule.bad)
    assert words in str(problem.value)
    assert _distance(run(framework, rule.good), run("torch", _truths(truth)[1])) < 1e-5


@pytest.mark.parametrize("code", _cases(truths.SILENT))
def test_the_bad_sample_says_nothing(code: str, run: Run) -> None:
    framework = framework_of(RULES[code])
    assert run(framework, RULES[code].bad) == 1


def test_every_rule_is_shown_or_says_why_not() -> None:
    tables = (truths.OTHER_VALUES, truths.REFUSED, truths.SILENT, truths.NOT_RUN)
    told = [code for table in tables for code in table]
    assert sorted(told) == sorted(RULES)
    assert set(FRAMEWORKS) == {"torch", "jittor", "mindspore"}
