"""What `parity compare` needs of PyTorch to run a network that it has not seen.

The same functions in each `*_impl`; arrays in and out are NumPy.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.utils.parametrize
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def is_network(value: Any) -> bool:
    return isinstance(value, nn.Module)


def is_array(value: Any) -> bool:
    return isinstance(value, Tensor)


def modules(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """All modules by dotted path, the network itself as ""."""
    return list(network.named_modules())


def entries(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, in order of declaration; a shared one once."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def trainable(network: nn.Module) -> list[str]:
    return [name for name, value in network.named_parameters() if value.requires_grad]


def to_array(array: np.ndarray) -> Tensor:
    """An array of the framework's; floating-point numbers get its default precision."""
    tensor = torch.from_numpy(np.ascontiguousarray(array).copy())
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A copy; bfloat16, which NumPy has not, as float32, which holds it."""
    tensor = tensor.detach().cpu().resolve_conj()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()


def assign(entry: Tensor, array: np.ndarray) -> None:
    """Give a parameter or buffer other numbers."""
    with torch.no_grad():
        entry.copy_(torch.from_numpy(np.ascontiguousarray(array)).reshape(entry.shape))


def fold(network: nn.Module) -> list[str]:
    """Replace weights that are computed of others, as by weight and spectral norms, by their
    values; the names of those that were."""
    folded = []
    for name, module in network.named_modules():
        for entry in list(getattr(module, "parametrizations", ())):
            nn.utils.parametrize.remove_parametrizations(module, entry)
            folded.append(f"{name}.{entry}" if name else entry)
        for remove in (nn.utils.remove_weight_norm, nn.utils.remove_spectral_norm):
            with contextlib.suppress(ValueError):
                remove(module)
                folded.append(f"{name}.weight" if name else "weight")
    return folded


def set_training(network: nn.Module, training: bool) -> None:
    network.train(training)


@contextlib.contextmanager
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@contextlib.contextmanager
def hooked(
    network: nn.Module,
    enter: Callable[[str, Sequence[Any], Mapping[str, Any]], None],
    leave: Callable[[str, Any], None],
) -> Iterator[None]:
    """Be told of every call of a module: its arguments, and its result."""
    hooks: list[Any] = []
    for name, module in modules(network):
        hooks += [
            module.register_forward_pre_hook(
                lambda _m, args, kwargs, name=name: enter(name, args, kwargs), with_kwargs=True
            ),
            module.register_forward_hook(lambda _m, _args, result, name=name: leave(name, result)),
        ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def version(tensor: Tensor) -> int:
    """A number that changes with what a tensor holds."""
    return tensor._version


def keep(tensor: Tensor) -> Any:
    """What is held of a tensor when it passes: a copy, since it may be changed in place."""
    return to_numpy(tensor)


def kept(value: Any) -> np.ndarray:
    return value


def gradients(
    network: nn.Module,
    call: Callable[..., Sequence[Tensor]],
    inputs: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
) -> tuple[list[np.ndarray | None], dict[str, np.ndarray]]:
    """Of sum(output * cotangent), by each input (None for integers) and each parameter.

    call: the network's outputs, in order, of its inputs.
    """
    values = [to_array(array) for array in inputs]
    sources = [value.requires_grad_() for value in values if value.is_floating_point()]
    parameters = {name: value for name, value in network.named_parameters() if value.requires_grad}
    outputs = call(*values)
    total = sum(
        (output * to_array(cotangent).to(output.dtype)).sum()
        for output, cotangent in zip(outputs, cotangents, strict=True)
        if output.requires_grad
    )
    wanted = [*sources, *parameters.values()]
    if not isinstance(total, Tensor):  # nothing depends on anything
        found: Sequence[Tensor] = [torch.zeros_like(value) for value in wanted]
    else:
        found = torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)
    arrays = [to_numpy(gradient) for gradient in found]
    by_input = iter(arrays[: len(sources)])
    return (
        [next(by_input) if value.is_floating_point() else None for value in values],
        dict(zip(parameters, arrays[len(sources) :], strict=True)),
    )


def loss_gradients(
    network: nn.Module, loss: Callable[[], Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """A loss, and its gradients by the parameters that it depends on, by name."""
    parameters = {name: value for name, value in network.named_parameters() if value.requires_grad}
    value = loss()
    found = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
    gradients = zip(parameters, found, strict=True)
    return value, {name: gradient for name, gradient in gradients if gradient is not None}


class _Drawing(TorchFunctionMode):
    """Takes from a stream what PyTorch would draw."""

    def __init__(self, stream: Any):
        super().__init__()
        self._stream = stream

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(function, "__name__", "")
        draw = getattr(self, f"_{name.rstrip('_')}", None) if name in _DRAWN else None
        result = draw(name, args, kwargs) if draw else None
        return function(*args, **kwargs) if result is None else result

    def _dropout(self, name: str, args: Any, kwargs: Any) -> Tensor | None:
        values = dict(zip(("input", "p", "training"), args, strict=False)) | kwargs
        x, p = values["input"], values.get("p", 0.5)
        if not values.get("training", not name[-1].isdigit()) or not p:
            return None
        shape = x.shape if name == "dropout" else (*x.shape[:2], *(1 for _ in x.shape[2:]))
        return x * self._array(self._stream.kept(shape, 1 - p), x) / (1 - p)

    _dropout1d = _dropout2d = _dropout3d = _dropout

    def _rand(self, name: str, args: Any, kwargs: Any) -> Tensor:
        draw = self._stream.uniform if name.startswith("rand_l") or name == "rand" else None
        draw = draw or self._stream.normal
        if name.endswith("_like"):
            return self._array(draw(args[0].shape), args[0])
        sizes = args if args else (kwargs["size"],)
        shape = sizes if isinstance(sizes[0], int) else sizes[0]
        return self._array(draw(shape), torch.empty(0, dtype=kwargs.get("dtype")))

    _randn = _rand_like = _randn_like = _rand

    def _bernoulli(self, name: str, args: Any, kwargs: Any) -> Tensor | None:
        p = kwargs.get("p", args[1] if len(args) > 1 else None)
        if p is None:
            share = args[0]
            return (self._array(self._stream.uniform(share.shape), share) >= 1 - share).to(
                share.dtype
            )
        found = self._array(self._stream.kept(args[0].shape, float(p)), args[0])
        return args[0].copy_(found) if name.endswith("_") else found

    def _uniform(self, name: str, args: Any, kwargs: Any) -> Tensor:
        low, high = _two(args, kwargs, ("from", "to"), (0.0, 1.0))
        found = self._array(self._stream.uniform(args[0].shape), args[0])
        return args[0].copy_(low + (high - low) * found)

    def _normal(self, name: str, args: Any, kwargs: Any) -> Tensor:
        mean, deviation = _two(args, kwargs, ("mean", "std"), (0.0, 1.0))
        found = self._array(self._stream.normal(args[0].shape), args[0])
        return args[0].copy_(mean + deviation * found)

    @staticmethod
    def _array(array: np.ndarray, like: Tensor) -> Tensor:
        return torch.from_numpy(array).to(like.dtype)


_DRAWN = {
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "rand", "randn", "rand_like", "randn_like"),
    *("bernoulli", "bernoulli_", "uniform_", "normal_"),
}


def _two(
    args: Any, kwargs: Any, names: tuple[str, str], defaults: tuple[float, float]
) -> tuple[float, float]:
    """Two numbers of a method's arguments, by place or by name."""
    found = dict(zip(names, args[1:], strict=False)) | kwargs
    first, second = (
        float(found.get(name, default)) for name, default in zip(names, defaults, strict=True)
    )
    return first, second


