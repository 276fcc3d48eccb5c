"""MindSpore behind the suite's engine contract (`restoration/engine/contract.py`)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from mindspore_impl import compiled
from mindspore_impl.arrays import name_gradients, to_arguments, to_numpy, to_outputs, to_tensor
from mindspore_impl.config import FILES, read_config
from mindspore_impl.training import MindSporeTrainer
from restoration.arrays import Arrays
from restoration.engine.calls import name_outputs
from restoration.engine.contract import Gradients, Network
from restoration.engine.execution import PLAIN, Execution
from restoration.engine.state import check_state
from restoration.engine.taps import Tap, TapRecorder
from restoration.errors import UnavailableError
from restoration.models.spec import Spec
from restoration.training.settings import TrainerSettings


class MindSporeEngine:
    """The engine of the MindSpore port, in float32: PyNative mode, and Graph mode on request.

    What a device needs stands in `configs/*.yaml`.
    """

    name = "mindspore"
    modes = ("eager", "graph")

    def __init__(self, *, device: str = "cpu"):
        """Raises UnavailableError when the device is not there, with a list of those that are."""
        if device not in devices():
            raise UnavailableError(
                f"MindSpore {ms.__version__} cannot use {device!r} here: "
                f"it finds {', '.join(devices())}; choose one with --device, "
                "or install the build of MindSpore for that device"
            )
        self.device = device
        self._config = read_config(device)
        if ms.get_context("device_target") != self._config["device_target"]:
            ms.set_device(self._config["device_target"])
        if device == "ascend":
            ms.device_context.ascend.op_precision.conv_allow_hf32(self._config["allow_hf32"])
            ms.device_context.ascend.op_precision.matmul_allow_hf32(self._config["allow_hf32"])

    def build(self, spec: Spec, execution: Execution = PLAIN) -> Network:
        _check_execution(execution)
        network = getattr(importlib.import_module(f"mindspore_impl.{spec.module}"), spec.network)
        module = network(spec)
        if execution.is_whole:
            module.to_float(getattr(ms, execution.precision))  # O3, without its wrapper
        elif execution.precision != "float32":
            _lower_precision(module, spec.float32_block, getattr(ms, execution.precision))
        return Network(module.set_train(False), spec, execution)

    def state(self, network: Network) -> Arrays:
        return {name: to_numpy(value) for name, value in network.module.parameters_and_names()}

    def load(self, network: Network, state: Mapping[str, np.ndarray]) -> None:
        current = dict(network.module.parameters_and_names())
        shapes = {name: tuple(value.shape) for name, value in current.items()}
        check_state(shapes, state, network=network.spec.network)
        # MindSpore's own loading says nothing about missing or unexpected entries.
        for name, value in current.items():
            value.set_data(Tensor(np.ascontiguousarray(state[name]), dtype=value.dtype))

    def run(
        self, network: Network, inputs: Mapping[str, np.ndarray], *, mode: str = "eager"
    ) -> Arrays:
        values = to_arguments(network.spec, inputs)
        if mode == "eager" and not network.execution.is_graph:
            return to_outputs(network.spec, network.module(*values))
        with compiled.composed():
            return to_outputs(network.spec, ms.jit(network.module)(*values))

    def call(self, network: Network, method: str, *arguments: Any) -> Any:
        native = [
            to_tensor(value) if isinstance(value, np.ndarray) else value for value in arguments
        ]
        return getattr(network.module, method)(*native)

    def to_numpy(self, value: Any) -> np.ndarray:
        return to_numpy(value)

    def run_tapped(
        self, network: Network, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Arrays, list[Tap]]:
        recorder = TapRecorder(
            lambda value: isinstance(value, Tensor), keep=to_numpy, to_numpy=np.asarray
        )
        hooks = []
        for name, cell in network.module.cells_and_names():
            hooks += [
                cell.register_forward_pre_hook(
                    lambda _c, args, name=name: recorder.enter(name, args)
                ),
                cell.register_forward_hook(
                    lambda _c, _args, result, name=name: recorder.leave(name, result)
                ),
            ]
        try:
            values = to_arguments(network.spec, inputs)  # hooks are not called in Graph mode
            outputs = to_outputs(network.spec, network.module(*values))
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
        spec, module = network.spec, network.module
        values = to_arguments(spec, inputs)
        places = [
            place
            for place, value in enumerate(values)
            if value is not None and value.is_floating_point()
        ]
        parameters = dict(module.parameters_and_names())
        factors = {name: to_tensor(cotangent) for name, cotangent in cotangents.items()}

        def total(*values: Tensor) -> Tensor:
            outputs = name_outputs(spec, module(*values))
            return sum((outputs[name] * factor).mean() for name, factor in factors.items())

        weights = ms.ParameterTuple(parameters.values())
        by_input, by_weight = ms.grad(total, grad_position=tuple(places), weights=weights)(*values)
        return Gradients(
            inputs=name_gradients([spec.inputs[place] for place in places], by_input),
            parameters=name_gradients(list(parameters), by_weight),
        )

    def trainer(self, network: Network, settings: TrainerSettings) -> MindSporeTrainer:
        return MindSporeTrainer(network, settings)

    def describe(self) -> dict[str, str]:
        return {
            "framework": f"MindSpore {ms.__version__}",
            "device": self.device,
            "precision": "float32",
            "kernels": "compiled" if compiled.operators else "composed",
        }


def _lower_precision(cell: nn.Cell, precise: str, precision: Any) -> None:
    """Let layers compute at another precision, all but those in parts of the class `precise`."""
    for child in cell.cells():
        if isinstance(child, nn.Conv2d | nn.Conv2dTranspose | nn.Dense):
            ms.amp.auto_mixed_precision(child, "auto", dtype=precision)
        elif type(child).__name__ != precise:
            _lower_precision(child, precise, precision)


def _check_execution(execution: Execution) -> None:
    """Raise UnavailableError for what MindSpore cannot do here."""
    if execution.precision == "bfloat16":
        raise UnavailableError(
            "MindSpore has hardly any kernels for bfloat16 on CPU; choose the precision float16"
        )
    if execution.checkpointing:
        raise UnavailableError(
            "MindSpore computes activations again only in Graph mode, which training here does not "
            "use; train in PyTorch, or without checkpointing on smaller images"
        )


def devices() -> list[str]:
    """Devices that MindSpore can use here."""
    return [device for device in FILES if _is_available(read_config(device)["device_target"])]


def _is_available(target: str) -> bool:
    try:
        return bool(ms.hal.is_available(target))
    except (ValueError, RuntimeError):
        return False  # this build of MindSpore does not know the device


ENGINE = MindSporeEngine
