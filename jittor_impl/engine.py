"""Jittor behind the suite's engine contract (`restoration/engine/contract.py`)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import jittor as jt
import numpy as np
from jittor import Var, nn

from jittor_impl import losses
from restoration.engine.calls import arguments, name_outputs
from restoration.engine.contract import Arrays, Gradients
from restoration.engine.execution import PLAIN, Execution
from restoration.engine.state import check_state
from restoration.engine.taps import Tap, TapRecorder
from restoration.errors import UnavailableError
from restoration.models.spec import Spec

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPS = 1e-8


class JittorEngine:
    """The engine of the Jittor port, in float32. Jittor computes nothing before it is asked."""

    name = "jittor"
    modes = ("eager",)

    def __init__(self, *, device: str = "cpu"):
        """Raises UnavailableError when the device is not there, with a list of those that are."""
        if device not in devices():
            raise UnavailableError(
                f"Jittor {jt.__version__} cannot use {device!r} here: "
                f"it finds {', '.join(devices())}; choose one with --device, "
                "or install a CUDA toolkit whose nvcc Jittor can find"
            )
        self.device = device
        jt.flags.use_cuda = int(device == "cuda")

    def build(self, spec: Spec, execution: Execution = PLAIN) -> nn.Module:
        _check_execution(execution)
        network = getattr(importlib.import_module(f"jittor_impl.{spec.module}"), spec.network)
        model = network(spec)
        model.spec = spec
        _set_training(model, False)
        return model

    def state(self, model: nn.Module) -> Arrays:
        return {name: _to_numpy(value) for name, value in model.state_dict().items()}

    def load(self, model: nn.Module, state: Mapping[str, np.ndarray]) -> None:
        current = model.state_dict()
        shapes = {name: tuple(value.shape) for name, value in current.items()}
        check_state(shapes, state, network=model.spec.network)
        # Jittor's own loading says nothing about missing, unexpected or misshapen entries.
        for name, value in current.items():
            value.assign(jt.array(np.ascontiguousarray(state[name]).astype(str(value.dtype))))
        jt.sync_all(True)

    def run(
        self, model: nn.Module, inputs: Mapping[str, np.ndarray], *, mode: str = "eager"
    ) -> Arrays:
        with jt.no_grad():
            result = model(*self._arguments(model.spec, inputs))
            return _numpy_outputs(model.spec, result)

    def call(self, model: nn.Module, method: str, *arguments: Any) -> Any:
        with jt.no_grad():
            return getattr(model, method)(*map(self._native, arguments))

    def to_numpy(self, value: Any) -> np.ndarray:
        return _to_numpy(value)

    def _native(self, value: Any) -> Any:
        return jt.array(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value

    def run_tapped(
        self, model: nn.Module, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Arrays, list[Tap]]:
        # Kept as they are: a copy in a hook would make Jittor compute, and compile, piece by piece.
        recorder = TapRecorder(
            lambda value: isinstance(value, Var), keep=lambda var: var, to_numpy=_to_numpy
        )
        modules = model.named_modules()
        for name, module in modules:
            module.register_pre_forward_hook(lambda _m, args, name=name: recorder.enter(name, args))
            module.register_forward_hook(
                lambda _m, _args, result, name=name: recorder.leave(name, result)
            )
        try:
            outputs = self.run(model, inputs)
        finally:
            for _, module in modules:
                module.remove_pre_forward_hook()
                module.remove_forward_hook()
        return outputs, recorder.taps()

    def gradients(
        self,
        model: nn.Module,
        inputs: Mapping[str, np.ndarray],
        objective: Mapping[str, np.ndarray],
    ) -> Gradients:
        values = self._arguments(model.spec, inputs)
        sources = {
            name: value
            for name, value in zip(model.spec.inputs, values, strict=False)
            if value is not None and value.dtype.is_float()
        }
        parameters = dict(model.named_parameters())
        outputs = name_outputs(model.spec, model(*values))
        loss = sum((outputs[name] * jt.array(probe)).mean() for name, probe in objective.items())
        found = jt.grad(loss, [*sources.values(), *parameters.values()])
        arrays = [_to_numpy(gradient) for gradient in found]
        return Gradients(
            inputs=dict(zip(sources, arrays[: len(sources)], strict=True)),
            parameters=dict(zip(parameters, arrays[len(sources) :], strict=True)),
        )

    def trainer(self, model: nn.Module, spec: Spec, *, learning_rate: float) -> JittorTrainer:
        return JittorTrainer(self, model, spec, learning_rate)

    def describe(self) -> dict[str, str]:
        return {
            "framework": f"Jittor {jt.__version__}",
            "device": self.device,
            "precision": "float32",
            "oneDNN": "2.2" if jt.mkl_ops is not None else "none: convolutions are slow",
        }

    def _arguments(self, spec: Spec, inputs: Mapping[str, np.ndarray]) -> list[Var | None]:
        spec.check_inputs(inputs)
        return [
            None if value is None else jt.array(np.ascontiguousarray(value))
            for value in arguments(spec, inputs)
        ]


class JittorTrainer:
    """Adam on the loss that a spec names."""

    def __init__(self, engine: JittorEngine, model: nn.Module, spec: Spec, learning_rate: float):
        self._engine = engine
        self._model = model
        _set_training(model, True)
        self._loss = getattr(losses, spec.require_loss())()
        # Jittor's Adam adds eps before the bias correction; its AdamW does as the paper says.
        self._optimizer = jt.optim.AdamW(
            model.parameters(), lr=learning_rate, betas=_ADAM_BETAS, eps=_ADAM_EPS, weight_decay=0
        )

    @property
    def learning_rate(self) -> float:
        return float(self._optimizer.lr)

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._optimizer.lr = rate

    def step(self, batch: Mapping[str, np.ndarray]) -> float:
        inputs = {name: array for name, array in batch.items() if name != "target"}
        outputs = self._model(*self._engine._arguments(self._model.spec, inputs))
        named = name_outputs(self._model.spec, outputs)
        taken = [named[name] for name in self._model.spec.trained_outputs]
        loss = self._loss(*taken, jt.array(batch["target"]))
        self._optimizer.step(loss)
        jt.sync_all(True)  # unsynchronised updates would fuse into one ever larger kernel
        return float(loss.numpy()[0])


def devices() -> list[str]:
    """Devices that Jittor can use here."""
    return ["cpu", "cuda"] if jt.has_cuda else ["cpu"]


def _check_execution(execution: Execution) -> None:
    """Raise UnavailableError for what Jittor cannot do."""
    if execution.precision != "float32":
        raise UnavailableError(
            f"Jittor has no kernels for {execution.precision} on CPU; leave it at float32"
        )
    if execution.checkpointing:
        raise UnavailableError(
            "Jittor cannot compute activations again for gradients; train in PyTorch, "
            "or without checkpointing on smaller images"
        )


def _set_training(model: nn.Module, training: bool) -> None:
    """Switch modules like dropout. Jittor's own eval() would also stop all gradients."""
    for module in model.modules():
        module.is_train = training


def _to_numpy(var: Var) -> np.ndarray:
    return var.numpy().copy()


def _numpy_outputs(spec: Spec, result: Any) -> Arrays:
    return {name: _to_numpy(value) for name, value in name_outputs(spec, result).items()}


ENGINE = JittorEngine
