"""MindSpore behind the suite's engine contract (`restoration/engine/contract.py`)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import yaml
from mindspore import Tensor, nn, ops
from mindspore.experimental import optim

from mindspore_impl import compiled, losses
from restoration.engine.calls import arguments, name_outputs
from restoration.engine.contract import Arrays, Gradients
from restoration.engine.execution import PLAIN, Execution
from restoration.engine.state import check_state
from restoration.engine.taps import Tap, TapRecorder
from restoration.errors import UnavailableError
from restoration.models.spec import Spec

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPS = 1e-8
_CONFIGS = {"cpu": "cpu_config", "cuda": "gpu_config", "ascend": "ascend_config"}


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
        ms.set_device(self._config["device_target"])
        if device == "ascend":
            ms.device_context.ascend.op_precision.conv_allow_hf32(self._config["allow_hf32"])
            ms.device_context.ascend.op_precision.matmul_allow_hf32(self._config["allow_hf32"])

    def build(self, spec: Spec, execution: Execution = PLAIN) -> nn.Cell:
        _check_execution(execution)
        network = getattr(importlib.import_module(f"mindspore_impl.{spec.module}"), spec.network)
        model = network(spec)
        model.spec = spec
        if self._config["amp_level"] != "O0":
            model = ms.amp.auto_mixed_precision(model, self._config["amp_level"])
        if execution.precision != "float32":
            _lower_precision(model, spec.float32_block, getattr(ms, execution.precision))
        return model.set_train(False)

    def state(self, model: nn.Cell) -> Arrays:
        return {name: _to_numpy(value) for name, value in model.parameters_and_names()}

    def load(self, model: nn.Cell, state: Mapping[str, np.ndarray]) -> None:
        current = dict(model.parameters_and_names())
        shapes = {name: tuple(value.shape) for name, value in current.items()}
        check_state(shapes, state, network=model.spec.network)
        # MindSpore's own loading says nothing about missing or unexpected entries.
        for name, value in current.items():
            value.set_data(Tensor(np.ascontiguousarray(state[name]), dtype=value.dtype))

    def run(
        self, model: nn.Cell, inputs: Mapping[str, np.ndarray], *, mode: str = "eager"
    ) -> Arrays:
        values = self._arguments(model.spec, inputs)
        if mode == "eager":
            return _numpy_outputs(model.spec, model(*values))
        with compiled.composed():
            return _numpy_outputs(model.spec, ms.jit(model)(*values))

    def call(self, model: nn.Cell, method: str, *arguments: Any) -> Any:
        return getattr(model, method)(*map(self._native, arguments))

    def to_numpy(self, value: Any) -> np.ndarray:
        return _to_numpy(value)

    def _native(self, value: Any) -> Any:
        return _to_tensor(value) if isinstance(value, np.ndarray) else value

    def run_tapped(
        self, model: nn.Cell, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Arrays, list[Tap]]:
        recorder = TapRecorder(
            lambda value: isinstance(value, Tensor), keep=_to_numpy, to_numpy=np.asarray
        )
        hooks = []
        for name, cell in model.cells_and_names():
            hooks += [
                cell.register_forward_pre_hook(
                    lambda _c, args, name=name: recorder.enter(name, args)
                ),
                cell.register_forward_hook(
                    lambda _c, _args, result, name=name: recorder.leave(name, result)
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
        model: nn.Cell,
        inputs: Mapping[str, np.ndarray],
        objective: Mapping[str, np.ndarray],
    ) -> Gradients:
        values = self._arguments(model.spec, inputs)
        places = [
            place
            for place, value in enumerate(values)
            if value is not None and value.is_floating_point()
        ]
        parameters = dict(model.parameters_and_names())
        probes = {name: _to_tensor(probe) for name, probe in objective.items()}

        def loss(*values: Tensor) -> Tensor:
            outputs = name_outputs(model.spec, model(*values))
            return sum((outputs[name] * probe).mean() for name, probe in probes.items())

        weights = ms.ParameterTuple(parameters.values())
        by_input, by_weight = ms.grad(loss, grad_position=tuple(places), weights=weights)(*values)
        names = [model.spec.inputs[place] for place in places]
        return Gradients(
            inputs=_named_arrays(names, by_input),
            parameters=_named_arrays(list(parameters), by_weight),
        )

    def trainer(self, model: nn.Cell, spec: Spec, *, learning_rate: float) -> MindSporeTrainer:
        return MindSporeTrainer(self, model, spec, learning_rate)

    def describe(self) -> dict[str, str]:
        level = self._config["amp_level"]
        return {
            "framework": f"MindSpore {ms.__version__}",
            "device": self.device,
            "precision": "float32" if level == "O0" else f"mixed ({level})",
            "kernels": "compiled" if compiled.operators else "composed",
        }

    def _arguments(self, spec: Spec, inputs: Mapping[str, np.ndarray]) -> list[Tensor | None]:
        spec.check_inputs(inputs)
        return [None if value is None else _to_tensor(value) for value in arguments(spec, inputs)]


class MindSporeTrainer:
    """Adam on the loss that a spec names."""

    def __init__(self, engine: MindSporeEngine, model: nn.Cell, spec: Spec, learning_rate: float):
        self._engine = engine
        self._model = model.set_train(True)
        loss = getattr(losses, spec.require_loss())()
        # MindSpore's nn.Adam adds eps before the bias correction; this one does as the paper says.
        self._optimizer = optim.AdamW(
            model.trainable_params(),
            lr=learning_rate,
            betas=_ADAM_BETAS,
            eps=_ADAM_EPS,
            weight_decay=0.0,
        )

        def objective(values: tuple[Tensor, ...], target: Tensor) -> Tensor:
            outputs = name_outputs(model.spec, model(*values))
            return loss(*(outputs[name] for name in model.spec.trained_outputs), target)

        self._value_and_grad = ms.value_and_grad(
            objective, grad_position=None, weights=self._optimizer.parameters
        )

    @property
    def learning_rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"].asnumpy())

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            ops.assign(group["lr"], Tensor(rate, group["lr"].dtype))

    def step(self, batch: Mapping[str, np.ndarray]) -> float:
        inputs = {name: array for name, array in batch.items() if name != "target"}
        values = tuple(self._engine._arguments(self._model.spec, inputs))
        loss, gradients = self._value_and_grad(values, _to_tensor(batch["target"]))
        self._optimizer(gradients)
        return float(loss.asnumpy()[0])


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


def read_config(device: str) -> dict[str, Any]:
    """The values of a device's file in `configs`."""
    path = Path(__file__).parent / "configs" / f"{_CONFIGS[device]}.yaml"
    return yaml.safe_load(path.read_text())


def devices() -> list[str]:
    """Devices that MindSpore can use here."""
    return [device for device in _CONFIGS if _is_available(read_config(device)["device_target"])]


def _is_available(target: str) -> bool:
    try:
        return bool(ms.hal.is_available(target))
    except (ValueError, RuntimeError):
        return False  # this build of MindSpore does not know the device


def _to_tensor(array: np.ndarray) -> Tensor:
    """An array on the device; MindSpore would keep float64, and refuse to mix it with float32."""
    array = np.ascontiguousarray(array)
    return Tensor(array.astype(np.float32) if array.dtype == np.float64 else array)


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.asnumpy().copy()


def _named_arrays(names: list[str], values: Any) -> Arrays:
    values = values if isinstance(values, tuple | list) else (values,)
    return {name: _to_numpy(value) for name, value in zip(names, values, strict=True)}


def _numpy_outputs(spec: Spec, result: Any) -> Arrays:
    """Outputs by name; what was computed at half precision becomes float32, which holds it."""
    return {
        name: _to_numpy(value.astype(ms.float32) if value.dtype == ms.float16 else value)
        for name, value in name_outputs(spec, result).items()
    }


ENGINE = MindSporeEngine
