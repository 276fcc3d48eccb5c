"""One of several processes that train a network: `one_of_several.py FRAMEWORK STEPS OUT`.

The first writes what it ended with, as the others would; STEPS of each, so one may end early.
"""

from __future__ import annotations

import importlib
import sys

import numpy as np

from parity.measure.weights import seeded_weights
from restoration.errors import RestorationError
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.training.settings import LossSettings, OptimizerSettings, TrainerSettings

SPEC = MIMOUNetSpec(width=4, blocks=1)
SETTINGS = TrainerSettings(
    loss=LossSettings(name="MultiScaleLoss"),
    optimizer=OptimizerSettings(learning_rate=1e-3, clip_norm=1.0),
)
STEPS = 5


def batch(step: int) -> dict[str, np.ndarray]:
    """Two samples."""
    rng = np.random.default_rng(step)
    shape = (2, 3, 16, 16)
    return {"image": rng.random(shape, np.float32), "target": rng.random(shape, np.float32)}


def main(framework: str, steps: list[int], out: str) -> int:
    package = f"{framework}_impl"
    runtime = importlib.import_module(f"{package}.runtime")
    runtime.prepare("cpu", report=lambda _: None, warn=lambda _: None)
    distributed = importlib.import_module(f"{package}.distributed")
    distributed.start()
    rank, world = distributed.rank(), distributed.world()
    engine = importlib.import_module(f"{package}.engine").ENGINE()
    network = engine.build(SPEC)
    engine.load(network, seeded_weights(engine.state(network), (0, 0)))
    trainer = engine.trainer(network, SETTINGS)
    result = None
    try:
        for step in range(steps[rank]):
            mine = {name: array[rank::world] for name, array in batch(step).items()}
            result = trainer.step([mine])
    except RestorationError as problem:
        print(problem, file=sys.stderr)
        return int(problem.exit_code)
    if steps[rank] < STEPS:
        return 2
    total = distributed.total(np.array([rank + 1 / 3, 1.0]))
    if rank == 0 and result is not None:
        found = engine.state(network)
        np.savez(out, loss=result.loss, norm=result.gradient_norm, total=total, **found)
    distributed.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], [int(one) for one in sys.argv[2].split(",")], sys.argv[3]))
