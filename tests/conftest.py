"""Fixtures: a process per framework, started when a test first asks for it.

`pytest --frameworks torch` leaves out the tests that need another framework. A test needs the one
that its parameter `backend` or `framework` names, or those that its marker `frameworks` names; one
that uses `backends` without saying more compares them, and needs all.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from restoration.data import sample_inputs
from restoration.images.tiling import rounded_up
from restoration.models.model import Model
from restoration.models.spec import Spec
from restoration.process.frameworks import FRAMEWORKS
from tests.backends import Backend

# Where tests run in the background, Ctrl-C may be ignored, and what they start would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--frameworks",
        metavar="NAME,...",
        help=f"run only tests that need no other framework (default: {','.join(FRAMEWORKS)})",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Raises UsageError when a framework that was asked for is unknown or not installed."""
    for name in _asked(config):
        if name not in FRAMEWORKS:
            raise pytest.UsageError(f"--frameworks: no {name!r}; there are {', '.join(FRAMEWORKS)}")
        if config.getoption("frameworks") and not FRAMEWORKS[name].is_installed():
            raise pytest.UsageError(f"--frameworks: {name} is not installed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = _asked(config)
    left_out = [item for item in items if not _needed(item) <= asked]
    if left_out:
        config.hook.pytest_deselected(items=left_out)  # the last line counts them
        items[:] = [item for item in items if item not in set(left_out)]


def _asked(config: pytest.Config) -> set[str]:
    return set((config.getoption("frameworks") or ",".join(FRAMEWORKS)).split(","))


def _needed(item: pytest.Item) -> set[str]:
    """The frameworks without which a test cannot run."""
    marker = item.get_closest_marker("frameworks")
    if marker:
        return set(marker.args or FRAMEWORKS)
    params = item.callspec.params if hasattr(item, "callspec") else {}
    named = {params[key] for key in ("backend", "framework") if params.get(key) in FRAMEWORKS}
    return named or (set(FRAMEWORKS) if "backends" in getattr(item, "fixturenames", ()) else set())


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
