"""A user's own picture into every registered model, and into one in all frameworks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from safetensors.numpy import load_file

from restoration.data.photographs import photograph
from restoration.errors import ExitCode
from restoration.models.registry import MODELS
from tests.conftest import FRAMEWORKS
from tests.kinds import by_kind
from tests.parity.test_parity import parity

HEIGHT, WIDTH = 23, 37  # no multiples of anything that a network needs


def _picture(folder: Path) -> np.ndarray:
    """Write a small picture; its pixels (1, 3, h, w) in [0, 1]."""
    cat = photograph("cat", height_px=8 * HEIGHT, width_px=8 * WIDTH)[0, :, ::8, ::8]
    samples = np.rint(255 * cat.transpose(1, 2, 0)).astype(np.uint8)
    iio.imwrite(folder / "cat.png", samples)
    return samples.transpose(2, 0, 1)[None] / np.float32(255)


@pytest.fixture(scope="module")
def everywhere(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """The rows by name of the models that tests ask for, and the folder of the run."""
    folder = tmp_path_factory.mktemp("images")
    _picture(folder)
    asking = [item for item in request.session.items if item.parent is request.node]
    models = [item.callspec.params["model"] for item in asking if hasattr(item, "callspec")]
    finished = parity(
        *("run", *models, "--image", "cat.png"),
        *("--frameworks", "torch", "--keep", "--json"),
        cwd=folder,
    )
    assert finished.returncode == ExitCode.OK, finished.stdout[-3000:] + finished.stderr
    (run,) = (folder / "runs").iterdir()
    return {row["model"]: row for row in json.loads(finished.stdout)["rows"]}, run


@pytest.mark.parametrize("model", by_kind(MODELS))
def test_every_model_takes_a_picture(
    everywhere: tuple[dict[str, Any], Path], tmp_path: Path, model: str
) -> None:
    rows, run = everywhere
    row = rows[model]
    assert row["case"] == f"{model}-tiny-cat"
    assert row["verdict"] == "agree"
    assert row["compared"] == row["expected"] >= 30
    spec = MODELS[model].spec("tiny")
    inputs = {
        name.removeprefix("inputs/"): array
        for name, array in load_file(run / row["case"] / "given.safetensors").items()
        if name.startswith("inputs/")
    }
    assert set(spec.inputs[: spec.required_inputs]) <= set(inputs)
    first = inputs[spec.inputs[0]]
    assert first.shape[-2] % spec.size_multiple == 0
    assert first.shape[-1] % spec.size_multiple == 0
    # The picture is in there, whatever was added at its borders, in the range that the model takes.
    pixels = _picture(tmp_path)
    if model == "kernel_prediction":
        pixels = pixels**2.2 - 0.5
    elif "features" in spec.outputs or "rgb" in spec.outputs:
        pixels = 2 * pixels - 1
    middle = pixels[0, :, HEIGHT // 4 : HEIGHT // 2, WIDTH // 4 : WIDTH // 2]
    one = first.reshape(-1, *first.shape[-3:])[0]
    places = np.lib.stride_tricks.sliding_window_view(one, middle.shape)
    assert np.abs(places - middle).max(axis=(-3, -2, -1)).min() < 1e-6


def test_a_picture_in_all_frameworks(tmp_path: Path) -> None:
    _picture(tmp_path)
    finished = parity("run", "phaseformer", "--image", "cat.png", "--json", cwd=tmp_path)
    assert finished.returncode == ExitCode.OK, finished.stdout[-3000:] + finished.stderr
    rows = json.loads(finished.stdout)["rows"]
    assert [row["framework"] for row in rows] == list(FRAMEWORKS)
    for row in rows:
        assert row["verdict"] == "agree"
        assert row["compared"] == row["expected"]
