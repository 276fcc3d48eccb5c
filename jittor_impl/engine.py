"""Jittor behind the suite's engine contract (`restoration/engine/contract.py`)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import jittor as jt
import numpy as np
from jittor import Var

from jittor_impl.arrays import to_arguments, to_numpy, to_outputs, to_tensor
from jittor_impl.training import JittorTrainer, set_training
from restoration.arrays import Arrays
from restoration.engine.calls import name_outputs
from restoration.engine.contract import Gradients, Network
from restoration.engine.execution import PLAIN, Execution, check_is_mindspores
from restoration.engine.state import check_state
from restoration.engine.taps import Tap, TapRecorder
from restoration.errors import UnavailableError
from restoration.models.spec import Spec
from restoration.training.settings import TrainerSettings


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

    def build(self, spec: Spec, execution: Execution = PLAIN) -> Network:
        _check_execution(execution)
        network = getattr(importlib.import_module(f"jittor_impl.{spec.module}"), spec.network)
        module = network(spec)
        set_training(module, False)
        return Network(module, spec, execution)

    def state(self, network: Network) -> Arrays:
        return {name: to_numpy(value) for name, value in network.module.state_dict().items()}

    def load(self, network: Network, state: Mapping[str, np.ndarray]) -> None:
        current = network.module.state_dict()
        shapes = {name: tuple(value.shape) for name, value in current.items()}
        check_state(shapes, state, network=network.spec.network)
        # Jittor's own loading says nothing about missing, unexpected or misshapen entries.
        for name, value in current.items():
            value.assign(jt.array(np.ascontiguousarray(state[name]).astype(str(value.dtype))))
        jt.sync_all(True)

    def run(
        self, network: Network, inputs: Mapping[str, np.ndarray], *, mode: str = "eager"
    ) -> Arrays:
        with jt.no_grad():
            result = network.module(*to_arguments(network.spec, inputs))
            return to_outputs(network.spec, result)

    def call(self, network: Network, method: str, *arguments: Any) -> Any:
        native = [
            to_tensor(value) if isinstance(value, np.ndarray) else value for value in arguments
        ]
        with jt.no_grad():
            return getattr(network.module, method)(*native)

    def to_numpy(self, value: Any) -> np.ndarray:
        return to_numpy(value)

    def run_tapped(
        self, network: Network, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Arrays, list[Tap]]:
        # Kept as they are: a copy in a hook would make Jittor compute, and compile, piece by piece.
        recorder = TapRecorder(
            lambda value: isinstance(value, Var), keep=lambda var: var, to_numpy=to_numpy
        )
        modules = network.module.named_modules()
        for name, module in modules:
            module.register_pre_forward_hook(lambda _m, args, name=name: recorder.enter(name, args))
            module.register_forward_hook(
                lambda _m, _args, result, name=name: recorder.leave(name, result)
            )
        try:
            outputs = self.run(network, inputs)
        finally:
            for _, module in modules:
                module.remove_pre_forward_hook()
                module.remove_forward_hook()
        return outputs, recorder.taps()

    def gradients(
        self,
        network: Network,
        inputs: Mapping[str, np.ndarray],
        cotangents: Mapping[str, np.ndarray],
    ) -> Gradients:
        spec = network.spec
        values = to_arguments(spec, inputs)
        sources = {
            name: value
            for name, value in zip(spec.inputs, values, strict=False)
            if value is not None and value.dtype.is_float()
        }
        parameters = dict(network.module.named_parameters())
        outputs = name_outputs(spec, network.module(*values))
        total = sum(
            (outputs[name] * to_tensor(cotangent)).mean() for name, cotangent in cotangents.items()
        )
        found = jt.grad(total, [*sources.values(), *parameters.values()])
        arrays = [to_numpy(gradient) for gradient in found]
        return Gradients(
            inputs=dict(zip(sources, arrays[: len(sources)], strict=True)),
            parameters=dict(zip(parameters, arrays[len(sources) :], strict=True)),
        )

    def trainer(self, network: Network, settings: TrainerSettings) -> JittorTrainer:
        return JittorTrainer(network, settings)

    def describe(self) -> dict[str, str]:
        return {
            "framework": f"Jittor {jt.__version__}",
            "device": self.device,
            "precision": "float32",
            "oneDNN": "2.2" if jt.mkl_ops is not None else "none: convolutions are slow",
        }


def devices() -> list[str]:
    """Devices that Jittor can use here."""
    return ["cpu", "cuda"] if jt.has_cuda else ["cpu"]


def _check_execution(execution: Execution) -> None:
    """Raise UnavailableError for what Jittor cannot do."""
    check_is_mindspores(execution, "Jittor")
    if execution.precision != "float32":
        raise UnavailableError(
            f"Jittor has no kernels for {execution.precision} on CPU; leave it at float32"
        )
    if execution.checkpointing:
        raise UnavailableError(
            "Jittor cannot compute activations again for gradients; train in PyTorch, "
            "or without checkpointing on smaller images"
        )


ENGINE = JittorEngine
