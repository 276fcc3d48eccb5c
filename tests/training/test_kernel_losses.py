"""The parts of kernel prediction's loss against what the authors' code computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from restoration.arrays import Arrays
from tests.backends import Backend

GOLDEN = Path(__file__).parents[1] / "golden" / "training" / "data-kernels.safetensors"
DISTANCES = {"l2": "L2", "l1": "L1", "huber": "Huber", "kl": "KL"}
FIELDS = ("kernels", "masks_valid", "gt_kernels", "gt_masks")


@pytest.fixture(scope="module")
def golden() -> Arrays:
    return load_file(GOLDEN)


def _given(golden: Arrays, name: str, dtype: type) -> np.ndarray:
    return golden[f"inputs/reblur/{name}"].astype(dtype)


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_of_kernels_are_theirs(backend: Backend, golden: Arrays, distance: str) -> None:
    dtype = np.float64 if backend.framework == "torch" else np.float32
    arrays = [_given(golden, name, dtype) for name in FIELDS]
    weights = _given(golden, "mask_weights", dtype)[:, None]
    (found,) = backend.call("loss", "kernel_difference", [*arrays, weights], {"distance": distance})
    expected = golden[f"outputs/reblur/kernel_loss_{DISTANCES[distance]}"]
    rtol = 1e-10 if backend.framework == "torch" else 1e-5
    np.testing.assert_allclose(found, expected, rtol=rtol)


def test_pictures_are_reblurred_as_by_them(
    backends: Callable[[str], Backend], golden: Arrays
) -> None:
    arrays = [_given(golden, name, np.float64) for name in ("sharp", "kernels", "masks_valid")]
    (found,) = backends("torch").call("loss", "reblur", arrays)
    expected = golden["outputs/reblur/forward_valid"]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)
    saturated = backends("torch").call("function", "nimbusr", "saturate", [found], {"limit": 0.5})
    expected = golden["outputs/reblur/forward_valid_saturated"]
    np.testing.assert_allclose(saturated[0], expected, rtol=1e-10, atol=1e-13)
