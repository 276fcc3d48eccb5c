"""The training program's words, and what a run shows of itself."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from restoration.errors import ExitCode
from restoration.training import curves, recipe
from restoration.training.loggers import LOG
from tests.training.runs import train
from torch_impl.train import main

pytestmark = pytest.mark.frameworks("torch")


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == recipe.names()


def test_a_recipe_is_shown_and_can_be_trained_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--show", "mimo_unet:demo", "batch=2"]) == ExitCode.OK
    copy = tmp_path / "mine.yaml"
    copy.write_text(capsys.readouterr().out)
    assert recipe.read(str(copy)) == recipe.read("mimo_unet:demo", ["batch=2"])


def test_a_recipe_is_checked_without_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "mimo_unet:demo"]) == ExitCode.OK
    assert "recipe and data are fine" in capsys.readouterr().out
    assert main(["--check", "mimo_unet"]) == ExitCode.BAD_INPUT  # GoPro is not here
    assert "data.train.target" in capsys.readouterr().err


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schema"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == recipe.json_schema()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--list shows those of the suite"),
        (["mimo_unet:demo"], "--output"),
        (["mimo_unet:demo", "batch"], "key.sub=value"),
        (["phaseformer", "--check"], "data.train.target"),
        (["mimo_unet:demo", "--resume", "/nowhere", "--output", "x"], "a checkpoint"),
    ],
)
def test_what_cannot_be_done_is_one_error_that_leads_on(
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()
    assert said in error[-1]
    assert "Traceback" not in "".join(error)


def test_a_run_shows_lines_curves_and_scalars(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = train(run, "validation.pictures=1")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "step 12 of 12, loss " in done.stderr
    assert " left" in done.stderr
    assert "rgb: " in done.stderr
    names = {value.tag for event in _events(run / "tensorboard") for value in event.summary.value}
    assert {"loss", "rate", "gradient_norm", "terms/content", "psnr_db/rgb"} <= names
    assert list((run / "pictures" / "step_00000012").glob("*.png"))
    for suffix in (".svg", ".png"):
        picture = tmp_path / f"curves{suffix}"
        assert curves.main([str(run), str(run / LOG), "--output", str(picture)]) == ExitCode.OK
        assert picture.stat().st_size > 1000
    assert curves.main([str(tmp_path / "none")]) == ExitCode.BAD_INPUT
    assert curves.main([str(run), "--output", str(tmp_path / "x.gif")]) == ExitCode.BAD_INPUT


@pytest.mark.frameworks("torch")
def test_memory_is_told_by_batch_and_card() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch_impl.train", "mimo_unet:demo", "--probe-memory"),
            *("settings.width=4", "data.crop_px=192", "data.samples=2"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.OK, done.stderr
    title, batches, measured, sentence, cards, fitting, _ = done.stdout.splitlines()
    assert title.startswith("mimo_unet, tiny, crop 192 px, float32: steps of PyTorch on cpu")
    peaks_mb = dict(zip(map(int, batches.split()[1:]), map(int, measured.split()[1:]), strict=True))
    assert {1, 2, 4} <= set(peaks_mb)
    each_mb, base_mb = (float(one) for one in re.findall(r" (\d+) MB", sentence))
    slope_mb = np.cov(list(peaks_mb), list(peaks_mb.values()))[0, 1] / np.var(
        list(peaks_mb), ddof=1
    )
    assert each_mb == pytest.approx(slope_mb, abs=1)
    assert 0 < each_mb < peaks_mb[max(peaks_mb)]
    assert base_mb > 100, "Python and PyTorch"
    counts = [int(count.rstrip("+")) for count in fitting.split()[1:]]
    assert cards.split()[:5] == ["memory", "4", "GB", "6", "GB"]
    assert counts[:6] == sorted(counts[:6])
    if not fitting.split()[1].endswith("+"):
        assert counts[0] == pytest.approx((4000 - base_mb) / each_mb, rel=0.05)


def _events(folder: Path) -> list[Event]:
    """TensorBoard's files: records of a length, its checksum, an event, its checksum."""
    found = []
    for file in folder.iterdir():
        content, place = file.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            found.append(Event.FromString(content[place + 12 : place + 12 + length]))
            place += 16 + length
    return found


def test_the_table_of_keys_on_the_page_is_that_of_today() -> None:
    from docs.make_recipe_keys import PAGE, page

    assert page() == PAGE.read_text("utf-8"), "python docs/make_recipe_keys.py writes it anew"
