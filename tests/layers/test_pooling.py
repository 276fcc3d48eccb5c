"""Shims of `layers/pooling.py` against NumPy."""

from __future__ import annotations

from tests.backends import Backend
from tests.layers.checks import (
    Case,
    check_forward,
    check_gradients,
    check_slopes,
    draw,
    each,
)
from tests.reference.pooling import adaptive_avg_pool, avg_pool, global_avg_pool, max_pool

CASES: list[Case] = [
    (avg_pool, [draw(2, 3, 7, 6)], {"factor": 2}),
    (global_avg_pool, [draw(2, 3, 5, 4)], {}),
    (adaptive_avg_pool, [draw(1, 2, 7, 9)], {"size": 3}),
    (adaptive_avg_pool, [draw(1, 2, 3, 8)], {"size": 5}),
]
CURVED: list[Case] = [
    (max_pool, [draw(2, 3, 7, 6)], {"factor": 2}),
    (max_pool, [draw(2, 3, 2, 3)], {"factor": 2}),
]


@each(CASES)
def test_forward(backend: Backend, case: Case) -> None:
    check_forward(backend, case)


@each(CASES)
def test_gradients(backend: Backend, case: Case) -> None:
    check_gradients(backend, case)


@each(CURVED)
def test_curved(backend: Backend, case: Case) -> None:
    check_slopes(backend, case)
