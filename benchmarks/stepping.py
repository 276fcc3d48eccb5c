"""One measurement of training steps in one framework, in the process that it was started in.

The trainer's step beside the bare loop that the framework's users write: forward, loss, backward,
Adam's step, on the same network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from restoration.models.registry import MODELS
from restoration.process import memory
from restoration.process.serve import Session
from restoration.training.settings import LossSettings, OptimizerSettings, TrainerSettings

RATE = 1e-4
REPEATS = 8


def measure_steps(session: Session, *, spec_name: str, side_px: int) -> dict[str, float]:
    """CPU seconds of a step of MIMO-UNet and of the bare loop's, in turns, and the peak memory."""
    engine = session.make_engine()
    spec = MODELS["mimo_unet"].spec(spec_name)
    rng = np.random.default_rng(0)
    shape = (1, 3, side_px, side_px)
    batch = {"image": rng.random(shape, np.float32), "target": rng.random(shape, np.float32)}
    optimizer = OptimizerSettings(learning_rate=RATE)
    settings = TrainerSettings(loss=LossSettings(name="MultiScaleLoss"), optimizer=optimizer)
    trainer = engine.trainer(engine.build(spec), settings)
    memory.reset_peak()
    for _ in range(2):  # the second has moments
        trainer.step([batch])
    peak_mb = memory.peak_mb()
    bare = _BARE[engine.name](engine.build(spec).module, spec, batch)
    runs: dict[str, Callable[[], object]] = {
        "step_s": lambda: trainer.step([batch]),
        "bare_s": bare,
    }
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
        run()
    for number in range(REPEATS):
        session.report(f"round {number + 1} of {REPEATS}")
        for name, run in runs.items():
            before = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - before)
    return best | {"peak_mb": peak_mb}


def _bare_torch(module: Any, spec: Any, batch: dict[str, np.ndarray]) -> Callable[[], object]:
    import torch

    from torch_impl.losses import MultiScaleLoss

    module.train()
    loss_of = MultiScaleLoss(spec)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}

    def step() -> float:
        optimizer.zero_grad()
        outputs = dict(zip(spec.outputs, module(tensors["image"]), strict=True))
        loss = loss_of(outputs, tensors)["loss"]
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def _bare_jittor(module: Any, spec: Any, batch: dict[str, np.ndarray]) -> Callable[[], object]:
    import jittor as jt

    from jittor_impl.losses import MultiScaleLoss
    from jittor_impl.training import set_training

    set_training(module, True)
    loss_of = MultiScaleLoss(spec)
    optimizer = jt.optim.Adam(module.parameters(), lr=RATE)
    tensors = {name: jt.array(array) for name, array in batch.items()}

    def step() -> float:
        outputs = dict(zip(spec.outputs, module(tensors["image"]), strict=True))
        loss = loss_of(outputs, tensors)["loss"]
        optimizer.step(loss)
        jt.sync_all(True)
        return float(loss.numpy()[0])

    return step


def _bare_mindspore(module: Any, spec: Any, batch: dict[str, np.ndarray]) -> Callable[[], object]:
    import mindspore as ms

    from mindspore_impl.losses import MultiScaleLoss

    module.set_train(True)
    loss_of = MultiScaleLoss(spec)
    for name, parameter in module.parameters_and_names():
        parameter.name = name
    optimizer = ms.nn.Adam(module.trainable_params(), learning_rate=RATE)
    tensors = {name: ms.Tensor(array) for name, array in batch.items()}

    def forward(image: Any) -> Any:
        outputs = dict(zip(spec.outputs, module(image), strict=True))
        return loss_of(outputs, tensors)["loss"]

    differentiated = ms.value_and_grad(forward, None, weights=optimizer.parameters)

    def step() -> float:
        loss, gradients = differentiated(tensors["image"])
        optimizer(gradients)
        return float(loss.asnumpy()[0])

    return step


_BARE = {"torch": _bare_torch, "jittor": _bare_jittor, "mindspore": _bare_mindspore}
