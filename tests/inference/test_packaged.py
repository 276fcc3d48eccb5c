"""The trained weights that come with the suite, on photographs that were not trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from safetensors import safe_open

from restoration import images
from restoration.data.task import HeldOut
from restoration.errors import ExitCode, InputError
from restoration.evaluation import metrics
from restoration.images.resize import pillow_resize
from restoration.inference import cli, packaged
from restoration.inference.restorer import Restorer
from restoration.process.frameworks import FRAMEWORKS
from restoration.training import recipe, session

GAIN_DB = {"mimo_unet": 1.0, "phaseformer": 8.0, "lm_liif": 0.2}
"""What each gains at least over what it is given, enlarged by Pillow's bicubic filter where it
enlarges."""

CLOSE_DB = 0.01


def _held_out(model: str) -> list[HeldOut]:
    """The held-out photographs, degraded as the recipe says."""
    return list(session.open_data(recipe.read(f"{model}:small")).held_out())


def _levels(pixels: np.ndarray) -> np.ndarray:
    """(1, 3, h, w) as an array of 8 bits to be saved, (h, w, 3)."""
    return np.rint(pixels[0].clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize("model", packaged.SMALL)
def test_restore_without_weights_improves_photographs(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = _held_out(model)
    for item in held_out:
        assert item.degraded is not None
        Pillow.fromarray(_levels(item.degraded)).save(tmp_path / f"{item.name}.png")
    words = [str(tmp_path / f"{item.name}.png") for item in held_out]
    chosen = [] if model == packaged.DEFAULT else ["-m", model]
    if held_out[0].scale > 1:
        chosen += ["--scale", str(held_out[0].scale)]
    assert cli.main([*words, "-o", str(tmp_path / "out"), *chosen]) == ExitCode.OK
    gains = []
    for item in held_out:
        given = images.read_image(tmp_path / f"{item.name}.png").pixels
        height, width = item.truth.shape[2:]
        if given.shape != item.truth.shape:
            given = pillow_resize(given[0], height, width)[None]
        restored = images.read_image(tmp_path / "out" / f"{item.name}.png").pixels
        restored = restored[..., :height, :width]
        gains.append(metrics.psnr_db(item.truth, restored) - metrics.psnr_db(item.truth, given))
    assert np.mean(gains) > GAIN_DB[model], gains
    assert "weights that come with the suite" in capsys.readouterr().err


@pytest.mark.frameworks
@pytest.mark.parametrize("model", packaged.SMALL)
def test_the_three_frameworks_restore_alike(model: str) -> None:
    item = _held_out(model)[0]
    assert item.degraded is not None
    scale = item.scale if item.scale > 1 else None
    part = item.degraded[..., :64, :72]
    truth = item.truth[..., : 64 * item.scale, : 72 * item.scale]
    found = {}
    for framework in FRAMEWORKS:
        with Restorer(model, None, framework) as restorer:
            found[framework] = restorer.restore(part, scale=scale)
    scores = {name: metrics.psnr_db(truth, one) for name, one in found.items()}
    assert max(scores.values()) - min(scores.values()) < CLOSE_DB, scores


def test_the_files_say_what_they_are_and_are_small() -> None:
    files = [packaged.weights_of(model) for model in packaged.SMALL]
    assert sum(file.stat().st_size for file in files) < 3e6
    for model, path in zip(packaged.SMALL, files, strict=True):
        made = recipe.read(f"{model}:small")
        with safe_open(path, "np") as file:
            metadata = file.metadata()
        said = json.loads(metadata[packaged.MADE_BY])
        assert said["recipe"] == f"{model}:small"
        assert said["steps"] == made.steps
        assert said["data"] == made.about
        record = json.loads(metadata["weights_convert"])
        assert record["model"] == model
        assert record["spec"] == json.loads(json.dumps(made.the_spec().to_dict()))


def test_what_is_no_finished_run_is_not_packaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a finished run of mimo_unet:small"):
        packaged.pack(tmp_path)
