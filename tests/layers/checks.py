"""How a shim is compared with NumPy, forward and backward, in each framework."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tests.backends import Backend

RNG = np.random.default_rng(3)
TOLERANCE = 2e-6  # of the largest value, in float32

Case = tuple[Callable[..., Any], list[np.ndarray], dict[str, Any]]
"""A function in NumPy of the shim's name, arrays, and options."""


def draw(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def each(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """The decorator that has a test run with each case."""
    ids = [f"{case[0].__name__}-{number}" for number, case in enumerate(cases)]
    return pytest.mark.parametrize("case", cases, ids=ids)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=TOLERANCE * max(1.0, np.abs(expected).max())
    )


def check_forward(backend: Backend, case: Case, name: str = "") -> None:
    """name: the shim's, or that of PyTorch's own function, where it is not the reference's."""
    reference, arrays, options = case
    expected = _as_list(reference(*(array.astype(np.float64) for array in arrays), **options))
    found = backend.call("layer", name or reference.__name__, arrays, options)
    for one, other in zip(found, expected, strict=True):
        close(one, other)


def check_gradients(backend: Backend, case: Case, name: str = "") -> None:
    """Of functions linear in each argument: one-sided differences are exact derivatives."""
    reference, arrays, options = case
    exact = [array.astype(np.float64) for array in arrays]
    probes = _probes(_as_list(reference(*exact, **options)))

    def total(values: list[np.ndarray]) -> float:
        pairs = zip(_as_list(reference(*values, **options)), probes, strict=True)
        return sum(float((result * probe).sum()) for result, probe in pairs)

    start = total(exact)
    found = backend.call("layer_gradients", name or reference.__name__, arrays, options, probes)
    for place, array in enumerate(exact):
        expected = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            moved = [value.copy() for value in exact]
            moved[place][index] += 1.0
            expected[index] = total(moved) - start
        close(found[place], expected)


def check_slopes(backend: Backend, case: Case) -> None:
    """A function of single numbers and its slopes, relative to each value, however small."""
    reference, arrays, options = case
    exact = arrays[0].astype(np.float64)
    expected = reference(exact, **options)
    (found,) = backend.call("layer", reference.__name__, [arrays[0].copy()], options)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=1e-30)
    (probe,) = _probes([expected])
    (slopes,) = backend.call(
        "layer_gradients", reference.__name__, [arrays[0].copy()], options, [probe]
    )
    step = 1e-6
    for index in np.ndindex(exact.shape):
        ahead, behind = exact.copy(), exact.copy()
        ahead[index] += step
        behind[index] -= step
        difference = reference(ahead, **options) - reference(behind, **options)
        slope = (difference * probe).sum() / (2 * step)
        assert slopes[index] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def check_curved(
    backend: Backend, name: str, arrays: list[np.ndarray], exact: Callable[..., Any]
) -> None:
    """A function and its slopes, in units of the largest value."""
    values = [array.astype(np.float64) for array in arrays]
    expected = _as_list(exact(*values))
    found = backend.call("layer", name, arrays, {})
    for one, other in zip(found, expected, strict=True):
        close(one, other)
    probes = _probes(expected)
    slopes = backend.call("layer_gradients", name, arrays, {}, probes)
    step = 1e-6
    for place, array in enumerate(values):
        wanted = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = [value.copy() for value in values]
                moved[place][index] += sign * step
                pairs = zip(_as_list(exact(*moved)), probes, strict=True)
                sides.append(sum(float((result * probe).sum()) for result, probe in pairs))
            wanted[index] = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(slopes[place], wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


def _probes(results: list[np.ndarray]) -> list[np.ndarray]:
    return [np.random.default_rng(9).standard_normal(r.shape).astype(np.float32) for r in results]


def _as_list(result: Any) -> list[np.ndarray]:
    return list(result) if isinstance(result, tuple) else [result]
