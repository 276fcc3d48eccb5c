"""What `parity compare` needs of MindSpore to run a network that it has not seen.

The same functions in each `*_impl`; arrays in and out are NumPy.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops


def is_network(value: Any) -> bool:
    return isinstance(value, nn.Cell)


def is_array(value: Any) -> bool:
    return isinstance(value, Tensor)


def modules(network: nn.Cell) -> list[tuple[str, nn.Cell]]:
    """All modules by dotted path, the network itself as ""."""
    return list(network.cells_and_names())


def entries(network: nn.Cell) -> dict[str, Tensor]:
    """Parameters and buffers by name, in order of declaration; a shared one once."""
    return dict(network.parameters_and_names())


def trainable(network: nn.Cell) -> list[str]:
    return [name for name, value in entries(network).items() if value.requires_grad]


def to_array(array: np.ndarray) -> Tensor:
    """An array of the framework's; floating-point numbers get its default precision."""
    if np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32)
    return Tensor(np.ascontiguousarray(array))


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A copy; bfloat16, which NumPy has not, as float32, which holds it."""
    return (tensor.astype(ms.float32) if tensor.dtype == ms.bfloat16 else tensor).asnumpy().copy()


def assign(entry: Tensor, array: np.ndarray) -> None:
    """Give a parameter or buffer other numbers."""
    array = np.ascontiguousarray(array).reshape(entry.shape)
    entry.set_data(Tensor(array, dtype=entry.dtype))


def fold(network: nn.Cell) -> list[str]:
    """Replace weights that are computed of others, as by weight and spectral norms, by their
    values; the names of those that were."""
    return []


def set_training(network: nn.Cell, training: bool) -> None:
    network.set_train(training)


@contextlib.contextmanager
def without_gradients() -> Iterator[None]:
    yield


@contextlib.contextmanager
def hooked(
    network: nn.Cell,
    enter: Callable[[str, Sequence[Any], Mapping[str, Any]], None],
    leave: Callable[[str, Any], None],
) -> Iterator[None]:
    """Be told of every call of a module: its arguments, and its result."""
    hooks: list[Any] = []
    for name, cell in modules(network):
        hooks += [
            cell.register_forward_pre_hook(
                lambda _c, args, kwargs, name=name: enter(name, args, kwargs), with_kwargs=True
            ),
            cell.register_forward_hook(lambda _c, _args, result, name=name: leave(name, result)),
        ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def version(tensor: Tensor) -> int:
    """A number that changes with what a tensor holds."""
    return hash(tensor.asnumpy().tobytes())


def keep(tensor: Tensor) -> Any:
    """What is held of a tensor when it passes: a copy, since it may be changed in place."""
    return to_numpy(tensor)


def kept(value: Any) -> np.ndarray:
    return value


def gradients(
    network: nn.Cell,
    call: Callable[..., Sequence[Tensor]],
    inputs: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
) -> tuple[list[np.ndarray | None], dict[str, np.ndarray]]:
    """Of sum(output * cotangent), by each input (None for integers) and each parameter.

    call: the network's outputs, in order, of its inputs.
    """
    values = [to_array(array) for array in inputs]
    places = [place for place, value in enumerate(values) if value.is_floating_point()]
    names = trainable(network)
    known = entries(network)
    factors = [to_array(cotangent) for cotangent in cotangents]

    def total(*values: Tensor) -> Tensor:
        return sum(
            (output * factor).sum() for output, factor in zip(call(*values), factors, strict=True)
        )

    weights = ms.ParameterTuple([known[name] for name in names])
    by_input, by_weight = ms.grad(total, grad_position=tuple(places), weights=weights)(*values)
    by_input = by_input if isinstance(by_input, tuple) else (by_input,)
    by_weight = by_weight if isinstance(by_weight, tuple) else (by_weight,)
    found: list[np.ndarray | None] = [None] * len(values)
    for place, gradient in zip(places, by_input, strict=True):
        found[place] = to_numpy(gradient)
    return found, {
        name: to_numpy(gradient) for name, gradient in zip(names, by_weight, strict=True)
    }


def loss_gradients(
    network: nn.Cell, loss: Callable[[], Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """A loss, and its gradients by the parameters that it depends on, by name."""
    names, known = trainable(network), entries(network)
    weights = ms.ParameterTuple([known[name] for name in names])
    value, found = ms.value_and_grad(loss, None, weights)()
    return value, dict(zip(names, found, strict=True))


@contextlib.contextmanager
def drawing(network: nn.Cell, stream: Any) -> Iterator[None]:
    """Dropout masks and random numbers come from a stream (`parity/adapters/draws.py`).

    MindSpore has no way to be asked what it draws: layers give another result by a hook, functions
    of `ops` are others while the network runs. What is called as a primitive draws by itself.
    """

    def dropped(x: Tensor, p: float, shape: Sequence[int]) -> Tensor:
        return x * Tensor(stream.kept(shape, 1 - p)) / (1 - p)

    def dropout(x: Tensor, p: float = 0.5, training: bool = True, seed: Any = None) -> Tensor:
        return dropped(x, p, x.shape) if training and p else x

    def of_channels(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
        shape = (*x.shape[:2], *(1 for _ in x.shape[2:]))
        return dropped(x, p, shape) if training and p else x

    def sized(draw: Callable[[Sequence[int]], np.ndarray]) -> Callable[..., Tensor]:
        def drawn(*size: Any, **_: Any) -> Tensor:
            shape = size if not size or isinstance(size[0], int) else size[0]
            return Tensor(draw(shape))

        return drawn

    def like(draw: Callable[[Sequence[int]], np.ndarray]) -> Callable[..., Tensor]:
        return lambda x, **_: Tensor(draw(x.shape))

    def of_layer(cell: nn.Cell, args: Any, result: Tensor) -> Tensor:
        p = cell.p if cell.p is not None else 1 - cell.keep_prob
        return dropped(args[0], float(p), args[0].shape) if cell.training and p else result

    functions = {
        "dropout": dropout,
        **dict.fromkeys(("dropout1d", "dropout2d", "dropout3d"), of_channels),
        "rand": sized(stream.uniform),
        "randn": sized(stream.normal),
        "standard_normal": sized(stream.normal),
        "rand_like": like(stream.uniform),
        "randn_like": like(stream.normal),
    }
    hooks = [
        cell.register_forward_hook(of_layer)
        for _, cell in modules(network)
        if isinstance(cell, nn.Dropout)
    ]
    try:
        with mock.patch.multiple(ops, **functions):
            yield
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def on_this_machine() -> Iterator[None]:
    """Let code that names a GPU run on a machine without one."""
    yield


def prepare() -> None:
    """What a file that was imported may have set, and taps cannot do with."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    ms.runtime.launch_blocking()


def copied(network: nn.Cell) -> nn.Cell:
    """A network with numbers of its own."""
    return copy.deepcopy(network)


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Afterwards, the process has the settings and random numbers that it had before."""
    mode, generator = ms.get_context("mode"), ms.get_rng_state()
    try:
        yield
    finally:
        ms.set_context(mode=mode)
        ms.set_rng_state(generator)
