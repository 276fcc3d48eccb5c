"""`python -m X_impl.evaluate`: tables, failures, what is explained, and the worst pictures."""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from safetensors.numpy import load_file

from restoration import images
from restoration.errors import ExitCode
from restoration.evaluation import evaluate, scoring
from restoration.evaluation.protocols import score
from restoration.inference.restorer import Restorer
from restoration.process.frameworks import FRAMEWORKS
from tests.inference.conftest import MIMO

pytestmark = pytest.mark.frameworks("torch")
GOLDENS = Path(__file__).parents[1] / "golden" / "training"


def _save(path: Path, levels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(levels).save(path)
    return path


@pytest.fixture
def gopro(tmp_path: Path, photograph: np.ndarray) -> Path:
    """A data set in the layout of GoPro, three pairs in two folders."""
    root = tmp_path / "gopro"
    for number, name in enumerate(("a/1", "a/2", "b/1")):
        sharp = np.roll(photograph, 9 * number, axis=1)
        _save(root / "test" / "sharp" / f"{name}.png", sharp)
        blurred = (sharp.astype(int) + np.roll(sharp, 2, axis=1)) // 2
        _save(root / "test" / "blur" / f"{name}.png", blurred.astype(np.uint8))
    return root


def _evaluate(*words: object) -> int:
    return evaluate.main("torch", [str(word) for word in words])


def test_a_data_set_by_two_protocols_as_table_json_csv_and_pictures(
    gopro: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tmp_path / "all.json", tmp_path / "all.csv", tmp_path / "worst"
    words = [gopro, "-m", "mimo_unet", "-w", MIMO, "-p", "mimo_unet-gopro", "-p", "ssim-3d"]
    more = ["--json", files[0], "--csv", files[1], "--worst", files[2]]
    assert _evaluate(*words, *more) == ExitCode.OK
    told = capsys.readouterr()
    assert "mimo_unet-gopro" in told.out
    assert "3 of 3" in told.out
    with Restorer("mimo_unet", MIMO) as restorer:
        expected = {
            name: score(
                "mimo_unet-gopro",
                images.read_image(gopro / "test" / "sharp" / f"{name}.png").pixels,
                restorer.restore(images.read_image(gopro / "test" / "blur" / f"{name}.png").pixels),
            ).psnr_db
            for name in ("a/1", "a/2", "b/1")
        }
    plain, volume = json.loads(files[0].read_text())["runs"]
    assert {one["name"]: one["PSNR"] for one in plain["images"]} == pytest.approx(expected)
    assert plain["mean"] == {"PSNR": pytest.approx(np.mean(list(expected.values())))}
    assert set(volume["mean"]) == {"PSNR", "SSIM"}
    assert plain["rule"].startswith("clamped, not rounded")
    rows = list(csv.DictReader(files[1].open()))
    assert len(rows) == 6
    assert {row["protocol"] for row in rows} == {"mimo_unet-gopro", "ssim-3d"}
    pictures = sorted((files[2] / "mimo_unet-gopro").iterdir())
    worst = min(expected, key=lambda name: expected[name])
    assert pictures[0].name == f"01-{worst.replace('/', '-')}-{expected[worst]:.2f}dB.png"
    assert Pillow.open(pictures[0]).size == (4 * 120, 96)


def test_what_fails_is_listed_and_in_no_mean(
    gopro: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    restored = gopro / "test" / "blur"
    (restored / "a" / "2.png").write_bytes(b"broken")
    words = ["--restored", restored, "--truth", gopro / "test" / "sharp", "-p", "rgb"]
    assert _evaluate(*words, "--json", tmp_path / "x.json") == ExitCode.INCOMPLETE
    told = capsys.readouterr()
    assert "2 of 3" in told.out
    assert "rgb: a/2 failed, and is in no mean: image file" in told.err
    (run,) = json.loads((tmp_path / "x.json").read_text())["runs"]
    assert list(run["failed"]) == ["a/2"]
    assert len(run["images"]) == 2


def test_lists_of_unequal_length_are_refused(
    gopro: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (gopro / "test" / "blur" / "b" / "1.png").unlink()
    folders = ["--restored", gopro / "test" / "blur", "--truth", gopro / "test" / "sharp"]
    assert _evaluate(*folders) == ExitCode.BAD_INPUT
    assert "1 without a partner" in capsys.readouterr().err
    assert _evaluate("--truth", gopro / "nowhere") == ExitCode.BAD_INPUT
    assert _evaluate() == ExitCode.BAD_INPUT


def test_a_number_from_elsewhere_is_explained(
    gopro: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--restored", gopro / "test" / "blur", "--truth", gopro / "test" / "sharp"]
    assert _evaluate(*folders, "--explain") == ExitCode.OK
    everything = capsys.readouterr().out
    assert "swinir-sr" in everything
    pair = [
        images.read_image(gopro / "test" / kind / "a/1.png").pixels for kind in ("sharp", "blur")
    ]
    yiq = score("luma-full-range", *pair).psnr_db
    assert _evaluate(*folders, "--explain", f"{yiq:.2f}") == ExitCode.OK
    told = capsys.readouterr().out
    assert "luma-full-range" in told
    assert "mimo_unet-gopro" not in told
    assert _evaluate(*folders, "--explain", "99.99") == ExitCode.DIFFERENT
    assert _evaluate(*folders, "--explain", "much") == ExitCode.BAD_INPUT


def test_samples_are_scored_by_their_masks(
    tmp_path: Path, photograph: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mask of the second is empty: it has no weighted numbers, and that is said."""
    for name, mask in (("a", np.eye(96, 120)), ("b", np.zeros((96, 120)))):
        sample = {"img_blur": photograph, "img_gt": photograph[::-1], "blur_mask": mask}
        np.save(tmp_path / f"{name}.npy", sample)  # type: ignore[arg-type]
    words = [tmp_path, "-m", "mimo_unet", "-w", MIMO, "-p", "lmd_vit"]
    assert _evaluate(*words, "--json", tmp_path / "x.json") == ExitCode.OK
    (run,) = json.loads((tmp_path / "x.json").read_text())["runs"]
    assert [set(one) >= {"weighted PSNR"} for one in run["images"]] == [True, False]
    assert "b: its mask is empty" in capsys.readouterr().err


def test_small_pictures_are_made_from_large_ones_as_lmf_does(
    tmp_path: Path, tiny_weights: Callable[..., Path]
) -> None:
    """The made ones are those of the authors; above x4 the cell is the protocol's."""
    golden = load_file(GOLDENS / "eval-lmf.safetensors")
    for number in (0, 1):
        _save(tmp_path / "hr" / f"{number}.png", golden[f"inputs/hr{number}"])
        truth = images.read_image(tmp_path / "hr" / f"{number}.png").pixels
        for scale in (2, 3, 4, 6, 8, 12, 2.5, 3.3):
            small = scoring.reduced(truth, scale)[0].transpose(1, 2, 0)
            stored = golden[f"inputs/lr/{scale:g}/{number}"]
            assert np.array_equal(np.rint(small * 255), stored)
    words = ["--truth", tmp_path / "hr", "-w", tiny_weights("lm_liif"), "-m", "lm_liif", "-s", 6]
    for name in ("lmf-benchmark", "liif-benchmark"):
        words += ["-p", name]
    assert _evaluate(*words, "--json", tmp_path / "x.json") == ExitCode.OK
    first, second = json.loads((tmp_path / "x.json").read_text())["runs"]
    assert first["mean"]["PSNR"] != second["mean"]["PSNR"]  # one has the cell of x4


def test_frames_of_videos_are_averaged_over_all_frames(tmp_path: Path) -> None:
    golden = load_file(GOLDENS / "eval-self_blind_vsr.safetensors")
    for name in ("000-00000002", "000-00000003", "011-00000002", "011-00000003", "011-00000004"):
        video, frame = name.split("-")
        _save(tmp_path / "out" / video / f"{frame}.png", golden[f"outputs/restored_uint8/{name}"])
        truth = golden[f"inputs/gt/{video}"][int(frame)]
        _save(tmp_path / "gt" / video / f"{frame}.png", truth)
    words = ["--restored", tmp_path / "out", "--gt-path", tmp_path / "gt", "-p", "self_blind_vsr"]
    assert _evaluate(*words, "--json", tmp_path / "x.json") == ExitCode.OK
    (run,) = json.loads((tmp_path / "x.json").read_text())["runs"]
    stored = golden["outputs/average/border0_mode1"]
    for found, row in ((run["videos"]["000"], 0), (run["videos"]["011"], 1), (run["mean"], 2)):
        assert [found["PSNR"], found["SSIM"]] == pytest.approx(stored[row], rel=1e-6)


def test_clips_are_restored_window_by_window(
    tmp_path: Path, photograph: np.ndarray, tiny_weights: Callable[..., Path]
) -> None:
    for number in range(6):
        small = np.roll(photograph[:12, :14], number, axis=1)
        _save(tmp_path / "LR" / "v" / f"{number}.png", small)
        _save(tmp_path / "HR" / "v" / f"{number}.png", small.repeat(4, 0).repeat(4, 1))
    words = [tmp_path, "-w", tiny_weights("self_blind_vsr"), "-m", "self_blind_vsr"]
    names = ["-p", "self_blind_vsr", "-p", "self_blind_vsr-quick"]
    assert _evaluate(*words, *names, "--json", tmp_path / "x.json") == ExitCode.OK
    runs = json.loads((tmp_path / "x.json").read_text())["runs"]
    assert [len(run["images"]) for run in runs] == [6, 2]


def test_each_framework_has_the_program() -> None:
    for framework in FRAMEWORKS:
        program = importlib.import_module(f"{framework}_impl.evaluate")
        assert program.main(["--list"]) == ExitCode.OK
