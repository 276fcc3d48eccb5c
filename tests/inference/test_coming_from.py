"""docs/coming-from.md: every command of ours is understood, and does its work on tiny data."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from restoration.data import prepare
from restoration.errors import ExitCode
from restoration.evaluation import evaluate
from restoration.inference import cli, export
from restoration.process.frameworks import FRAMEWORKS
from restoration.training import cli as training_cli
from restoration.training import recipe
from tests.inference.conftest import MIMO

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coming-from.md"
COMMANDS = re.findall(
    r"^\|[^|]*(?:`[^`]*`[^|]*)*\| `((?:restore|python -m [\w.]+) [^`]*)`[^|`]* \|$",
    PAGE.read_text(),
    re.M,
)
MODELS = {
    "lmd_vit": "lmd_vit",
    "kernels": "kernel_prediction",
    "nimbusr": "nimbusr_saturated",
    "self_blind_vsr": "self_blind_vsr",
    "phaseformer": "phaseformer",
    "lm_lte": "lm_lte",
}


TRAINED_ON = [
    f"{place}"
    for train, test in (
        ("GOPRO/train/blur", "GOPRO/test/blur"),
        ("GOPRO/train/sharp", "GOPRO/test/sharp"),
        ("GOPRO_Large/train/GOPR0/blur", "GOPRO_Large/test/GOPR1/blur"),
        ("GOPRO_Large/train/GOPR0/sharp", "GOPRO_Large/test/GOPR1/sharp"),
        ("ReLoBlur/train/blur", "ReLoBlur/test/blur"),
        ("ReLoBlur/train/sharp", "ReLoBlur/test/sharp"),
        ("REDS/train_sharp/000", "REDS/val_sharp/001"),
        ("LSUI/train/input", "LSUI/test/input"),
        ("LSUI/train/gt", "LSUI/test/gt"),
        ("DIV2K/DIV2K_train_HR", "DIV2K/DIV2K_valid_HR"),
        ("COCO/train2014", "COCO/val2014"),
    )
    for place in (train, test)
]
OBJECTS = [
    "ReLoBlur/train/mask", "ReLoBlur/test/mask", "COCO/train2014_objects", "COCO/val2014_objects",
]  # fmt: skip
OPTIONS = """
model: mimo_unet
data:
  train: {dataroot_gt: GOPRO/train/sharp, dataroot_lq: GOPRO/train/blur}
  val: {dataroot_gt: GOPRO/test/sharp, dataroot_lq: GOPRO/test/blur}
  type: PairedImageDataset
  gt_size: 16
  scale: 1
loss: {name: MultiScaleLoss}
optimizer: {name: adam, learning_rate: 1e-4}
"""
SHORT = [
    "spec=tiny", "epochs=null", "steps=1", "batch=1", "data.crop_px=32", "data.valid_px=32",
    "validation.protocol=rgb", "data.samples=2",
]  # fmt: skip
"""Of a training that has to do its work on tiny data; and what some need besides."""
ALSO = {
    "self_blind_vsr": ["spec=tiny-train"],
    "phaseformer": ["data.crop_px=192", "data.resize_px=192", "data.valid_px=null"],
    "spectroformer": ["data.crop_px=192", "data.resize_px=192", "data.valid_px=null"],
    "lmd_vit": ["data.crop_px=64", "data.valid_px=64"],
    "nimbusr": ["data.kernel_px=15", "data.crop_px=48", "data.valid_px=96"],
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
    elif program.endswith("train"):
        options = training_cli._parser(FRAMEWORKS[program.split("_")[0]], program).parse_args(words)
        if not options.recipe.endswith(".yaml"):
            recipe.read(options.recipe, options.overrides)
    elif program.endswith("prepare"):
        assert words[0] in prepare.LAYOUTS
    else:
        export._parser(program, program.split("_")[0], given)


def test_the_page_has_all_programs_and_its_links_lead_somewhere() -> None:
    assert len(COMMANDS) > 25
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text())
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_every_capability_has_a_test_that_is_there() -> None:
    rows = re.findall(r"^\| .* \| \[(\w+)\]\((\S+)\) \|$", PAGE.read_text(), re.M)
    assert len(rows) > 45
    missing = [
        name for name, file in rows if f"def {name}(" not in (PAGE.parent / file).read_text()
    ]
    assert missing == []


@pytest.fixture(scope="module")
def tiny(tiny_weights: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of the names that the page uses."""
    from skimage import data

    folder = tmp_path_factory.mktemp("tiny")
    picture = np.ascontiguousarray(data.astronaut()[40:104, 180:260])
    for name in ("photos", "gopro/test/sharp", "gopro/test/blur"):
        (folder / name).mkdir(parents=True)
        Pillow.fromarray(picture).save(folder / name / "a.png")
    for number, name in enumerate(TRAINED_ON):
        split, place = number % 2, folder / name
        place.mkdir(parents=True)
        for shift in range(5):  # a clip of five frames too; other pictures in either split
            shown = np.roll(data.astronaut()[:208, :208], 16 * shift + 100 * split, axis=1)
            Pillow.fromarray(shown).save(place / f"{shift}.png")
    for name in OBJECTS:
        objects = np.zeros((208, 208), np.uint8)
        objects[50:150, 40:120] = 1
        (folder / name).mkdir(parents=True)
        for shift in range(5):
            Pillow.fromarray(objects).save(folder / name / f"{shift}.png")
    (folder / "options.yaml").write_text(OPTIONS)
    Pillow.fromarray(picture // 2).save(folder / "gopro" / "test" / "blur" / "a.png")
    Pillow.fromarray(picture).save(folder / "photo.png")
    for name, shown in (("clips", picture[:16, :20]), ("clips-gt", picture[:64, :80])):
        (folder / name / "v").mkdir(parents=True)
        for number in range(5):
            Pillow.fromarray(shown).save(folder / name / "v" / f"{number}.png")
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
    if program.endswith(("train", "prepare")):
        name = words[0]
        more = [*SHORT, *ALSO.get(name, [])] if program.endswith("train") else []
        if name.endswith(".yaml"):  # its gt_size says it
            more.remove("data.crop_px=32")
        given = [sys.executable, "-m", program, name, *more, *words[1:]]
        code = subprocess.run(
            given, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
        ).returncode
    elif program == "restore":
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
