"""PyTorch behind the suite's engine contract (`restoration/engine/contract.py`).

A mode of execution is put on a network by PyTorch's own forward hooks, never by replacing a method
or by a module around another: names of parameters, of modules and of taps stay as they are, and
whoever calls the network, an engine or a trainer, need not know its mode.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from restoration.arrays import Arrays
from restoration.engine.calls import name_outputs
from restoration.engine.contract import Gradients, Network
from restoration.engine.execution import PLAIN, Execution, check_is_mindspores
from restoration.engine.state import check_state
from restoration.engine.taps import Tap, TapRecorder
from restoration.errors import UnavailableError
from restoration.models.spec import Spec
from restoration.training.settings import TrainerSettings
from torch_impl.arrays import to_arguments, to_numpy, to_outputs, to_tensor
from torch_impl.training import TorchTrainer


class TorchEngine:
    """The reference engine. dtype is "float32", or "float64" for the truth."""

    name = "torch"
    modes = ("eager",)

    def __init__(self, *, device: str = "cpu", dtype: str = "float32"):
        """Raises UnavailableError when the device is not there, with a list of those that are."""
        if device not in devices():
            raise UnavailableError(
                f"PyTorch {torch.__version__} cannot use {device!r} here: "
                f"it finds {', '.join(devices())}; choose one with --device, "
                "or install the build of PyTorch for that device"
            )
        self.device = torch.device(device)
        torch.backends.cudnn.allow_tf32 = False  # by default convolutions on CUDA drop 13 bits
        self.dtype = getattr(torch, dtype)

    def build(self, spec: Spec, execution: Execution = PLAIN) -> Network:
        check_is_mindspores(execution, "PyTorch")
        network = getattr(importlib.import_module(f"torch_impl.{spec.module}"), spec.network)
        module = network(spec).eval().to(self.device, self.dtype)
        # Values are the same; convolutions then skip reordering their input and output.
        module.to(memory_format=torch.channels_last)
        if execution.checkpointing:
            _checkpoint(_find_class(module, spec.checkpointed_block))
        if execution.precision != "float32":
            _autocast(module, self.device.type, getattr(torch, execution.precision))
            _keep_float32(_find_class(module, spec.float32_block), self.device.type)
        return Network(module, spec, execution)

    def state(self, network: Network) -> Arrays:
        return {name: to_numpy(value) for name, value in network.module.state_dict().items()}

    def load(self, network: Network, state: Mapping[str, np.ndarray]) -> None:
        current = network.module.state_dict()
        shapes = {name: tuple(value.shape) for name, value in current.items()}
        check_state(shapes, state, network=network.spec.network)
        with torch.no_grad():
            for name, value in current.items():
                value.copy_(torch.from_numpy(np.array(state[name])))

    def run(
        self, network: Network, inputs: Mapping[str, np.ndarray], *, mode: str = "eager"
    ) -> Arrays:
        with torch.inference_mode():
            result = network.module(*self.arguments(network.spec, inputs))
        return to_outputs(network.spec, result)

    def call(self, network: Network, method: str, *arguments: Any) -> Any:
        native = [
            to_tensor(value, self.device, self.dtype) if isinstance(value, np.ndarray) else value
            for value in arguments
        ]
        with torch.inference_mode():
            return getattr(network.module, method)(*native)

    def to_numpy(self, value: Any) -> np.ndarray:
        return to_numpy(value)

    def run_tapped(
        self, network: Network, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Arrays, list[Tap]]:
        # Kept as copies: an activation may change its argument in place.
        recorder = TapRecorder(torch.is_tensor, keep=to_numpy, to_numpy=np.asarray)
        hooks = []
        for name, module in network.module.named_modules():
            hooks += [
                module.register_forward_pre_hook(
                    lambda _m, args, name=name: recorder.enter(name, args)
                ),
                module.register_forward_hook(
                    lambda _m, _args, result, name=name: recorder.leave(name, result)
                ),
            ]
        try:
            outputs = self.run(network, inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return outputs, recorder.taps()

    def gradients(
        self,
        network: Network,
        inputs: Mapping[str, np.ndarray],
        cotangents: Mapping[str, np.ndarray],
    ) -> Gradients:
        spec = network.spec
        values = self.arguments(spec, inputs)
        sources = {
            name: value.requires_grad_()
            for name, value in zip(spec.inputs, values, strict=False)
            if value is not None and value.is_floating_point()
        }
        parameters = dict(network.module.named_parameters())
        outputs = name_outputs(spec, network.module(*values))
        total = sum(
            (outputs[name] * to_tensor(cotangent, self.device, self.dtype)).mean()
            for name, cotangent in cotangents.items()
        )
        wanted = [*sources.values(), *parameters.values()]
        found = torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)
        arrays = [to_numpy(gradient) for gradient in found]
        return Gradients(
            inputs=dict(zip(sources, arrays[: len(sources)], strict=True)),
            parameters=dict(zip(parameters, arrays[len(sources) :], strict=True)),
        )

    def trainer(self, network: Network, settings: TrainerSettings) -> TorchTrainer:
        return TorchTrainer(network, settings)

    def describe(self) -> dict[str, str]:
        return {
            "framework": f"PyTorch {torch.__version__}",
            "device": str(self.device),
            "precision": str(self.dtype).removeprefix("torch."),
            "threads": str(torch.get_num_threads()),
        }

    def variations(self) -> Mapping[str, contextlib.AbstractContextManager[None]]:
        return {
            "default kernels": contextlib.nullcontext(),
            "one thread": _threads(1),
            "no oneDNN": torch.backends.mkldnn.flags(enabled=False),
        }

    def arguments(self, spec: Spec, inputs: Mapping[str, np.ndarray]) -> list[Tensor | None]:
        """A network's positional arguments, on the device."""
        return to_arguments(spec, inputs, self.device, self.dtype)


def devices() -> list[str]:
    """Devices that PyTorch can use here."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _find_class(module: nn.Module, name: str) -> list[nn.Module]:
    """All modules of a class in a network."""
    return [part for part in module.modules() if type(part).__name__ == name]


def _checkpoint(parts: list[nn.Module]) -> None:
    """Activation checkpointing: in training, parts compute their activations again for gradients.

    Random numbers, as of dropped paths, are drawn alike both times. This is the one of PyTorch's
    ways that works by hooks; its wrapper would rename parameters, and its function is for the
    model's code.
    """
    from torch.distributed._composable import checkpoint

    for part in parts:
        checkpoint(part)


def _autocast(module: nn.Module, device: str, dtype: torch.dtype) -> None:
    """Let a network compute matrix products and convolutions at another precision."""
    _run_within(module, lambda: torch.autocast(device, dtype=dtype))


def _keep_float32(parts: list[nn.Module], device: str) -> None:
    """Leave parts in float32 under autocast: decisions must not flip."""
    for part in parts:
        part.register_forward_pre_hook(lambda _m, values: tuple(value.float() for value in values))
        _run_within(part, lambda: torch.autocast(device, enabled=False))


def _run_within(module: nn.Module, context: Any) -> None:
    """Have a module compute within a context that `context()` makes for each call."""
    entered: list[contextlib.AbstractContextManager[Any]] = []  # calls may be nested

    def enter(_module: nn.Module, _arguments: Any) -> None:
        entered.append(context())
        entered[-1].__enter__()

    def leave(*_: Any) -> None:
        entered.pop().__exit__(None, None, None)

    module.register_forward_pre_hook(enter)
    module.register_forward_hook(leave, always_call=True)  # also after an error


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with a number of threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


ENGINE = TorchEngine
