"""NaN and infinity: said where they come in, and never blamed on a port."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from parity.cases.case import Case
from parity.cases.goldens import golden_cases
from restoration.errors import ExitCode, InputError
from tests.parity.goldens import FOLDER
from tests.parity.test_parity import parity

NAME = "encoder2.0.conv1.weight"


@pytest.fixture(scope="module")
def case() -> Case:
    (found,) = golden_cases(FOLDER / "mimo_unet.safetensors")
    return found


def _save(case: Case, path: Path, **changes: np.ndarray) -> None:
    save_file({**case.weights, **changes}, path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([np.nan], "1 NaN in encoder2.0.conv1.weight (weights)"),
        ([np.nan, np.inf, -np.inf], "1 NaN, 2 infinite in encoder2.0.conv1.weight (weights)"),
    ],
)
def test_weights_that_are_no_numbers_are_said_before_anything_runs(
    case: Case, tmp_path: Path, values: list[float], said: str
) -> None:
    array = case.weights[NAME].copy()
    array.flat[: len(values)] = values
    _save(case, tmp_path / "nan.safetensors", **{NAME: array})
    finished = parity("run", "mimo_unet", "--weights", "nan.safetensors", cwd=tmp_path)
    assert finished.returncode == ExitCode.BAD_INPUT
    assert finished.stdout == ""
    (line,) = finished.stderr.splitlines()
    assert said in line
    assert line.startswith("parity: numbers of mimo_unet-tiny: expected finite ones, got ")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("group", ["inputs", "gradient_inputs", "cotangents", "weights"])
def test_whatever_a_case_brings_is_looked_at(case: Case, group: str) -> None:
    """However it was made: from an image, a golden file, or by a caller."""
    members = getattr(case, group) or case.inputs
    name, array = next(iter(members.items()))
    bad = array.copy()
    bad.flat[0] = np.inf
    with pytest.raises(InputError, match=f"1 infinite in {name} "):
        dataclasses.replace(case, **{group: {**members, name: bad}})


def test_all_that_is_not_finite_is_counted(case: Case) -> None:
    weights = {name: np.full_like(array, np.nan) for name, array in case.weights.items()}
    with pytest.raises(InputError, match=rf"NaN in \S+ and in {len(weights) - 1} more \(weights\)"):
        dataclasses.replace(case, weights=weights)


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (1e34, "the float64 truth itself is not finite, on finite weights and inputs: "),
        (1e6, "float32 cannot hold what float64 can, on finite weights and inputs: "),
    ],
)
def test_a_network_that_overflows_is_said_and_no_port_is_blamed(
    case: Case, tmp_path: Path, scale: float, said: str
) -> None:
    """Finite weights and inputs, and numbers that neither float64 nor float32 has."""
    weights = {name: array * np.float32(scale) for name, array in case.weights.items()}
    _save(case, tmp_path / "large.safetensors", **weights)
    finished = parity(
        "run", "mimo_unet", "--weights", "large.safetensors", "--frameworks", "torch",
        "--engine", "copy=torch_impl", "--photographs", "cat", "--size", "32x32", cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == ExitCode.INCOMPLETE, finished.stdout + finished.stderr
    assert f"torch: {said}" in finished.stdout
    (run,) = (tmp_path / "runs").iterdir()
    for row in json.loads((run / "result.json").read_text())["rows"]:
        assert row["verdict"] == "incomplete"
        assert row["fault"] == ""


def test_goldens_of_the_suite_are_finite() -> None:
    for path in sorted(FOLDER.glob("*.safetensors")):
        for name, array in load_file(path).items():
            if name.startswith(("weights/", "inputs/", "probes/")):
                assert np.isfinite(array).all(), (path.name, name)
