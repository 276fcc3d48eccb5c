"""Shims of `layers/indexing.py` against NumPy."""

from __future__ import annotations

import numpy as np

from tests.backends import Backend
from tests.layers.checks import (
    Case,
    check_forward,
    check_gradients,
    draw,
    each,
)
from tests.reference.indexing import (
    chunk_columns,
    fold,
    gather_rows,
    modulate_rows,
    repeat_rows,
    roll,
    scale_rows,
    scatter_rows,
)

CASES: list[Case] = [
    (roll, [draw(2, 3, 5, 4)], {"shifts": (-2, 3), "dims": (2, 3)}),
    (roll, [draw(2, 5, 4, 3)], {"shifts": (0, 7), "dims": (1, 2)}),
    (gather_rows, [draw(5, 2, 3)], {"rows": np.array([4, 0, 4])}),
    (scatter_rows, [draw(5, 2, 3), draw(2, 2, 3)], {"rows": np.array([3, 0])}),
    (scale_rows, [draw(5, 3), draw(5, 1)], {}),
    (repeat_rows, [draw(2, 3)], {"count": 4}),
    (repeat_rows, [draw(1, 3)], {"count": 4}),
    (chunk_columns, [draw(4, 6)], {"count": 3}),
    (chunk_columns, [draw(4, 6)], {"count": 1}),
    (
        modulate_rows,
        [draw(5, 3), draw(4, 3), draw(4, 3)],
        {"rows": np.array([3, 0, 0, 2, 3], np.int32)},
    ),
    (
        fold,
        [draw(1, 72, 6)],
        {"height": 4, "width": 6, "size": 6, "stride": 2, "padding": 2},
    ),
]


@each(CASES)
def test_forward(backend: Backend, case: Case) -> None:
    check_forward(backend, case)


@each(CASES)
def test_gradients(backend: Backend, case: Case) -> None:
    check_gradients(backend, case)


def test_indices(backend: Backend) -> None:
    (kept,) = backend.call("layer", "nonzero", [np.array([0, 1, 1, 0, 1], np.float32)], {})
    assert kept.tolist() == [1, 2, 4]
    (none,) = backend.call("layer", "nonzero", [np.zeros(3, np.float32)], {})
    assert none.shape == (0,)
    assert backend.call("as_indices", np.array([3, 0, 2])).tolist() == [3, 0, 2]
