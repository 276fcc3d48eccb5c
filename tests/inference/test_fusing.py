"""What follows a convolution is done with it when PyTorch restores: the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from restoration.engine.noise import BOUND
from tests.backends import Backend

pytestmark = pytest.mark.frameworks("torch")


@pytest.mark.parametrize(
    ("model", "at_least"),
    [
        *(("mimo_unet", 20), ("edsr", 2), ("rdn", 2), ("nimbusr", 10), ("self_blind_vsr", 10)),
        *(("lm_liif", 2), ("kernel_prediction", 0)),
    ],
)
def test_fused_networks_compute_what_they_are(
    backends: Callable[[str], Backend], model: str, at_least: int
) -> None:
    """Whole, and by parts where code branches on its input; kernel_prediction has no such place."""
    count, ratio = backends("torch").call("inference.work.fuse", model)
    assert count >= at_least
    assert (count > 0) == (at_least > 0)
    assert ratio <= BOUND


def test_what_cannot_be_fused_is_left_alone(backends: Callable[[str], Backend]) -> None:
    """Sums that spread, maps that are read twice, other borders, a size that is not kept."""
    names, apart = backends("torch").call("inference.work.fuse_a_network_with_every_trap")
    assert names == ["fused_gray"]
    assert apart < 1e-6


def test_fused_rectifiers_keep_nan(backends: Callable[[str], Backend]) -> None:
    assert backends("torch").call("inference.work.fuse_a_rectifier") == [True, False, True]
