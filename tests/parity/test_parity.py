"""The main job in the three real frameworks, through the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from parity.judge.authors import AUTHORS_BOUND
from parity.judge.verdicts import BOUND
from restoration.errors import ExitCode
from restoration.process.frameworks import FRAMEWORKS
from tests.parity.goldens import compared, metadata_of, names_of_cases

pytestmark = pytest.mark.frameworks()

HERE = Path(__file__).parents[1]
UNCOMPILED = "how many windows a pruned block computes is known only when it runs"
GOLDENS = compared("everything")
CASES = [case for path in GOLDENS for case in names_of_cases(path)]


def parity(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "parity", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(HERE.parent)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _result(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    finished = parity(
        "run", "--json", "--golden", *map(str, GOLDENS), cwd=tmp_path_factory.mktemp("goldens")
    )
    assert finished.returncode == ExitCode.OK, finished.stdout[-3000:] + finished.stderr
    return _result(finished)


@pytest.mark.parametrize("golden", CASES)
def test_golden_models_agree(goldens: dict[str, Any], golden: str) -> None:
    rows = [row for row in goldens["rows"] if row["case"] == golden]
    assert [row["framework"] for row in rows] == list(FRAMEWORKS)
    for row in rows:
        assert row["verdict"] == "agree"
        assert row["worst_ratio"] <= BOUND
        assert row["compared"] == row["expected"] >= 30
    names = {array["name"] for array in rows[2]["arrays"]}
    outputs = {name for name in names if name.startswith("output/")}
    assert outputs
    assert any(name.startswith("gradient/input/") for name in names)
    in_graph = {name.replace("output/", "output@graph/") for name in outputs}
    is_pruned = any("decision" in name for name in outputs)
    assert (in_graph & names) == (set() if is_pruned else in_graph)
    assert is_pruned == any(note == f"graph mode: {UNCOMPILED}" for note in rows[2]["notes"])


@pytest.mark.parametrize(
    "golden", [path.stem for path in GOLDENS if metadata_of(path)["kind"] != "pictures"]
)
def test_the_reference_reproduces_the_authors(goldens: dict[str, Any], golden: str) -> None:
    """Outputs, and gradients where the file has them, in float64; see test_continuous.py for the
    gradients by several pictures."""
    row = next(row for row in goldens["rows"] if row["case"] == golden)
    content = load_file(HERE / "golden" / f"{golden}.safetensors")
    kinds = ("outputs/", "grads/", "grads_inputs/")
    names = {name.replace("grads_summary/", "grads/", 1) for name in content}
    stored = [name for name in names if name.startswith(kinds)]
    if any(name.startswith("inputs/coord_") for name in content):
        # Several calls are one batch: the outputs are one array, and so are the inputs' gradients.
        stored = [name for name in stored if name.startswith("grads/")] + ["rgb", "image"]
    (note,) = [note for note in row["notes"] if "of the authors' code" in note]
    assert note.startswith(f"{len(stored)} arrays of the authors' code: ")
    assert float(note.split(": ")[1].split()[0]) < AUTHORS_BOUND


def test_a_wrong_reference_would_be_seen(tmp_path: Path) -> None:
    """Change one stored number, and the reference's row turns red."""
    path = tmp_path / "mimo_unet.safetensors"
    content = load_file(HERE / "golden" / "mimo_unet.safetensors")
    content["outputs/half"] = content["outputs/half"].copy()
    content["outputs/half"][0, 0, 0, 0] *= 1 + 1e-9
    metadata = {"class": "MIMOUNet", "config": "{}"}
    save_file(content, path, metadata)
    finished = parity("run", "--json", "--frameworks", "torch", "--golden", str(path), cwd=tmp_path)
    assert finished.returncode == ExitCode.DIFFERENT
    (row,) = _result(finished)["rows"]
    assert row["verdict"] == "differ"
    assert row["fault"].startswith("output/half differs from the authors' by")


@pytest.fixture(scope="module")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What `make parity` runs, and where it left its files."""
    folder = tmp_path_factory.mktemp("main")
    finished = parity("run", "mimo_unet", "mimo_unet_plus", cwd=folder)
    assert finished.returncode == ExitCode.OK, finished.stdout + finished.stderr
    (run_folder,) = (folder / "runs").iterdir()
    return finished.stdout, run_folder


def test_the_main_job_prints_a_table(main_job: tuple[str, Path]) -> None:
    printed, folder = main_job
    for word in ("verdict", "worst ratio", "where", "seconds", "peak MB", *FRAMEWORKS, "agree"):
        assert word in printed
    assert "all implementations agree" in printed
    assert printed.count("(100 %)") == 6
    assert str(folder) in printed


def test_the_main_job_writes_what_it_found(main_job: tuple[str, Path]) -> None:
    _, folder = main_job
    result = json.loads((folder / "result.json").read_text())
    assert result["exit_code"] == 0
    assert result["bound"] == BOUND
    assert set(result["engines"]) == set(FRAMEWORKS)
    assert len(result["rows"]) == 6
    for row in result["rows"]:
        assert row["compared"] == row["expected"]
        assert row["seconds"] > 0
        assert row["peak_mb"] > 50
        kinds = {array["name"].split("/")[0] for array in row["arrays"]}
        assert {"output", "tap", "gradient"} <= kinds
        if row["framework"] != "torch":
            assert "parameter" in kinds
    # Where all agree the arrays are not kept.
    assert sorted(path.name for path in folder.iterdir()) == ["result.json", "workers"]


def test_gradients_of_the_main_job_are_judged_sharply(main_job: tuple[str, Path]) -> None:
    """No ReLU lies so near to zero that rounding blurs a gradient by more than 1e-4."""
    result = json.loads((main_job[1] / "result.json").read_text())
    for row in result["rows"]:
        assert max(array["noise"] for array in row["arrays"]) < 1e-4


def test_published_names_and_ours_are_both_read(tmp_path: Path) -> None:
    content = load_file(HERE / "golden" / "mimo_unet.safetensors")
    start = "weights/"
    weights = {
        name.removeprefix(start): array for name, array in content.items() if name.startswith(start)
    }
    save_file(weights, tmp_path / "published.safetensors")
    finished = parity(
        "run", "mimo_unet", "--json", "--frameworks", "torch", "--keep",
        "--weights", str(tmp_path / "published.safetensors"), cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == ExitCode.OK, finished.stderr
    (problem,) = tmp_path.glob("runs/*/*/problem.safetensors")
    ours = {
        name.removeprefix(start): array
        for name, array in load_file(problem).items()
        if name.startswith(start)
    }
    assert np.array_equal(ours["stem.weight"], weights["feat_extract.0.main.0.weight"])
    save_file(ours, tmp_path / "ours.safetensors")
    finished = parity(
        "run", "mimo_unet", "--frameworks", "torch",
        "--weights", str(tmp_path / "ours.safetensors"), cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == ExitCode.OK, finished.stderr
