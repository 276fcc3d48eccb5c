"""What a side of a comparison is asked, inside its own process: its network, of whatever framework.

A process holds one network. Arrays come and go as files (`restoration/process/arrays.py`).
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters import calling, imports
from parity.adapters.draws import Stream
from parity.adapters.lines import LineTrace, users_frames
from parity.adapters.structures import leaves
from restoration.errors import InputError
from restoration.process import arrays
from restoration.process.serve import Session

_SEED = 20_250_101


@dataclass
class Open:
    """The network of this process. bridge: the `foreign` module of its framework. is_training: the
    mode in which it is compared."""

    bridge: Any
    network: Any
    make: Callable[[], Any]
    is_training: bool = False
    names: dict[str, int] = field(default_factory=dict)

    def modules(self) -> list[tuple[str, Any]]:
        return list(self.bridge.modules(self.network))


_open: list[Open] = []


def current() -> Open:
    """The network that `open_network` made."""
    return _open[-1]


@contextlib.contextmanager
def using(held: Open) -> Iterator[None]:
    """Answer for another network, which was made elsewhere."""
    _open.append(held)
    try:
        yield
    finally:
        _open.remove(held)


def open_network(
    session: Session, *, source: str, factory: str, arguments: Mapping[str, Any], folder: str
) -> dict[str, Any]:
    """Import the file and make the network, in evaluation mode.

    Returns its modules in order of declaration, each with its class, and its entries with shape,
    dtype and whether they are trained.

    Raises:
        InputError: there is no such factory, or what it makes is no network of the framework's.
    """
    session.make_engine()  # sets the device
    bridge = session.module("foreign")
    imports.enter_folder(folder)
    with _on_this_machine(bridge):
        try:
            make = imports.load_factory(source, factory)
        except FileNotFoundError:  # what the file opens lies beside it
            imports.enter_folder(str(Path(source).parent))
            make = imports.load_factory(source, factory)
    bridge.prepare()

    def build() -> Any:
        seed_generators(bridge)
        with _on_this_machine(bridge):
            network = make(**arguments)
        if not bridge.is_network(network):
            raise InputError(
                "factory",
                expected="a network of the framework's",
                got=type(network).__name__,
                where=f"{source}:{factory}",
                next_step="name a function or class that makes one",
            )
        bridge.set_training(network, False)
        return network

    _open.append(Open(bridge, build(), build))
    return describe(session)


def describe(session: Session) -> dict[str, Any]:
    """Modules and entries of the network."""
    held = current()
    bridge, network = held.bridge, held.network
    trained = set(bridge.trainable(network))
    state = {name: bridge.to_numpy(value) for name, value in bridge.entries(network).items()}
    return {
        "modules": [
            {"name": name, "kind": type(module).__name__, "attributes": attributes_of(module)}
            for name, module in held.modules()
        ],
        "entries": [
            {
                "name": name,
                "shape": list(value.shape),
                "dtype": str(value.dtype),
                "trained": name in trained,
            }
            for name, value in state.items()
        ],
        "inputs": list(calling.required(network)),
        "engine": session.describe_engine(),
    }


def set_mode(session: Session, *, training: bool) -> None:
    """Compare in training mode from here on, or in evaluation mode."""
    held = current()
    held.is_training = training
    held.bridge.set_training(held.network, training)


def renew(session: Session) -> None:
    """Make the network anew, with the weights that it has."""
    held = current()
    state = {n: held.bridge.to_numpy(v) for n, v in held.bridge.entries(held.network).items()}
    held.network = held.make()
    held.bridge.set_training(held.network, held.is_training)
    held.bridge.fold(held.network)
    give(held.bridge, held.network, state.items())


def write_state(session: Session, *, path: str) -> None:
    """Write all parameters and buffers."""
    held = current()
    state = held.bridge.entries(held.network)
    arrays.write(Path(path), {name: held.bridge.to_numpy(value) for name, value in state.items()})


def load(session: Session, *, path: str) -> None:
    """Give the network the numbers of a file, for those entries that it names."""
    held = current()
    with arrays.reading(Path(path)) as file:
        give(held.bridge, held.network, ((name, file[name]) for name in file.names))


def fold(session: Session) -> list[str]:
    """Replace weights that are computed of others by their values; the names of those that were."""
    held = current()
    with held.bridge.without_gradients():
        return list(held.bridge.fold(held.network))


def tapped(
    session: Session,
    *,
    inputs: str,
    path: str,
    training: bool = False,
    seed: int = 0,
    taps: bool = True,
) -> dict[str, Any]:
    """Run once; write outputs ("output/NAME"), every module's arrays ("tap/EVENT/NAME") unless
    `taps` is false, and the entries after it ("state/NAME") if in training mode.

    Returns "draws": how many random arrays there were; "outputs": names in order; "events": what
    happened in order, each with module, call, side, the user's frames, and its time in "lines";
    "files": paths by number; "overwritten": the first event at which an input has other numbers, -1
    for the end, None for none.
    """
    held = current()
    bridge = held.bridge
    with arrays.Stream(Path(path)) as stream, _restored(held) as before:
        recorder = _Recorder(bridge, [name for name, _ in held.modules()], stream if taps else None)
        draws = Stream(seed)
        if training:
            bridge.set_training(held.network, True)
        try:
            with (
                bridge.drawing(held.network, draws),
                bridge.hooked(held.network, recorder.enter, recorder.leave),
                recorder.trace,
            ):
                values = _values(held, inputs)
                recorder.given = list(values.values())
                outputs = _outputs(held, values, seed)
            for name, value in outputs:
                stream.add(f"output/{name}", bridge.to_numpy(value))
            recorder.write()
            for name, value in bridge.entries(held.network).items():
                after = bridge.to_numpy(value)
                if not np.array_equal(after, before[name], equal_nan=True):
                    stream.add(f"state/{name}", after)
        finally:
            if training:
                bridge.set_training(held.network, held.is_training)
    return {
        "draws": draws.count,
        "overwritten": recorder.overwritten(list(read_inputs(inputs).values())),
        "outputs": [name for name, _ in outputs],
        "events": recorder.events,
        "lines": recorder.trace.lines,
        "files": recorder.trace.files,
        "modules": recorder.modules,
    }


def run(session: Session, *, inputs: str, path: str, seed: int = 0) -> list[str]:
    """Run once and write the outputs; their names in order. seed: of what the network draws."""
    held = current()
    with _restored(held), held.bridge.drawing(held.network, Stream(seed)):
        outputs = _outputs(held, _values(held, inputs), seed)
    found = {f"output/{name}": held.bridge.to_numpy(value) for name, value in outputs}
    arrays.write(Path(path), found)
    return [name for name, _ in outputs]


def gradients(session: Session, *, inputs: str, cotangents: str, path: str) -> None:
    """Write the gradients of sum(output * cotangent): "input/NAME" and "parameter/NAME".

    cotangents: a file with one array for each output that is differentiated, by its number.
    """
    held = current()
    given = read_inputs(inputs)
    with arrays.reading(Path(cotangents)) as file:
        factors = {int(name): file[name] for name in file.names}

    def call(*values: Any) -> list[Any]:
        result = _call(held, dict(zip(given, values, strict=True)))
        found = [value for _, value in leaves(result, held.bridge.is_array)]
        return [found[number] for number in sorted(factors)]

    seed_generators(held.bridge)
    with _on_this_machine(held.bridge), held.bridge.drawing(held.network, Stream(0)):
        by_input, by_parameter = held.bridge.gradients(
            held.network,
            call,
            list(given.values()),
            [factors[number] for number in sorted(factors)],
        )
    found = {
        f"input/{name}": value
        for name, value in zip(given, by_input, strict=True)
        if value is not None
    }
    found |= {f"parameter/{name}": value for name, value in by_parameter.items()}
    arrays.write(Path(path), found)


def sources(session: Session, *, folder: str) -> list[str]:
    """The Python files below a folder that are imported, relative to it."""
    root = Path(folder)
    files = [Path(str(getattr(module, "__file__", ""))) for module in list(sys.modules.values())]
    return sorted(
        {
            str(file.relative_to(root))
            for file in files
            if file.suffix == ".py" and root in file.parents
        }
    )


def give(bridge: Any, network: Any, numbers: Iterable[tuple[str, np.ndarray]]) -> None:
    """Give entries of a network their numbers."""
    known = bridge.entries(network)
    for name, array in numbers:
        bridge.assign(known[name], array)


def copy_with(weights: str) -> tuple[Any, dict[str, np.ndarray]]:
    """A copy of the network with the numbers of a file, and these."""
    held = current()
    network = copy.deepcopy(held.network)
    with arrays.reading(Path(weights)) as file:
        state = {name: file[name] for name in file.names}
    give(held.bridge, network, state.items())
    return network, state


def read_inputs(path: str) -> dict[str, np.ndarray]:
    """Inputs by name, in their order: safetensors keeps none, so numbers lead their names."""
    with arrays.reading(Path(path)) as file:
        ordered = sorted(file.names, key=lambda name: int(name.partition("/")[0]))
        return {name.partition("/")[2]: file[name] for name in ordered}


def write_inputs(path: Path, inputs: Mapping[str, np.ndarray]) -> None:
    """The inverse of `read_inputs`."""
    arrays.write(path, {f"{n}/{name}": array for n, (name, array) in enumerate(inputs.items())})


@contextlib.contextmanager
def _restored(held: Open) -> Iterator[dict[str, np.ndarray]]:
    """Leave parameters and buffers as they were; gives these."""
    bridge, network = held.bridge, held.network
    before = {name: bridge.to_numpy(value) for name, value in bridge.entries(network).items()}
    try:
        yield before
    finally:
        give(bridge, network, before.items())


class _Recorder:
    """Collects what enters and leaves modules, with where in the user's code that was.

    What can be had at once goes to the disk at once; what a framework computes only when it is
    asked is written at the end.
    """

    def __init__(self, bridge: Any, names: Sequence[str], stream: arrays.Stream | None):
        """stream: where the arrays go, if anywhere."""
        self._bridge, self._stream = bridge, stream
        self.modules = list(names)
        self._numbers = {name: number for number, name in enumerate(names)}
        self._calls: dict[str, int] = {}
        self._stack: list[int] = []
        self.events: list[dict[str, Any]] = []
        self._held: dict[str, Any] = {}
        self.given: list[Any] = []
        self._versions: list[list[int]] = []
        self.trace = LineTrace(lambda: self._stack[-1] if self._stack else -1)

    def enter(self, module: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        self._calls[module] = self._calls.get(module, -1) + 1
        values = [*arguments, *keywords.values()]
        self._record(module, "in", values)
        self._stack.append(self._numbers[module])

    def leave(self, module: str, result: Any) -> None:
        if self._stack:
            self._stack.pop()
        self._record(module, "out", result)

    def write(self) -> None:
        """Write what is still held."""
        while self._held and self._stream is not None:
            name = next(iter(self._held))
            self._stream.add(name, self._bridge.kept(self._held.pop(name)))

    def overwritten(self, before: Sequence[np.ndarray]) -> int | None:
        """The first event at which what the network was given has other numbers."""
        after = [self._bridge.to_numpy(value) for value in self.given]
        if all(
            np.array_equal(one.astype(other.dtype), other, equal_nan=other.dtype.kind == "f")
            for one, other in zip(before, after, strict=True)
        ):
            return None
        first = self._versions[0] if self._versions else None
        return next((n for n, one in enumerate(self._versions) if one != first), -1)

    def _record(self, module: str, side: str, values: Any) -> None:
        number = len(self.events)
        self._versions.append([self._bridge.version(value) for value in self.given])
        names = []
        for name, value in leaves(values, self._bridge.is_array):
            names.append(name)
            if self._stream is None:
                continue
            held = self._bridge.keep(value)
            if isinstance(held, np.ndarray):
                self._stream.add(f"tap/{number}/{name}", held)
            else:
                self._held[f"tap/{number}/{name}"] = held
        self.events.append(
            {
                "module": module,
                "call": self._calls[module],
                "side": side,
                "leaves": names,
                "time": len(self.trace.lines),
                "frames": users_frames(3)[:8],
            }
        )


@contextlib.contextmanager
def _on_this_machine(bridge: Any) -> Iterator[None]:
    with bridge.on_this_machine():
        yield


def _values(held: Open, inputs: str) -> dict[str, Any]:
    return {name: held.bridge.to_array(array) for name, array in read_inputs(inputs).items()}


def _outputs(held: Open, given: Mapping[str, Any], seed: int) -> list[tuple[str, Any]]:
    seed_generators(held.bridge, seed)
    with held.bridge.without_gradients(), _on_this_machine(held.bridge):
        result = _call(held, given)
    return list(leaves(result, held.bridge.is_array))


def _call(held: Open, given: Mapping[str, Any]) -> Any:
    arguments, keywords = calling.bound(held.network, given)
    return held.network(*arguments, **keywords)


def attributes_of(module: Any) -> dict[str, Any]:
    """The plain attributes of a module: numbers, texts, and sequences of them."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return len(value) <= 8 and all(_is_plain(part) for part in value)
    return value is None or type(value) in (bool, int, float, str)


def seed_generators(bridge: Any, seed: int = 0) -> None:
    """Draw the same numbers each time, as far as the framework's generator can be seeded."""
    random.seed(_SEED + seed)
    np.random.seed(_SEED + seed)
    framework = importlib.import_module(bridge.__name__.partition("_")[0])
    for name in ("manual_seed", "set_seed", "set_global_seed"):
        if hasattr(framework, name):
            getattr(framework, name)(_SEED + seed)
            break
