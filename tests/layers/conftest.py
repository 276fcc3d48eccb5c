"""Every test of a layer draws the same numbers, in whatever order and process it runs."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from tests.layers import checks


@pytest.fixture(autouse=True)
def _own_numbers(request: pytest.FixtureRequest) -> None:
    """A division by a spectrum, as in `unit_spectrum`, is ill-conditioned for some numbers."""
    seed = zlib.crc32(request.node.name.encode())
    checks.RNG.bit_generator.state = np.random.default_rng(seed).bit_generator.state
