"""docs/coming-from.md: every command of ours is understood, and does its work on tiny data."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from restoration.errors import ExitCode
from restoration.evaluation import evaluate
from restoration.inference import cli, export
from tests.inference.conftest import MIMO

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coming-from.md"
COMMANDS = re.findall(r"\| `((?:restore|python -m \w+\.\w+) [^`]*)` \|$", PAGE.read_text(), re.M)
MODELS = {
    "lmd_vit": "lmd_vit",
    "kernels": "kernel_prediction",
    "nimbusr": "nimbusr_saturated",
    "self_blind_vsr": "self_blind_vsr",
    "phaseformer": "phaseformer",
    "lm_lte": "lm_lte",
}


def _words(command: str) -> tuple[str, list[str]]:
    first, *rest = shlex.split(command)
    return ("restore", rest) if first == "restore" else (rest[1], rest[2:])


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_understood(command: str) -> None:
    program, words = _words(command)
    given = cli.dashed(words)
    if program == "restore":
        cli.parser().parse_args(given)
    elif program.endswith("evaluate"):
        evaluate._parser(program).parse_args(given)
    else:
        export._parser(program, program.split("_")[0], given)


def test_the_page_has_all_programs_and_its_links_lead_somewhere() -> None:
    assert len(COMMANDS) > 25
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text())
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


@pytest.fixture(scope="module")
def tiny(tiny_weights: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of the names that the page uses."""
    from skimage import data

    folder = tmp_path_factory.mktemp("tiny")
    picture = np.ascontiguousarray(data.astronaut()[40:104, 180:260])
    for name in ("photos", "gopro/test/sharp", "gopro/test/blur"):
        (folder / name).mkdir(parents=True)
        Pillow.fromarray(picture).save(folder / name / "a.png")
    Pillow.fromarray(picture // 2).save(folder / "gopro" / "test" / "blur" / "a.png")
    Pillow.fromarray(picture).save(folder / "photo.png")
    for number in range(3):
        (folder / "clips" / "v").mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(picture[:16, :20]).save(folder / "clips" / "v" / f"{number}.png")
    sample = {"img_blur": picture, "img_gt": picture // 2, "blur_mask": np.ones(picture.shape[:2])}
    (folder / "samples").mkdir()
    for path in (folder / "sample.npy", folder / "samples" / "a.npy"):
        np.save(path, sample)  # type: ignore[arg-type]
    shutil.copy(MIMO, folder / "mimo_unet.safetensors")
    for name, model in MODELS.items():
        shutil.copy(tiny_weights(model), folder / f"{name}.safetensors")
    with av.open(str(folder / "film.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=25)
        stream.width, stream.height = picture.shape[1], picture.shape[0]
        film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        film.mux(stream.encode(None))
    return folder


@pytest.mark.goldens
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_does_its_work(
    command: str, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny)
    shutil.rmtree("results", ignore_errors=True)
    program, words = _words(command)
    if program == "restore":
        code = cli.main(words)
        assert os.path.exists("explained" if "--explain" in words else "results")
    elif program.endswith("evaluate"):
        code = evaluate.main(program.split("_")[0], words)
    else:
        code = export.main(program.split("_")[0], words)
    if "--quantize" in words or "mobile" in words:  # judged by what seeded weights can give
        assert code in (ExitCode.OK, ExitCode.DIFFERENT)
    else:
        assert code == ExitCode.OK
