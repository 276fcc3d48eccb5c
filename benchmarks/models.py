"""Seconds and memory of every model in every framework: `python benchmarks/models.py [MODEL ...]`.

One thread, float32, published size; CPU seconds, best of several. The unit, measured in the same
run, is the CPU time of sixteen 3x3 convolutions 64 -> 64 on (1, 64, 256, 256) in plain PyTorch, so
that figures of different machines can be compared; `limit` is a model's multiply-adds over the
unit's. Each figure comes from a process of its own, and they take turns, so that a busy machine
slows all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from restoration.data import sample_inputs  # noqa: E402
from restoration.engine.execution import LOW_MEMORY, PLAIN, Execution  # noqa: E402
from restoration.models import continuous  # noqa: E402
from restoration.models.lmd_vit import LMDViTSpec  # noqa: E402
from restoration.models.registry import MODELS  # noqa: E402
from restoration.models.spec import Spec  # noqa: E402
from restoration.process import memory  # noqa: E402
from restoration.process.frameworks import FRAMEWORKS, REFERENCE  # noqa: E402
from restoration.process.launch import Process, Worker  # noqa: E402
from restoration.process.serve import Session  # noqa: E402

UNIT = "unit"
UNIT_GMAC = 38.65
CONVOLUTION = {"jittor": 1.5, "mindspore": 2.0}
ATTENTION = {"jittor": 3.0, "mindspore": 3.0}
"""What a port may take at most, in times of our PyTorch."""
LARGEST_TRAINED_PX = 256 * 256
"""Largest result whose gradients are measured: they keep all that the network computed."""

Inputs = dict[str, np.ndarray]


def kept(share: float) -> Callable[[Spec, Inputs], Inputs]:
    """Let LMD-ViT keep a share of its windows, wherever they are."""

    def add(spec: Spec, inputs: Inputs) -> Inputs:
        assert isinstance(spec, LMDViTSpec)
        windows = spec.decided_windows(*inputs["image"].shape[2:])
        chosen = np.random.default_rng(0).random((1, windows)) < share
        return inputs | {"decisions": chosen.astype(np.int32)}

    return add


def many_kernels(_spec: Spec, inputs: Inputs) -> Inputs:
    """The kernels and masks that kernel prediction gives: 25 of 33x33."""
    rng = np.random.default_rng(0)
    kernels = rng.random((1, 25, 33, 33), np.float32)
    masks = rng.random((1, 25, *inputs["image"].shape[2:]), np.float32)
    return inputs | {
        "kernels": kernels / kernels.sum((2, 3), keepdims=True),
        "masks": masks / masks.sum(1, keepdims=True),
    }


@dataclass(frozen=True)
class Job:
    """What is measured of a model: its input, multiply-adds, and what the authors' code takes.

    size_px is that of the result where the network enlarges, by `scale`. authors and at_most are in
    units; authors_mb is the authors' peak memory; 0 where unknown. ports: limits of the ports.
    executions: modes by framework. change: makes the inputs from the model's example.
    """

    model: str
    size_px: tuple[int, int]
    gmac: float
    authors: float
    authors_mb: int
    at_most: float
    ports: Mapping[str, float] = field(default_factory=lambda: CONVOLUTION)
    spec: str = "published"
    executions: Mapping[str, Execution] = field(default_factory=dict)
    change: Callable[[Spec, Inputs], Inputs] = lambda spec, inputs: inputs
    scale: int = 0


# LMD-ViT's multiply-adds were counted in our network with every window kept, and none.
_LMD_ALL, _LMD_NONE = 93.1, 9.8
JOBS = {
    "mimo_unet": Job("mimo_unet", (256, 256), 63.7, 1.57, 475, 1.5),
    "mimo_unet_plus": Job("mimo_unet_plus", (256, 256), 150.7, 3.51, 507, 3.4),
    "kernel_prediction": Job("kernel_prediction", (256, 256), 52.1, 1.46, 793, 1.4),
    "nimbusr": Job("nimbusr", (128, 128), 184.1, 6.5, 452, 4.0, change=many_kernels),
    "lmd_vit": Job("lmd_vit", (256, 256), _LMD_ALL, 4.5, 1072, 2.2, ATTENTION, change=kept(1.0)),
    "lmd_vit-low": Job(
        "lmd_vit", (256, 256), 4.9, 0, 0, 0, ATTENTION, "low_memory", LOW_MEMORY, kept(1.0)
    ),
    **{
        f"lmd_vit-{percent}%": Job(
            "lmd_vit",
            (256, 256),
            _LMD_NONE + percent / 100 * (_LMD_ALL - _LMD_NONE),
            0,
            0,
            0,
            ATTENTION,
            change=kept(percent / 100),
        )
        for percent in (90, 50, 0)
    },
    "self_blind_vsr": Job("self_blind_vsr", (64, 64), 71.0, 1.73, 498, 1.5),
    "phaseformer": Job("phaseformer", (256, 256), 13.9, 5.2, 759, 2.6, ATTENTION),
    "spectroformer": Job("spectroformer", (256, 256), 18.7, 3.8, 690, 1.9, ATTENTION),
    "lm_liif": Job("lm_liif", (192, 192), 3.43, 0.19, 371, 0.15, scale=4),
    "lm_lte": Job("lm_lte", (192, 192), 3.73, 0.25, 400, 0.18, scale=4),
    "lm_ciaosr": Job("lm_ciaosr", (192, 192), 10.3, 0.48, 366, 0.40, scale=4),
    "liif": Job("liif", (192, 192), 53.8, 3.1, 517, 2.3, scale=4),
    "lte": Job("lte", (192, 192), 32.6, 2.7, 505, 2.0, scale=4),
    "ciaosr": Job("ciaosr", (192, 192), 169.9, 8.1, 975, 6.5, scale=4),
    "lm_liif_320x180": Job("lm_liif", (720, 1280), 85.7, 11.6, 1712, 5.0, scale=4),
    "lm_lte_320x180": Job("lm_lte", (720, 1280), 93.4, 15.9, 1567, 6.0, scale=4),
}


def main() -> int:
    """Measure, print the table, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"default: {', '.join(JOBS)}")
    parser.add_argument("--rounds", type=int, default=3, help="processes per figure (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    unknown = [model for model in options.models if model not in JOBS]
    if unknown:
        parser.error(f"no benchmark of {', '.join(unknown)}; there are {', '.join(JOBS)}")
    if hasattr(os, "sched_setaffinity"):  # of the processes to come, too, with all their threads
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    figures = {model: collect(model, options.rounds) for model in (options.models or list(JOBS))}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return report(figures)


def collect(model: str, rounds: int) -> dict[str, dict[str, float]]:
    """The best figures of a model by framework, and the unit's as if it were one."""
    best: dict[str, dict[str, float]] = {}
    for number in range(rounds):
        for framework in (UNIT, *FRAMEWORKS):
            print(f"{model}, {framework}, round {number + 1} of {rounds}", file=sys.stderr)
            found = unit_alone() if framework == UNIT else measured(framework, model)
            known = best.setdefault(framework, found)
            best[framework] = {key: min(known[key], found[key]) for key in found}
    return best


def measured(framework: str, model: str) -> dict[str, float]:
    """A model's figures in a framework, from a process of its own."""
    with _process(framework, FRAMEWORKS[framework].package) as process:
        return process.call("benchmarks.models:measure", {"job_name": model})


def unit_alone() -> dict[str, float]:
    """The unit's figures, from a process of its own that no runtime has set up."""
    with _process(UNIT, package="") as process:
        return process.call("benchmarks.models:measure_unit")


def _process(name: str, package: str) -> Process:
    worker = Worker(name, package, path=[str(ROOT)], environment={"OMP_NUM_THREADS": "1"})
    return Process(worker, warn=lambda text: print(text, file=sys.stderr))


def report(figures: dict[str, dict[str, dict[str, float]]]) -> int:
    """Print the table; 1 if a target is missed."""
    table = Table(header_style="bold")
    for heading in (
        "model", "framework", "forward", "limit", "authors", "at most", "x PyTorch",
        "+ backward", "peak MB", "authors' MB", "target",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading in ("model", "framework") else "right")
    missed = 0
    for model, by_framework in figures.items():
        job, unit_s = JOBS[model], by_framework[UNIT]["forward_s"]
        for framework in FRAMEWORKS:
            figure = by_framework[framework]
            forward = figure["forward_s"] / unit_s
            times = figure["forward_s"] / by_framework[REFERENCE]["forward_s"]
            if framework == REFERENCE:
                is_met = forward <= job.at_most or not job.at_most
                at_most = str(job.at_most or "")
            else:
                is_met = times <= job.ports[framework]
                at_most = f"{job.ports[framework]}x PyTorch"
            missed += not is_met
            table.add_row(
                model,
                framework,
                f"{forward:.2f}",
                f"{job.gmac / UNIT_GMAC:.2f}",
                f"{job.authors:.2f}" if job.authors else "",
                at_most,
                f"{times:.2f}",
                f"{figure['both_s'] / unit_s:.2f}" if "both_s" in figure else "",
                f"{figure['peak_mb']:.0f}",
                str(job.authors_mb or ""),
                "met" if is_met else "MISSED",
            )
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)
    return 1 if missed else 0