@contextlib.contextmanager
def drawing(network: nn.Module, stream: Any) -> Iterator[None]:
    """Dropout masks and random numbers come from a stream (`parity/adapters/draws.py`)."""
    with _Drawing(stream):
        yield


class _OnCpu(TorchFunctionMode):
    """Sends to the CPU what is meant for a device that is not there."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if getattr(function, "__name__", "") == "cuda":
            return args[0]
        args = tuple("cpu" if _is_absent(value) else value for value in args)
        for name, value in kwargs.items():
            if _is_absent(value):
                kwargs[name] = "cpu"
        return function(*args, **kwargs)


def _is_absent(value: Any) -> bool:
    if isinstance(value, torch.device):
        value = value.type
    return isinstance(value, str) and value.partition(":")[0] == "cuda"


@contextlib.contextmanager
def on_this_machine() -> Iterator[None]:
    """Let code that names a GPU run on a machine without one."""
    with contextlib.nullcontext() if torch.cuda.is_available() else _OnCpu():
        yield


def prepare() -> None:
    """What a file that was imported may have set, and taps cannot do with."""
    torch.set_default_dtype(torch.float32)


def copied(network: nn.Module) -> nn.Module:
    """A network with numbers of its own, on the CPU."""
    return copy.deepcopy(network).cpu()


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Afterwards, the process has the settings and random numbers that it had before."""
    dtype, generator = torch.get_default_dtype(), torch.get_rng_state()
    try:
        with torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_rng_state(generator)
