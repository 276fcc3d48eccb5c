"""What a comparison is made of, and what is known on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters.alignment import Alignment
from parity.adapters.mapping import WeightMap
from parity.adapters.networks import Recording, Running
from parity.measure.kept import Kept
from parity.report.comparison import Comparison
from restoration.process import arrays

_LOCATE = "parity.diagnose.locating:locate"


@dataclass(frozen=True)
class Options:
    """What a comparison is made of.

    inputs: by the reference's names, in order; empty where `inputs_file` holds them, or where they
    are found by trying. weights, port_weights: files, or None for drawn ones, and the reference's.
    rules, alignment: files with the map of weights, and of modules. write_rules, write_converted,
    write_alignment: where to write the map, the reference's weights by the port's names, and which
    modules were taken for which. reproductions: a folder for those of what has no known cause.
    is_training: in training mode, with masks and noise from one stream.
    kept: where the reference's answers are kept from run to run.
    """

    inputs: Mapping[str, np.ndarray]
    inputs_file: Path | None = None
    weights: Path | None = None
    port_weights: Path | None = None
    rules: Path | None = None
    alignment: Path | None = None
    write_rules: Path | None = None
    write_converted: Path | None = None
    write_alignment: Path | None = None
    reproductions: Path | None = None
    is_training: bool = False
    seed: int = 0
    silence_s: float = 600.0
    kept: Kept | None = None


@dataclass
class State:
    """What is known on the way.

    rounding: the error of float32 in each of the port's outputs, relative to its largest value.
    """

    reference: Running
    port: Running
    options: Options
    result: Comparison
    mapped: WeightMap = field(default_factory=WeightMap)
    aligned: Alignment = field(default_factory=dict)
    first: Recording | None = None
    rounding: dict[str, float] = field(default_factory=dict)


def ask_reference(
    state: State,
    first: Recording,
    of_port: Recording,
    weights: Mapping[str, np.ndarray],
    name: str,
    **options: Any,
) -> Any:
    path = state.reference.folder / f"{name}.safetensors"
    arrays.write(path, {key: np.asarray(value) for key, value in weights.items()})
    return state.reference.call(
        _LOCATE,
        **{
            "inputs": str(state.reference.write_inputs(state.options.inputs, "locate")),
            "port": str(of_port.file),
            "kinds": state.port.kinds,
            "outputs": {str(one): other for one, other in state.result.outputs.items()},
            "weights": str(path),
            **options,
        },
    )
