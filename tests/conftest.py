"""Fixtures: a process per framework, started when a test first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from restoration.data import sample_inputs
from restoration.images.tiling import rounded_up
from restoration.models.model import Model
from restoration.models.spec import Spec
from restoration.process.frameworks import FRAMEWORKS
from tests.backends import Backend


def example(model: Model, spec: Spec) -> dict[str, np.ndarray]:
    """Small inputs of a network from a photograph."""
    return sample_inputs.build(
        model,
        spec,
        height_px=rounded_up(32, spec.size_multiple),
        width_px=rounded_up(48, spec.size_multiple),
        names=("cat",),
        seed=0,
    )


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Backend]]:
    """Gives the process of a framework."""
    started: dict[str, Backend] = {}
    folder = tmp_path_factory.mktemp("backends")

    def get(framework: str) -> Backend:
        if framework not in started:
            started[framework] = Backend(framework, folder / framework)
        return started[framework]

    yield get
    for backend in started.values():
        backend.close()


@pytest.fixture(params=FRAMEWORKS)
def backend(request: pytest.FixtureRequest, backends: Callable[[str], Backend]) -> Backend:
    """Each framework in turn."""
    return backends(request.param)
