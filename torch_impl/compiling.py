"""Networks compiled ahead by PyTorch (AOTInductor), kept from run to run: `restore --compile`.

A package holds the machine code of a network with its weights, for inputs of given shapes. It is
made once, compared with the truth in float64 as `parity` compares ports, and only what holds is
kept; for what does not, the reason is kept instead. Where it is no faster than the network as
`restore` runs it anyway, that is kept, and the network stays as it is.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import platform
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from restoration.arrays import Arrays
from restoration.engine.contract import Network
from restoration.engine.noise import BOUND, worst_ratio
from restoration.errors import RestorationError, UnavailableError
from restoration.process import cache
from torch_impl.engine import TorchEngine
from torch_impl.fusing import fused

MOST_BYTES = 4 * 2**30  # of what is kept, in the folder of all networks: up to 600 MB each
_TOLD_EVERY_S = 30.0
_TIMED_RUNS = 3
_OPTIONS = {"freezing": True}  # weights become constants, reordered once as kernels want them


def compiled(
    engine: TorchEngine,
    network: Network,
    inputs: Mapping[str, np.ndarray],
    folder: Path,
    *,
    report: Callable[[str], None],
) -> Network:
    """The same network in machine code for inputs of these shapes, made unless a folder has it.

    Where that is no faster, it is the network with fused layers.

    report: is told what takes a minute, and when nothing was won.

    Raises:
        UnavailableError: it cannot be compiled, or computes something else; the text says why.
    """
    package = folder / f"{_key(engine, network, inputs)}.pt2"
    refusal = package.with_suffix(".txt")
    if refusal.exists():
        raise UnavailableError(refusal.read_text(encoding="utf-8"))
    nothing_won = package.with_suffix(".plain")
    if nothing_won.exists():
        return fused(network, inputs)
    if not package.exists():
        shape = "x".join(map(str, next(iter(inputs.values())).shape))
        text = f"compiling {network.spec.network} for {shape}, which takes a minute or a few"
        with tempfile.TemporaryDirectory(dir=folder) as place, _telling(report, text):
            made = Path(place) / package.name
            try:
                _compile(engine, network, inputs, made)
                fast = _loaded(network, made)
                _judge(engine, network, fast, inputs)
            except UnavailableError as problem:
                (Path(place) / refusal.name).write_text(str(problem), encoding="utf-8")
                os.replace(Path(place) / refusal.name, refusal)
                raise
            plain = fused(network, inputs)
            if not _is_faster(engine, fast, plain, inputs):
                report(f"{network.spec.network} is as fast as it is, and is not compiled")
                nothing_won.touch()
                return plain
            os.replace(made, package)
            cache.trim(folder, MOST_BYTES)
            return fast
    os.utime(package)  # it is used
    return _loaded(network, package)


def known_runs(engine: TorchEngine, network: Network, inputs: Mapping[str, np.ndarray]) -> Arrays:
    """Outputs in float64 as "truth/NAME", and in float32 in every legitimate way as "N/NAME"."""
    exact_engine = TorchEngine(device=str(engine.device), dtype="float64")
    exact = replace(network, module=copy.deepcopy(network.module).double())
    found = _under("truth", exact_engine.run(exact, inputs))
    for number, way in enumerate(engine.variations().values()):
        with way:
            found |= _under(str(number), engine.run(network, inputs))
    return found


@contextlib.contextmanager
def _telling(report: Callable[[str], None], text: str) -> Iterator[None]:
    """Report something now and then for as long as it takes: who waits knows that it goes on."""
    is_done, started = threading.Event(), time.monotonic()
    report(text)

    def tell() -> None:
        while not is_done.wait(_TOLD_EVERY_S):
            report(f"{text}: {time.monotonic() - started:.0f} s so far")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        is_done.set()
        teller.join()


def _compile(
    engine: TorchEngine, network: Network, inputs: Mapping[str, np.ndarray], package: Path
) -> None:
    from torch._inductor import aoti_compile_and_package
    from torch._inductor.exc import InvalidCxxCompiler

    arguments = tuple(engine.arguments(network.spec, inputs))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch about itself
            program = torch.export.export(network.module, arguments, strict=False)
            aoti_compile_and_package(
                program, package_path=str(package), inductor_configs=dict(_OPTIONS)
            )
    except InvalidCxxCompiler as problem:  # not kept: one may be installed
        raise RestorationError(
            f"--compile: expected a C++ compiler, got none ({problem}); install g++, or leave it "
            "out"
        ) from problem
    except (OSError, MemoryError):  # no fault of the network's
        raise
    except Exception as problem:
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        raise UnavailableError(
            f"--compile: expected a network that PyTorch can compile, got {network.spec.network}, "
            f"which it cannot: {type(problem).__name__}: {reason}; leave it out"
        ) from problem


def _judge(
    engine: TorchEngine, network: Network, made: Network, inputs: Mapping[str, np.ndarray]
) -> None:
    ratio = worst_ratio(engine.run(made, inputs), known_runs(engine, network, inputs))
    if not ratio <= BOUND:
        raise UnavailableError(
            f"--compile: expected at most {BOUND:g} times the error of float32 itself, got "
            f"{ratio:.4g} from {network.spec.network} as PyTorch compiles it; leave it out"
        )


def _is_faster(
    engine: TorchEngine, made: Network, plain: Network, inputs: Mapping[str, np.ndarray]
) -> bool:
    """Whether the least of some seconds is smaller, in turns, so that other work slows both."""

    def seconds(network: Network) -> float:
        started = time.perf_counter()
        engine.run(network, inputs)
        return time.perf_counter() - started

    turns = [(seconds(made), seconds(plain)) for _ in range(1 + _TIMED_RUNS)][1:]
    return min(one for one, _ in turns) < min(other for _, other in turns)


def _loaded(network: Network, package: Path) -> Network:
    from torch._inductor import aoti_load_package

    return replace(network, module=aoti_load_package(str(package)))


def _key(engine: TorchEngine, network: Network, inputs: Mapping[str, np.ndarray]) -> str:
    """What a package is good for: network, weights, shapes, PyTorch, and this machine."""
    digest = hashlib.blake2b(digest_size=16)
    facts = {
        "spec": network.spec.to_dict(),
        "inputs": {name: [*array.shape, str(array.dtype)] for name, array in inputs.items()},
        "engine": engine.describe(),
        "options": _OPTIONS,
        "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability()],
        "card": torch.cuda.get_device_name() if engine.device.type == "cuda" else "",
    }
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for name, array in engine.state(network).items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def _under(prefix: str, outputs: Arrays) -> Arrays:
    return {f"{prefix}/{name}": array for name, array in outputs.items()}
