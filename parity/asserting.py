"""`assert_parity`: a comparison as an assertion, for tests. `pytest_plugin.py` builds on it.

assert_parity("torch:network.py:build", "jittor:port.py:build", {"x": "1x3x32x40"})
assert_parity("arrays:reference.safetensors", port)  # a live module
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restoration.errors import InputError, RestorationError, UnavailableError

if TYPE_CHECKING:  # a plugin of pytest is imported by every run of pytest
    import numpy as np

    from parity.adapters.sides import Side
    from parity.compare.state import Options
    from parity.report.comparison import Comparison

File = str | os.PathLike[str]


_default_bound: list[float | None] = [None]


def default_bound() -> float | None:
    """The bound of comparisons that name none; None for the documented one."""
    return _default_bound[-1]


def set_default_bound(bound: float | None) -> None:
    """Say which; the plugin of pytest does, by its option."""
    _default_bound[-1] = bound


class ParityError(AssertionError):
    """A port differs, or not everything could be compared. result: the comparison, or None."""

    def __init__(self, text: str, result: Comparison | None = None):
        super().__init__(text)
        self.result = result


def assert_parity(
    reference: Any,
    port: Any,
    inputs: Any = None,
    *,
    weights: File | Mapping[str, Any] | None = None,
    port_weights: File | Mapping[str, Any] | None = None,
    move_weights: bool | None = None,
    bound: float | None = None,
    **options: Any,
) -> Comparison:
    """Compare two networks as `parity compare` does; the result, if they agree.

    reference, port: text as `parity compare` takes it, or a module of a framework that is imported
    here, of which a copy is measured in evaluation mode. inputs: arrays or shapes ("1x3x32x40",
    "1x3x32x40:-1,1") by name, in order, or one alone; a file; None for those of a recording, or
    such as are found by trying. weights, port_weights: files or arrays by name; without them a
    module and a recording have their own, others get drawn ones, and the port the reference's.
    move_weights: whether a port that is a module gets the reference's weights (default: if those
    are drawn). bound: on ratios (default: --parity-bound of pytest, or 16). options: see `Request`.

    Raises:
        ParityError: they differ, or not everything could be compared.
        InputError: a side, the weights or the inputs cannot be used.
        UnavailableError: a framework is not there.
    """
    __tracebackhide__ = True
    request = Request(
        reference, port, inputs, weights, port_weights, move_weights=move_weights, **options
    )
    try:
        result = _judged(request.compare(), bound)
    except RestorationError as problem:
        failure: Exception = _with_advice(problem)
    else:
        if not result.exit_code:
            return result
        failure = ParityError("\n".join(result.lines()), result)
    raise failure.with_traceback(None) from None


@dataclass
class Request:
    """What is to be compared, as `assert_parity` is given it.

    reference_args, port_args: of the factories. reference_python, port_python: interpreters. rules:
    a file with the map of weights. seed: of what is drawn. timeout_s: how long a side may say
    nothing.
    """

    reference: Any
    port: Any
    inputs: Any = None
    weights: File | Mapping[str, Any] | None = None
    port_weights: File | Mapping[str, Any] | None = None
    move_weights: bool | None = None
    reference_args: Mapping[str, Any] | None = None
    port_args: Mapping[str, Any] | None = None
    reference_python: str = ""
    port_python: str = ""
    rules: File | None = None
    seed: int = 0
    timeout_s: float = 600.0

    def compare(self) -> Comparison:
        """Compare.

        Raises:
            InputError, UnavailableError: as `assert_parity`.
        """
        from parity.commands.compare import compare

        with tempfile.TemporaryDirectory(prefix="parity-assert-") as scratch:
            options = self._options(Path(scratch))
            return compare(self.reference_side(), self._port_side(), options, _show_nothing)

    def record(self, file: Path) -> None:
        """Write what the reference gives; the file appears complete or not at all."""
        from parity.commands.record import record

        with tempfile.TemporaryDirectory(prefix="parity-assert-") as scratch:
            options = self._options(Path(scratch))
            partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
            try:
                record(self.reference_side(), options, partial, _show_nothing)
                os.replace(partial, file)
            finally:
                partial.unlink(missing_ok=True)

    def reference_side(self) -> Side:
        return _side(self.reference, self.reference_args, self.reference_python, True, "reference")

    def _port_side(self) -> Side:
        moves = self.move_weights
        if moves is None:
            drawn = isinstance(self.reference, str) and not self.reference.startswith("arrays:")
            moves = drawn and self.weights is None
        return _side(self.port, self.port_args, self.port_python, not moves, "port")

    def _options(self, scratch: Path) -> Options:
        from parity.compare.state import Options

        arrays, file = _inputs(self.inputs, self.seed)
        return Options(
            arrays,
            inputs_file=file,
            weights=_weights(self.weights, scratch / "reference.safetensors"),
            port_weights=_weights(self.port_weights, scratch / "port.safetensors"),
            rules=Path(self.rules) if self.rules is not None else None,
            seed=self.seed,
            silence_s=self.timeout_s,
        )


def _judged(result: Comparison, bound: float | None) -> Comparison:
    """A result by a bound: the given one, else what the plugin's option says, else as it is."""
    from parity.report.saved import Saved, recheck

    bound = default_bound() if bound is None else bound
    if bound is None:
        return result
    again = recheck(Saved.of_comparison(result), bound).comparison
    assert again
    return again