def measure(session: Session, *, job_name: str) -> dict[str, float]:
    """Measure the framework of this process."""
    job = JOBS[job_name]
    model = MODELS[job.model]
    engine = session.make_engine()
    spec = model.spec(job.spec)
    network = engine.build(spec, job.executions.get(engine.name, PLAIN))
    height, width = job.size_px
    if job.scale:
        inputs = enlarging(spec, height, width, job.scale)
    else:
        inputs = sample_inputs.build(
            model, spec, height_px=height, width_px=width, names=("astronaut",), seed=0
        )
    inputs = job.change(spec, inputs)
    memory.reset_peak()
    outputs = engine.run(network, inputs)
    figures: dict[str, float] = {
        "forward_s": best_cpu_s(lambda: engine.run(network, inputs)),
        "peak_mb": memory.peak_mb(),
    }
    if height * width <= LARGEST_TRAINED_PX:
        both = best_cpu_s(lambda: engine.gradients(network, inputs, outputs), repeats=2)
        figures["both_s"] = both
    return figures


def enlarging(spec: Any, height: int, width: int, scale: int) -> dict[str, np.ndarray]:
    """The inputs of a continuous network that enlarges to a size."""
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, height // scale, width // scale))
    return continuous.enlarge(spec, image.astype(np.float32), height=height, width=width)


def measure_unit(_session: Session) -> dict[str, float]:
    """CPU seconds of the unit in PyTorch as it comes, as the authors' times were measured: in a
    process that our runtime has set up it takes up to a fifth less."""
    import torch

    layers = [torch.nn.Conv2d(64, 64, 3, padding=1) for _ in range(16)]
    unit = torch.nn.Sequential(*layers)
    features = torch.rand(1, 64, 256, 256)
    with torch.inference_mode():
        return {"forward_s": best_cpu_s(lambda: unit(features))}


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


if __name__ == "__main__":
    sys.exit(main())
