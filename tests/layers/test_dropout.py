"""Shims of `layers/dropout.py` against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends import Backend


def test_drop_path_drops_whole_members_and_keeps_the_mean(backend: Backend) -> None:
    x = np.ones((4000, 2, 3), np.float32)
    found = backend.call("training_layer", "DropPath", [0.25], x)
    kept = found[:, 0, 0] > 0
    expected = np.where(kept[:, None, None], 1 / 0.75, 0 * x)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert kept.mean() == pytest.approx(0.75, abs=0.04)
    assert np.array_equal(backend.call("training_layer", "DropPath", [0.0], x), x)