def _show_nothing(_who: str, _text: str) -> None:
    """A test has no place for progress."""


def _side(
    value: Any, arguments: Mapping[str, Any] | None, python: str, is_own: bool, where: str
) -> Side:
    from parity.adapters.live import live_side
    from parity.adapters.sides import parse_side

    if isinstance(value, str):
        text = json.dumps(dict(arguments)) if arguments else ""
        return parse_side(value, arguments=text, python=python, where=where)
    return live_side(value, has_own_weights=is_own, where=where)


def _inputs(given: Any, seed: int) -> tuple[dict[str, np.ndarray], Path | None]:
    """Arrays by name, and the file that has them instead."""
    from parity.adapters.inputs import drawn

    if given is None:
        return {}, None
    if isinstance(given, os.PathLike) or (isinstance(given, str) and Path(given).suffix):
        return {}, Path(given)
    if isinstance(given, Mapping):
        named = dict(given)
    else:
        values = given if isinstance(given, list | tuple) else [given]
        named = {f"input{number}": value for number, value in enumerate(values)}
    result: dict[str, np.ndarray] = {}
    for number, (name, value) in enumerate(named.items()):
        if isinstance(value, str):
            result |= drawn([f"{name}={value}"], seed + number)
        else:
            result[name] = _array(value, f"input {name}")
    return result, None


def _weights(given: File | Mapping[str, Any] | None, file: Path) -> Path | None:
    if not isinstance(given, Mapping):
        return Path(given) if given is not None else None
    from restoration.process import arrays

    arrays.write(file, {name: _array(value, f"weight {name}") for name, value in given.items()})
    return file


def _array(value: Any, where: str) -> np.ndarray:
    """An array of NumPy, of any framework's tensor.

    Raises:
        InputError: it is none, or has numbers that are not finite.
    """
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach()
    for convert in ("cpu", "asnumpy", "numpy"):
        if hasattr(value, convert):
            value = getattr(value, convert)()
    array = np.asarray(value)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    problem = ""
    if array.dtype.kind not in "biufc":
        problem = f"{type(value).__name__} of {array.dtype}"
    elif array.dtype.kind == "f" and not np.isfinite(array).all():
        problem = "NaN or infinity"
    if problem:
        raise InputError(
            where,
            expected="an array of finite numbers",
            got=problem,
            where="assert_parity",
            next_step="nothing can be judged by it",
        )
    return array


def _with_advice(problem: RestorationError) -> RestorationError:
    if not isinstance(problem, UnavailableError) or "not installed" not in str(problem):
        return problem
    return UnavailableError(
        f"{problem}; or record that side where its framework is, with parity record SIDE -o FILE, "
        "and give arrays:FILE"
    )
