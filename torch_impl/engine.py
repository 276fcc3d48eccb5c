"""PyTorch behind the suite's engine contract (`restoration/engine/contract.py`)."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from restoration.engine.calls import arguments, name_outputs
from restoration.engine.contract import Arrays, Gradients
from restoration.engine.execution import PLAIN, Execution
from restoration.engine.state import check_state
from restoration.engine.taps import Tap, TapRecorder
from restoration.errors import UnavailableError
from restoration.models.spec import Spec
from torch_impl import losses

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPS = 1e-8
_HALF = (torch.bfloat16, torch.float16)


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

    def build(self, spec: Spec, execution: Execution = PLAIN) -> nn.Module:
        network = getattr(importlib.import_module(f"torch_impl.{spec.module}"), spec.network)
        model = network(spec).eval().to(self.device, self.dtype)
        # Values are the same; convolutions then skip reordering their input and output.
        model.to(memory_format=torch.channels_last)
        model.spec = spec
        if execution.checkpointing:
            _checkpoint(model, spec)
        model.precision = execution.precision
        if execution.precision != "float32":
            _keep_precise(model, spec)
        return model

    def state(self, model: nn.Module) -> Arrays:
        return {name: _to_numpy(value) for name, value in model.state_dict().items()}

    def load(self, model: nn.Module, state: Mapping[str, np.ndarray]) -> None:
        current = model.state_dict()
        shapes = {name: tuple(value.shape) for name, value in current.items()}
        check_state(shapes, state, network=model.spec.network)
        with torch.no_grad():
            for name, value in current.items():
                value.copy_(torch.from_numpy(np.array(state[name])))

    def run(
        self, model: nn.Module, inputs: Mapping[str, np.ndarray], *, mode: str = "eager"
    ) -> Arrays:
        with torch.inference_mode(), self._precision(model):
            result = model(*self._arguments(model.spec, inputs))
        return _numpy_outputs(model.spec, result)

    def call(self, model: nn.Module, method: str, *arguments: Any) -> Any:
        with torch.inference_mode():
            return getattr(model, method)(*map(self._native, arguments))

    def to_numpy(self, value: Any) -> np.ndarray:
        return _to_numpy(value)

    def _native(self, value: Any) -> Any:
        return self._tensor(value) if isinstance(value, np.ndarray) else value

    def run_tapped(
        self, model: nn.Module, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Arrays, list[Tap]]:
        # Kept as copies: an activation may change its argument in place.
        recorder = TapRecorder(torch.is_tensor, keep=_to_numpy, to_numpy=np.asarray)
        hooks = []
        for name, module in model.named_modules():
            hooks += [
                module.register_forward_pre_hook(
                    lambda _m, args, name=name: recorder.enter(name, args)
                ),
                module.register_forward_hook(
                    lambda _m, _args, result, name=name: recorder.leave(name, result)
                ),
            ]
        try:
            outputs = self.run(model, inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return outputs, recorder.taps()

    def gradients(
        self,
        model: nn.Module,
        inputs: Mapping[str, np.ndarray],
        objective: Mapping[str, np.ndarray],
    ) -> Gradients:
        values = self._arguments(model.spec, inputs)
        sources = {
            name: value.requires_grad_()
            for name, value in zip(model.spec.inputs, values, strict=False)
            if value is not None and value.is_floating_point()
        }
        parameters = dict(model.named_parameters())
        with self._precision(model):
            outputs = name_outputs(model.spec, model(*values))
        loss = sum(
            (outputs[name] * self._tensor(probe)).mean() for name, probe in objective.items()
        )
        wanted = [*sources.values(), *parameters.values()]
        found = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
        arrays = [_to_numpy(gradient) for gradient in found]
        return Gradients(
            inputs=dict(zip(sources, arrays[: len(sources)], strict=True)),
            parameters=dict(zip(parameters, arrays[len(sources) :], strict=True)),
        )

    def trainer(self, model: nn.Module, spec: Spec, *, learning_rate: float) -> TorchTrainer:
        return TorchTrainer(self, model, spec, learning_rate)

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

    def _precision(self, model: nn.Module) -> contextlib.AbstractContextManager[Any]:
        """Matrix products and convolutions at the precision a network was built for."""
        if model.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, model.precision))

    def _tensor(self, array: np.ndarray) -> Tensor:
        # In the caller's memory where that can be: networks do not write to their inputs.
        tensor = torch.from_numpy(np.require(array, requirements="CW")).to(self.device)
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def _arguments(self, spec: Spec, inputs: Mapping[str, np.ndarray]) -> list[Tensor | None]:
        spec.check_inputs(inputs)
        return [None if value is None else self._tensor(value) for value in arguments(spec, inputs)]


class TorchTrainer:
    """Adam on the loss that a spec names."""

    def __init__(self, engine: TorchEngine, model: nn.Module, spec: Spec, learning_rate: float):
        self._engine = engine
        self._model = model.train()
        self._loss = getattr(losses, spec.require_loss())()
        self._optimizer = torch.optim.Adam(
            model.parameters(), lr=learning_rate, betas=_ADAM_BETAS, eps=_ADAM_EPS, weight_decay=0
        )

    @property
    def learning_rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def step(self, batch: Mapping[str, np.ndarray]) -> float:
        inputs = {name: array for name, array in batch.items() if name != "target"}
        with self._engine._precision(self._model):
            outputs = self._model(*self._engine._arguments(self._model.spec, inputs))
        named = name_outputs(self._model.spec, outputs)
        taken = [named[name] for name in self._model.spec.trained_outputs]
        loss = self._loss(*taken, self._engine._tensor(batch["target"]))
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()


def _checkpoint(model: nn.Module, spec: Spec) -> None:
    """In training, let the spec's repeated parts compute activations again for gradients.

    Random numbers, as of dropped paths, are drawn alike both times.
    """
    for part in _parts(model, spec.checkpointed_block):
        forward = part.forward

        def again(*values: Any, forward: Any = forward) -> Any:
            if not torch.is_grad_enabled():
                return forward(*values)
            return checkpoint(forward, *values, use_reentrant=False)

        part.forward = again


def _keep_precise(model: nn.Module, spec: Spec) -> None:
    """Leave the spec's precise parts in float32 under autocast: decisions must not flip."""
    for part in _parts(model, spec.float32_block):
        forward = part.forward

        def exactly(*values: Tensor, forward: Any = forward) -> Any:
            with torch.autocast(values[0].device.type, enabled=False):
                return forward(*[value.float() for value in values])

        part.forward = exactly


def _parts(model: nn.Module, name: str) -> list[nn.Module]:
    """All modules of a class in a network."""
    return [module for module in model.modules() if type(module).__name__ == name]


def devices() -> list[str]:
    """Devices that PyTorch can use here."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()


def _numpy_outputs(spec: Spec, result: Any) -> Arrays:
    """Outputs by name; what was computed at half precision becomes float32, which holds it."""
    return {
        name: _to_numpy(value.float() if value.dtype in _HALF else value)
        for name, value in name_outputs(spec, result).items()
    }


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
