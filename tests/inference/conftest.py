"""Weights and pictures to restore."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from skimage import data

from parity.measure.weights import seeded_weights
from restoration.models.registry import find
from tests.backends import Backend

MIMO = Path(__file__).parents[2] / "docs" / "pictures" / "small_mimo_unet.safetensors"


@contextlib.contextmanager
def limited_files(size_bytes: int) -> Iterator[None]:
    """The system lets this process write no larger file, as a full disk would not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="session")
def tiny_weights(
    backends: Callable[[str], Backend], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Gives a file of a tiny network's weights, seeded."""
    folder = tmp_path_factory.mktemp("weights")

    def make(model: str, spec_name: str = "tiny") -> Path:
        path = folder / f"{model}-{spec_name}.safetensors"
        if not path.exists():
            spec = find(model).spec(spec_name)
            state = backends("torch").call("state", spec)
            weights = seeded_weights(state, (0, 0))
            save_file({name: np.ascontiguousarray(one) for name, one in weights.items()}, path)
        return path

    return make


@pytest.fixture
def photograph() -> np.ndarray:
    """(96, 120, 3) uint8."""
    return np.ascontiguousarray(data.astronaut()[40:136, 180:300])
