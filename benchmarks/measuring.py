"""One measurement of one model in one framework, in the process that it was started in.

The CPU seconds of a forward pass, of it with the backward pass, and the peak memory. The unit, by
which figures of different machines can be compared, is measured in plain PyTorch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from jobs import JOBS, Job

from restoration.data import sample_inputs
from restoration.engine.execution import LOW_MEMORY, PLAIN
from restoration.models import continuous
from restoration.models.registry import MODELS
from restoration.process import memory
from restoration.process.serve import Session

LARGEST_TRAINED_PX = 256 * 256
"""Largest result whose gradients are measured: they keep all that the network computed."""


def measure(session: Session, *, job_name: str) -> dict[str, float]:
    """CPU seconds and peak memory of a job in the framework of this process."""
    job, engine = JOBS[job_name], session.make_engine()
    spec = MODELS[job.model].spec(job.spec)
    execution = LOW_MEMORY.get(engine.name, PLAIN) if job.low_memory else PLAIN
    network = engine.build(spec, execution)
    inputs = make_inputs(job, spec)
    memory.reset_peak()
    outputs = engine.run(network, inputs)
    figures: dict[str, float] = {
        "forward_s": best_cpu_s(lambda: engine.run(network, inputs)),
        "peak_mb": memory.peak_mb(),
    }
    if job.size_px[0] * job.size_px[1] <= LARGEST_TRAINED_PX:
        both = best_cpu_s(lambda: engine.gradients(network, inputs, outputs), repeats=2)
        figures["both_s"] = both
    return figures


def measure_unit(_session: Session) -> dict[str, float]:
    """CPU seconds of the unit in PyTorch as it comes, as the authors' times were measured: in a
    process that our runtime has set up it takes up to a fifth less."""
    import torch

    layers = [torch.nn.Conv2d(64, 64, 3, padding=1) for _ in range(16)]
    unit = torch.nn.Sequential(*layers)
    features = torch.rand(1, 64, 256, 256)
    with torch.inference_mode():
        return {"forward_s": best_cpu_s(lambda: unit(features))}


def make_inputs(job: Job, spec: Any) -> dict[str, np.ndarray]:
    """The inputs of a job's network."""
    height, width = job.size_px
    rng = np.random.default_rng(0)
    if job.scale:
        image = rng.uniform(-1, 1, (1, 3, height // job.scale, width // job.scale))
        return continuous.enlarge(spec, image.astype(np.float32), height=height, width=width)
    inputs = sample_inputs.build(
        MODELS[job.model], spec, height_px=height, width_px=width, names=("astronaut",), seed=0
    )
    if job.kernels:  # as kernel prediction gives them
        kernels = rng.random((1, job.kernels, 33, 33), np.float32)
        masks = rng.random((1, job.kernels, height, width), np.float32)
        inputs["kernels"] = kernels / kernels.sum((2, 3), keepdims=True)
        inputs["masks"] = masks / masks.sum(1, keepdims=True)
    if job.kept_windows is not None:  # wherever they are
        chosen = rng.random((1, spec.decided_windows(height, width))) < job.kept_windows
        inputs["decisions"] = chosen.astype(np.int32)
    return inputs


def best_cpu_s(run: Callable[[], object], *, repeats: int = 3) -> float:
    """The least CPU time of some runs after a first one. The engines' results are NumPy arrays, so
    nothing is left to be computed when a run returns."""
    run()
    times = []
    for _ in range(repeats):
        before = time.process_time()
        run()
        times.append(time.process_time() - before)
    return min(times)


def measure_plain(session: Session, *, spec_name: str, side_px: int) -> dict[str, float]:
    """CPU and wall seconds, and the peak memory, of MIMO-UNet's forward and backward pass."""
    engine = session.make_engine()
    spec = MODELS["mimo_unet"].spec(spec_name)
    network = engine.build(spec)
    rng = np.random.default_rng(0)
    inputs = {"image": rng.random((1, 3, side_px, side_px), np.float32)}
    outputs = engine.run(network, inputs)
    memory.reset_peak()
    engine.gradients(network, inputs, outputs)
    wall, before = time.monotonic(), time.process_time()
    engine.gradients(network, inputs, outputs)
    return {
        "cpu_s": time.process_time() - before,
        "wall_s": time.monotonic() - wall,
        "peak_mb": memory.peak_mb(),
    }
