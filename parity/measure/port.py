"""What a port measures: it runs on the problem and writes what it computes.

Runs inside a worker process, on NumPy arrays only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from parity.judge.measurement import ArrayKey, PortMeasurement
from parity.measure import results
from parity.measure.problem import Problem
from parity.measure.results import Report, results_of
from restoration.engine.contract import Engine
from restoration.models.spec import Spec
from restoration.process import arrays


def measure_port(
    make_engine: Callable[..., Engine], spec: Spec, folder: Path, name: str, report: Report
) -> PortMeasurement:
    """Run a port on the problem and write its arrays as NAME.safetensors."""
    with arrays.reading(folder / arrays.PROBLEM_FILE) as file:
        problem = Problem.read(file)
    engine = make_engine()
    report("building")
    model = engine.build(spec)
    engine.load(model, problem.weights)
    found = dict(results_of(engine, model, problem, report).arrays)
    state = engine.state(model)
    found |= {ArrayKey.parameter(entry): array for entry, array in state.items()}
    refusals = {}
    for mode in engine.modes[1:]:
        reason = spec.graph_unsupported.get(engine.name)
        if reason:
            refusals[mode] = reason
            continue
        report(f"outputs in {mode} mode")
        outputs = engine.run(model, problem.inputs, mode=mode)
        found |= {ArrayKey.output(output, mode): array for output, array in outputs.items()}
    results.write(folder / f"{name}.safetensors", found)
    return PortMeasurement(
        modes=[mode for mode in engine.modes[1:] if mode not in refusals],
        refusals=refusals,
        engine=engine.describe(),
    )
