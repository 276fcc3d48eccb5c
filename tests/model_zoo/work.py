"""What tests have MindSpore itself do."""

from __future__ import annotations

import contextlib
import io
from typing import Any
from unittest import mock

import mindspore as ms
import numpy as np
from mindspore.train import LossMonitor, RunContext, TimeMonitor

from mindspore_impl import engine
from restoration.engine.execution import Execution
from restoration.models import registry


def load(path: str) -> dict[str, np.ndarray]:
    """A file as `mindspore.load_checkpoint` reads it."""
    return {name: value.asnumpy() for name, value in ms.load_checkpoint(path).items()}


def save_training_state(source: str, target: str) -> None:
    """The weights of a file with what Adam keeps of each, as `ModelCheckpoint` writes it."""
    weights = ms.load_checkpoint(source)
    entries = [{"name": name, "data": value} for name, value in weights.items()]
    entries += [
        {"name": f"{kind}.{name}", "data": ms.Tensor(0.5 * value.asnumpy())}
        for kind in ("moment1", "moment2")
        for name, value in weights.items()
    ]
    entries += [
        {"name": name, "data": ms.Tensor(number)}
        for name, number in (
            ("global_step", np.array([7], np.int32)),
            ("learning_rate", np.array([1e-4], np.float32)),
            ("beta1_power", np.array(0.5, np.float32)),
            ("beta2_power", np.array(0.5, np.float32)),
        )
    ]
    ms.save_checkpoint(entries, target)


def monitor_lines(epoch: int, steps: int, loss: float) -> list[str]:
    """What MindSpore's own monitors print at the end of an epoch of so many steps."""
    known = {
        "mode": "train",
        "batch_num": steps,
        "cur_epoch_num": epoch,
        "cur_step_num": epoch * steps,
        "dataset_sink_mode": False,
        "net_outputs": ms.Tensor(loss, ms.float32),
    }
    context = RunContext(_Params(known))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        timer = TimeMonitor()
        timer.epoch_begin(context)
        LossMonitor(steps).step_end(context)
        timer.epoch_end(context)
    return said.getvalue().splitlines()


class _Params(dict[str, Any]):
    """What callbacks read, as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def graph_calls(pixels: np.ndarray) -> tuple[list[str], dict[str, np.ndarray], dict[str, Any]]:
    """What is compiled as a network of Graph mode runs twice and is tapped; its outputs, and those
    of PyNative mode."""
    spec = registry.find("mimo_unet").spec("tiny")
    inputs = {"image": pixels}
    made = engine.ENGINE()
    plain, graph = made.build(spec), made.build(spec, Execution(is_graph=True))
    made.load(graph, made.state(plain))
    compiled: list[str] = []
    jit = ms.jit

    def noted(module: ms.nn.Cell) -> Any:
        compiled.append(type(module).__name__)
        return jit(module)

    with mock.patch.object(ms, "jit", noted):
        found = made.run(graph, inputs)
        _, taps = made.run_tapped(graph, inputs)
    assert len(taps) > 50
    return compiled, found, made.run(plain, inputs)
