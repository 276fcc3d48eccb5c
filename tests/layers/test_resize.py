"""Shims of `layers/resize.py` against NumPy."""

from __future__ import annotations

from tests.backends import Backend
from tests.layers.checks import (
    Case,
    check_forward,
    check_gradients,
    draw,
    each,
)
from tests.reference.resize import (
    downsample_bilinear,
    downsample_nearest,
    expand,
    pixel_shuffle,
    pixel_unshuffle,
    resize_bilinear,
    upsample,
    zero_insert,
)

CASES: list[Case] = [
    (downsample_nearest, [draw(2, 3, 6, 10)], {"factor": 2}),
    (downsample_nearest, [draw(1, 2, 9, 6)], {"factor": 3}),
    (upsample, [draw(2, 3, 5, 4)], {"factor": 2, "mode": "nearest"}),
    (upsample, [draw(1, 2, 3, 5)], {"factor": 3, "mode": "nearest"}),
    (upsample, [draw(2, 3, 5, 4)], {"factor": 2, "mode": "asymmetric"}),
    (upsample, [draw(1, 2, 1, 7)], {"factor": 4, "mode": "asymmetric"}),
    (upsample, [draw(1, 2, 3, 4)], {"factor": 1, "mode": "nearest"}),
    (downsample_bilinear, [draw(2, 3, 6, 10)], {"factor": 2}),
    (downsample_bilinear, [draw(2, 3, 12, 8)], {"factor": 4}),
    (upsample, [draw(1, 2, 3, 5)], {"factor": 2, "mode": "align_corners"}),
    (upsample, [draw(2, 2, 1, 1)], {"factor": 2, "mode": "align_corners"}),
    (expand, [draw(2, 3, 1, 1)], {"height": 3, "width": 2}),
    (pixel_shuffle, [draw(2, 8, 3, 2)], {"factor": 2}),
    (zero_insert, [draw(2, 3, 3, 2)], {"factor": 2}),
    (zero_insert, [draw(1, 2, 2, 3)], {"factor": 3}),
    (pixel_unshuffle, [draw(2, 3, 4, 6)], {"factor": 2}),
    (resize_bilinear, [draw(1, 2, 5, 7)], {"height": 8, "width": 4}),
    (resize_bilinear, [draw(1, 2, 3, 4)], {"height": 3, "width": 4}),
    (downsample_bilinear, [draw(1, 2, 6, 9)], {"factor": 3}),
]


@each(CASES)
def test_forward(backend: Backend, case: Case) -> None:
    check_forward(backend, case)


@each(CASES)
def test_gradients(backend: Backend, case: Case) -> None:
    check_gradients(backend, case)
