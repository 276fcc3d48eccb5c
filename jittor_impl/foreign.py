"""What `parity compare` needs of Jittor to run a network that it has not seen.

The same functions in each `*_impl`; arrays in and out are NumPy.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import jittor as jt
import numpy as np
from jittor import Var, nn

from jittor_impl.training import set_training as _set_training


def is_network(value: Any) -> bool:
    return isinstance(value, nn.Module)


def is_array(value: Any) -> bool:
    return isinstance(value, Var)


def modules(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """All modules by dotted path, the network itself as ""."""
    return network.named_modules()


def entries(network: nn.Module) -> dict[str, Var]:
    """Parameters and buffers by name, in order of declaration; a shared one once."""
    return dict(network.state_dict())


def trainable(network: nn.Module) -> list[str]:
    return [name for name, value in entries(network).items() if not value.is_stop_grad()]


def to_array(array: np.ndarray) -> Var:
    """An array of the framework's; floating-point numbers get its default precision."""
    if np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32)
    return jt.array(np.ascontiguousarray(array))


def to_numpy(var: Var) -> np.ndarray:
    """A copy; bfloat16, which NumPy has not, as float32, which holds it."""
    return (var.float32() if str(var.dtype) == "bfloat16" else var).numpy().copy()


def assign(entry: Var, array: np.ndarray) -> None:
    """Give a parameter or buffer other numbers."""
    array = np.ascontiguousarray(array).reshape(entry.shape)
    entry.assign(jt.array(array.astype(str(entry.dtype))))
    jt.sync_all(True)


def fold(network: nn.Module) -> list[str]:
    """Replace weights that are computed of others, as by weight and spectral norms, by their
    values; the names of those that were."""
    return []


def set_training(network: nn.Module, training: bool) -> None:
    _set_training(network, training)


@contextlib.contextmanager
def without_gradients() -> Iterator[None]:
    with jt.no_grad():
        yield


@contextlib.contextmanager
def hooked(
    network: nn.Module,
    enter: Callable[[str, Sequence[Any], Mapping[str, Any]], None],
    leave: Callable[[str, Any], None],
) -> Iterator[None]:
    """Be told of every call of a module: its arguments, and its result."""
    found = modules(network)
    for name, module in found:
        module.register_pre_forward_hook(
            lambda _m, args, kwargs=None, name=name: enter(name, args, kwargs or {})
        )
        module.register_forward_hook(
            lambda _m, _args, result, _kwargs=None, name=name: leave(name, result)
        )
    try:
        yield
    finally:
        for _, module in found:
            module.remove_pre_forward_hook()
            module.remove_forward_hook()


def version(var: Var) -> int:
    """What changes with what a Var holds is told at the end alone, not to compute it on the way."""
    return 0


def keep(var: Var) -> Any:
    """What is held of a Var when it passes: a clone, since it may be changed in place; to compute
    it now would have Jittor compile piece by piece."""
    return var.clone()


def kept(value: Any) -> np.ndarray:
    return to_numpy(value)


def gradients(
    network: nn.Module,
    call: Callable[..., Sequence[Var]],
    inputs: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
) -> tuple[list[np.ndarray | None], dict[str, np.ndarray]]:
    """Of sum(output * cotangent), by each input (None for integers) and each parameter.

    call: the network's outputs, in order, of its inputs.
    """
    values = [to_array(array) for array in inputs]
    sources = [value for value in values if value.dtype.is_float()]
    names = trainable(network)
    known = entries(network)
    outputs = call(*values)
    total = sum(
        (output * to_array(cotangent)).sum()
        for output, cotangent in zip(outputs, cotangents, strict=True)
    )
    found = jt.grad(total, [*sources, *(known[name] for name in names)])
    arrays = [to_numpy(gradient) for gradient in found]
    by_input = iter(arrays[: len(sources)])
    return (
        [next(by_input) if value.dtype.is_float() else None for value in values],
        dict(zip(names, arrays[len(sources) :], strict=True)),
    )


def loss_gradients(network: nn.Module, loss: Callable[[], Var]) -> tuple[Var, dict[str, Var]]:
    """A loss, and its gradients by the parameters that it depends on, by name."""
    names, known = trainable(network), entries(network)
    value = loss()
    found = jt.grad(value, [known[name] for name in names])
    return value, dict(zip(names, found, strict=True))


@contextlib.contextmanager
def drawing(network: nn.Module, stream: Any) -> Iterator[None]:
    """Dropout masks and random numbers come from a stream (`parity/adapters/draws.py`).

    All that Jittor draws goes through `jt.random`, and it has no way to be asked what it draws: the
    function is another while the network runs.
    """

    def random(shape: Any, dtype: str = "float32", kind: str = "uniform", **named: str) -> Var:
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        is_normal = named.get("type", kind) == "normal"
        array = stream.normal(sizes) if is_normal else stream.uniform(sizes)
        return jt.array(array).cast(str(dtype)).stop_grad()

    with mock.patch.object(jt, "random", random):
        yield


@contextlib.contextmanager
def on_this_machine() -> Iterator[None]:
    """Let code that names a GPU run on a machine without one."""
    yield


def prepare() -> None:
    """What a file that was imported may have set, and taps cannot do with."""
    jt.flags.use_cuda = 0


def copied(network: nn.Module) -> nn.Module:
    """A network with numbers of its own; Jittor's copies forget what is not trained."""
    result = copy.deepcopy(network)
    known = entries(result)
    for name, value in entries(network).items():
        if value.is_stop_grad():
            known[name].stop_grad()
    return result


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Afterwards, the process has the settings that it had before. Jittor tells no state of its
    generator: that starts again from its seed."""
    device, seed = jt.flags.use_cuda, jt.get_seed()
    try:
        yield
    finally:
        jt.flags.use_cuda = device
        jt.set_seed(seed)
