"""A side that is a network of the caller's own process: a live module of a framework that is there.

A copy of it is asked what another side's process is asked (`serving.py`). The module, the
framework's settings and the generators of Python and NumPy are as they were afterwards.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib
import inspect
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters import serving
from parity.adapters.networks import Running
from parity.adapters.sides import Side
from restoration.errors import InputError, RestorationError
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import FailedError
from restoration.process.serve import Session, explain


@dataclass(frozen=True)
class LiveSide(Side):
    """A module. source, factory: the file of its class, and the class.

    has_own_weights: whether it is compared with the weights that it has.
    """

    network: Any = None
    has_own_weights: bool = True


def framework_of(network: Any) -> str | None:
    """The framework that a module is of; None for any other value. Nothing is imported."""
    for one in type(network).__mro__:
        framework = FRAMEWORKS.get(one.__module__.partition(".")[0])
        if framework is not None and one.__name__ in ("Module", "Cell"):
            return framework.name
    return None


def live_side(network: Any, *, has_own_weights: bool = True, where: str) -> LiveSide:
    """A module as a side.

    Raises:
        InputError: it is of no framework.
    """
    framework = framework_of(network)
    if framework is None:
        raise InputError(
            where,
            expected="a module of " + ", ".join(row.title for row in FRAMEWORKS.values())
            + ", or text as parity compare takes it",
            got=type(network).__name__,
            where="assert_parity",
            next_step="for example torch:network.py:build",
        )  # fmt: skip
    kind = type(network)
    try:
        source = inspect.getsourcefile(kind) or kind.__module__
    except TypeError:  # of an interactive session
        source = kind.__module__
    return LiveSide(
        framework, source, kind.__qualname__, network=network, has_own_weights=has_own_weights
    )


class _Here(Session):
    """The caller's process; no engine is made in it, which would set its device."""

    def describe_engine(self) -> dict[str, str]:
        return {}


class Live(Running):
    """A module that is asked here."""

    def __init__(self, side: LiveSide, folder: Path, show: Callable[[str], None]):
        """Raises InputError: the module cannot be copied."""
        self.side, self.folder, self.process = side, folder, None
        self._is_own = side.has_own_weights
        self._session = _Here(FRAMEWORKS[side.framework].package, "cpu", show)
        bridge = self._session.module("foreign")
        try:
            network = bridge.copied(side.network)
        except Exception as problem:
            raise InputError(
                side.title,
                expected="a module that can be copied",
                got=explain(problem),
                where="copy.deepcopy",
                next_step="name a function that makes it: FRAMEWORK:FILE.py:FACTORY",
            ) from problem
        bridge.set_training(network, False)
        self._held = serving.Open(bridge, network, lambda: bridge.copied(network))
        self.describe()

    @property
    def has_own_weights(self) -> bool:
        return self._is_own

    def call(self, function: str, **arguments: Any) -> Any:
        """As a process's: plain values in and out, and errors in words."""
        module, _, name = function.partition(":")
        answer = getattr(importlib.import_module(module), name)
        try:
            with _unchanged(self._held.bridge), serving.using(self._held):
                self._held.bridge.prepare()
                return _plain(answer(self._session, **_plain(arguments)))
        except RestorationError:
            raise
        except Exception as problem:
            raise FailedError(explain(problem)) from problem

    def close(self) -> None:
        """Nothing runs."""


@contextlib.contextmanager
def _unchanged(bridge: Any) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with bridge.unchanged():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _plain(values: Any) -> Any:
    """Values as they come through the pipe of a process."""
    return json.loads(json.dumps(values))


class Inline(concurrent.futures.Executor):
    """Does everything at once in the caller's thread: frameworks keep settings by thread."""

    def submit(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as problem:  # whoever asks for the result gets it, an interrupt too
            future.set_exception(problem)
        return future
