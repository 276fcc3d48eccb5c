"""Fixtures: a process per framework, started when a test first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.backends import Backend

FRAMEWORKS = ("torch", "jittor", "mindspore")


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Backend]]:
    """Gives the process of a framework."""
    started: dict[str, Backend] = {}
    logs = tmp_path_factory.mktemp("backends")

    def get(framework: str) -> Backend:
        if framework not in started:
            started[framework] = Backend(framework, logs / f"{framework}.log")
        return started[framework]

    yield get
    for backend in started.values():
        backend.close()


@pytest.fixture(params=FRAMEWORKS)
def backend(request: pytest.FixtureRequest, backends: Callable[[str], Backend]) -> Backend:
    """Each framework in turn."""
    return backends(request.param)
