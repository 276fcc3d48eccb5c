"""One measurement of restoring, in the process that it was started in; see `restoring.py`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jobs import JOBS
from measuring import make_inputs

from restoration.inference import serving
from restoration.inference.feature_cache import FeatureCache
from restoration.models.registry import MODELS
from restoration.process import arrays, cache, memory
from restoration.process.frameworks import REFERENCE
from restoration.process.serve import Session

LEAST_S, LEAST_RUNS = 3.0, 4
PHOTOGRAPH_PX, ENCODED_PX = (3000, 4000), 96
COMPUTED_TILES = 6
_SLOT = "main"


def export(session: Session, *, job_name: str, path: str) -> None:
    """Write the ONNX file of a job's network, as the program of export does."""
    from torch_impl import exporting

    job = JOBS[job_name]
    serving.open_untrained(session, slot=_SLOT, model=job.model, spec=job.spec)
    with tempfile.TemporaryDirectory() as folder:
        source = str(Path(folder) / "inputs.safetensors")
        arrays.write(Path(source), make_inputs(job, MODELS[job.model].spec(job.spec)))
        targets = [str(Path(folder) / "outputs.safetensors")]
        exporting.export(
            session, slot=_SLOT, form="onnx", path=path, sources=[source], targets=targets,
            is_dynamic=False,
        )  # fmt: skip


def run(
    session: Session, *, job_name: str, path: str, threads: int, is_compiled: bool
) -> dict[str, float]:
    """Least seconds of a framework for a job, as it restores, and of onnxruntime, in turns: CPU
    seconds on one thread, seconds on more."""
    job, engine = JOBS[job_name], session.make_engine()
    spec = MODELS[job.model].spec(job.spec)
    network = engine.build(spec)
    inputs = make_inputs(job, spec)
    if is_compiled:
        rng = np.random.default_rng(0)  # the same in every process, so that it is found again
        drawn = {
            name: rng.normal(0.1 if array.ndim < 2 else 0, 0.02, array.shape).astype(array.dtype)
            for name, array in engine.state(network).items()
        }
        engine.load(network, drawn)
        network = session.module("compiling").compiled(
            engine, network, inputs, cache.folder("compiled"), report=session.report
        )
    elif engine.name == REFERENCE:
        network = session.module("fusing").fused(network, inputs)
    runs = {
        "own_s": lambda: engine.run(network, inputs),
        "onnxruntime_s": _onnx_run(path, [inputs[n] for n in spec.inputs if n in inputs], threads),
    }
    clock = time.process_time if threads == 1 else time.perf_counter
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for each in runs.values():
        each()
    while len(taken["own_s"]) < LEAST_RUNS or sum(taken["own_s"]) < LEAST_S:
        for name, each in runs.items():
            before = clock()
            each()
            taken[name].append(clock() - before)
    return {name: min(seconds) for name, seconds in taken.items()}


def _onnx_run(path: str, given: list[np.ndarray], threads: int) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # takes others' turns
    running = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in running.get_inputs()]
    fed = dict(zip(names, given, strict=True))
    return lambda: running.run(None, fed)


def restore_photograph(session: Session) -> dict[str, float]:
    """Peak memory in MB of this process, and the side of tiles, of 12 megapixels by MIMO-UNet.

    After the first tiles those of the same size are not computed again: memory is the same.
    """
    serving.open_untrained(session, slot=_SLOT, model="mimo_unet", spec="published")
    one = serving.opened(_SLOT)
    one.engine = _FewTiles(one.engine)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        source, target = (str(Path(folder) / name) for name in ("image", "restored"))
        small = rng.random((1, 3, *(side // 8 for side in PHOTOGRAPH_PX)), np.float32)
        arrays.write(Path(source), {"image": small.repeat(8, 2).repeat(8, 3)})
        memory.reset_peak()
        found = serving.restore(session, slot=_SLOT, source=source, target=target)
    return {"peak_mb": memory.peak_mb(), "tile_px": found["tile_px"]}


class _FewTiles:
    """An engine that computes a few times for each shape of its input, and then repeats itself."""

    def __init__(self, engine: Any):
        self._engine = engine
        self._known: dict[Any, list[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, network: Any, inputs: Any) -> Any:
        runs = self._known.setdefault(inputs["image"].shape, [])
        if len(runs) < COMPUTED_TILES:
            runs[:] = [self._engine.run(network, inputs)] * (len(runs) + 1)
        return {name: array.copy() for name, array in runs[-1].items()}


def render_scales(session: Session, *, scales: list[float]) -> dict[str, Any]:
    """CPU seconds of LM-LTE at scales of one picture, encoded for each and encoded once, and how
    many MB of features are kept."""
    serving.open_untrained(session, slot=_SLOT, model="lm_lte", spec="published")
    one = serving.opened(_SLOT)
    image = np.random.default_rng(0).random((1, 3, ENCODED_PX, ENCODED_PX), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        source, target = (str(Path(folder) / name) for name in ("image", "restored"))
        arrays.write(Path(source), {"image": image})

        def render(scale: float) -> float:
            before = time.process_time()
            serving.restore(
                session, slot=_SLOT, source=source, target=target, scale=scale, tile_px=0
            )
            return time.process_time() - before

        kept = one.cache
        one.cache = FeatureCache(0)
        render(scales[0])
        anew = [render(scale) for scale in scales]
        one.cache = kept
        render(scales[0])
        once = [render(scale) for scale in scales]
    return {"scales": scales, "anew_s": anew, "once_s": once, "kept_mb": kept.bytes / 2**20}
