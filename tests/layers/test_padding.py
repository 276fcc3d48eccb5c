"""Shims of `layers/padding.py` against NumPy."""

from __future__ import annotations

from tests.backends import Backend
from tests.layers.checks import (
    Case,
    check_forward,
    check_gradients,
    draw,
    each,
)
from tests.reference.padding import pad_bottom_right, pad_replicate, pad_to, shift_reflected

CASES: list[Case] = [
    (shift_reflected, [draw(1, 2, 4, 5)], {"down": 2, "right": -3}),
    (pad_to, [draw(1, 2, 4, 3)], {"height": 5, "width": 6}),
    (pad_to, [draw(1, 2, 4, 3)], {"height": 4, "width": 3}),
    (pad_bottom_right, [draw(1, 2, 4, 3)], {"height": 8, "width": 4, "mode": "replicate"}),
    (pad_bottom_right, [draw(1, 2, 4, 3)], {"height": 6, "width": 3, "mode": "zeros"}),
    (pad_replicate, [draw(2, 3, 4, 3)], {"amount": 3}),
    (pad_bottom_right, [draw(1, 2, 5, 3)], {"height": 8, "width": 4, "mode": "reflect"}),
]


@each(CASES)
def test_forward(backend: Backend, case: Case) -> None:
    check_forward(backend, case)


@each(CASES)
def test_gradients(backend: Backend, case: Case) -> None:
    check_gradients(backend, case)
