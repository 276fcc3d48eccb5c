"""`restore` and `Restorer`: pictures of any size and kind, batches, tiles, what is kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from safetensors.numpy import load_file, save_file

from restoration import images
from restoration.engine.state import RECORD
from restoration.errors import ExitCode, InputError, RestorationError
from restoration.evaluation import evaluate, protocols
from restoration.inference import cli, pictures, serving
from restoration.inference.restorer import Restorer, Settings
from restoration.models.registry import find
from restoration.process.frameworks import FRAMEWORKS
from tests.backends import Backend
from tests.inference.conftest import MIMO, limited_files

pytestmark = pytest.mark.frameworks("torch")


@pytest.fixture(scope="module")
def mimo() -> Iterator[Restorer]:
    with Restorer("mimo_unet", MIMO) as restorer:
        yield restorer


def _restore(*words: object) -> int:
    return cli.main([*map(str, words), "-m", "mimo_unet", "-w", str(MIMO)])


def _save(path: Path, levels: np.ndarray) -> Path:
    Pillow.fromarray(levels).save(path)
    return path


def test_a_picture_is_rounded_once_to_the_depth_of_its_file(
    mimo: Restorer, tmp_path: Path, photograph: np.ndarray
) -> None:
    shallow = _save(tmp_path / "a.png", photograph)
    deep = tmp_path / "b.png"
    cv2.imwrite(str(deep), photograph[..., ::-1].astype(np.uint16) * 257 + 3)
    assert _restore(shallow, deep, "-o", tmp_path / "out") == ExitCode.OK
    for source, largest, read in (
        (shallow, 255, lambda path: np.asarray(Pillow.open(path))),
        (deep, 65535, lambda path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]),
    ):
        floats = mimo.restore(images.read_image(source).pixels)[0].transpose(1, 2, 0)
        expected = np.rint(floats.astype(np.float64) * largest)
        found = read(tmp_path / "out" / source.name)
        assert found.dtype == (np.uint8 if largest == 255 else np.uint16)
        assert np.array_equal(found, expected)


def test_profile_exif_resolution_orientation_gray_and_alpha_are_kept(
    tmp_path: Path, photograph: np.ndarray
) -> None:
    exif = Pillow.Exif()
    exif[0x010F], exif[0x0112] = "a camera", 6
    options = {"exif": exif.tobytes(), "dpi": (300, 300), "icc_profile": b"profile" * 40}
    Pillow.fromarray(photograph).save(tmp_path / "turned.png", **options)
    _save(tmp_path / "gray.png", photograph[..., 0])
    ramp = np.linspace(0, 255, photograph.shape[1]).astype(np.uint8)
    alpha = np.broadcast_to(ramp, photograph.shape[:2])
    _save(tmp_path / "alpha.png", np.dstack([photograph, alpha]))
    out = tmp_path / "out"
    assert _restore(tmp_path, "-o", out) == ExitCode.OK
    turned = Pillow.open(out / "turned.png")
    assert turned.size == photograph.shape[:2]
    assert turned.getexif()[0x010F] == "a camera"
    assert turned.getexif().get(0x0112, 1) == 1
    assert turned.info["icc_profile"] == b"profile" * 40
    assert turned.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert Pillow.open(out / "gray.png").mode == "L"
    restored = np.asarray(Pillow.open(out / "alpha.png"))[..., 3]
    assert not np.array_equal(restored, alpha)  # restored as the colors are
    assert np.abs(restored.astype(float) - alpha).mean() < 20


def test_a_folder_keeps_its_structure_and_a_bad_file_stops_nothing(
    tmp_path: Path, photograph: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "deep" / "er").mkdir(parents=True)
    _save(source / "a.png", photograph)
    _save(source / "deep" / "er" / "b.jpg", photograph)
    (source / "bad.png").write_bytes(b"no picture")
    np.save(source / "sample.npy", {"img_blur": photograph})  # type: ignore[arg-type]
    assert _restore(source, "-o", out) == ExitCode.INCOMPLETE
    told = capsys.readouterr().err
    assert "1 of 4 failed:" in told
    assert f"{source / 'bad.png'}: image file: expected" in told
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == ["a.png", "deep/er/b.jpg", "sample.png"]
    before = (out / "a.png").stat().st_mtime_ns
    (out / "deep" / "er" / "b.jpg").unlink()
    (source / "bad.png").unlink()
    assert _restore("-i", source, "-o", out) == ExitCode.OK  # only what is missing
    assert (out / "a.png").stat().st_mtime_ns == before
    assert (out / "deep" / "er" / "b.jpg").exists()
    assert "2 there already" in capsys.readouterr().err
    assert _restore(source, "-o", out, "--overwrite") == ExitCode.OK
    assert (out / "a.png").stat().st_mtime_ns != before
    (source / "deep" / "er" / "b.jpg").write_bytes(b"")
    assert _restore(source / "deep", "-o", tmp_path / "other") == ExitCode.BAD_INPUT


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 5), (33, 66)])
def test_any_size(mimo: Restorer, size: tuple[int, int]) -> None:
    found = mimo.restore(np.full((3, *size), 0.5, np.float32))
    assert found.shape == (3, *size)
    assert np.isfinite(found).all()


def test_tiles_of_a_local_network_have_no_seam(photograph: np.ndarray) -> None:
    """Against the whole picture: below half a step of 8 bits, by an overlap that was measured."""
    picture = np.tile(photograph, (5, 5, 1)).transpose(2, 0, 1)[None].astype(np.float32) / 255
    said: list[str] = []
    found = {}
    for tile in (0, 256):
        with Restorer("mimo_unet", MIMO, settings=Settings(tile_px=tile), warn=said.append) as one:
            found[tile] = one.detailed(picture)
    assert (found[0].tile_px, found[256].tile_px) == (0, 256)
    assert np.abs(found[0].pixels - found[256].pixels).max() < serving.HALF_STEP
    assert said == []


def test_tiles_of_a_global_network_are_said_to_differ(
    tiny_weights: Callable[..., Path], photograph: np.ndarray
) -> None:
    picture = np.tile(photograph, (3, 3, 1)).transpose(2, 0, 1)[None].astype(np.float32) / 255
    said: list[str] = []
    settings = Settings(tile_px=128)
    weights = tiny_weights("spectroformer")
    with Restorer("spectroformer", weights, settings=settings, warn=said.append) as one:
        assert one.restore(picture).shape == picture.shape
    (text,) = said
    assert "tiles of 128 differ from the whole picture: its Fourier transforms" in text
    assert "dB" in text
    assert "untiled" in text


@pytest.mark.parametrize("scale", [2.0, 3.3])
def test_tiles_of_continuous_networks_at_any_scale(
    tiny_weights: Callable[..., Path], photograph: np.ndarray, scale: float
) -> None:
    picture = photograph.transpose(2, 0, 1)[None].astype(np.float32) / 255
    found = {}
    for tile in (0, 48):
        settings = Settings(tile_px=tile, scale=scale)
        with Restorer("lm_liif", tiny_weights("lm_liif"), settings=settings) as one:
            found[tile] = one.detailed(picture)
    size = tuple(round(side * scale) for side in photograph.shape[:2])
    assert found[0].pixels.shape[2:] == found[48].pixels.shape[2:] == size
    assert found[48].tile_px == 48
    assert np.abs(found[0].pixels - found[48].pixels).max() < serving.HALF_STEP


def test_out_of_memory_halves_the_tiles(
    monkeypatch: pytest.MonkeyPatch, photograph: np.ndarray
) -> None:
    """A stand-in for the network, which is the picture itself, up to 100 x 100 pixels."""
    picture = np.tile(photograph, (3, 3, 1)).transpose(2, 0, 1)[None].astype(np.float32) / 255
    model = find("mimo_unet")

    def run(_engine: object, _network: object, inputs: dict[str, np.ndarray]) -> dict:
        if inputs["image"].size > 3 * 100 * 100:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
        return {"full": inputs["image"]}

    monkeypatch.setattr(serving.calls, "run", run)
    network = serving.Network(None, model.spec("tiny"))
    opened = serving.Opened(None, network, model, reach_px=4)  # type: ignore[arg-type]
    job = serving._Restoring(
        opened, picture, {}, scale=None, cell_floor=4, report=lambda _text: None
    )
    found = job.any_size(None, None)
    np.testing.assert_allclose(found, picture, atol=1e-6)
    assert job.tile_px == 92
    assert [note.split(":")[0] for note in job.notes] == [
        "out of memory at 360 px",
        "out of memory at 180 px",
    ]
    monkeypatch.setattr(serving, "is_out_of_memory", lambda _problem: True)
    monkeypatch.setattr(serving.calls, "run", lambda *_: 1 / 0)
    with pytest.raises(RestorationError, match="out of memory even with tiles of"):
        job.any_size(64, None)


def test_a_process_that_the_system_ends_for_memory_is_tried_again_with_smaller_tiles(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.tile(photograph, (2, 2, 1)).transpose(2, 0, 1)[None].astype(np.float32) / 255
    said: list[str] = []
    with Restorer("mimo_unet", MIMO, warn=said.append) as restorer:
        asked = restorer._asked_once
        tiles: list[int | None] = []

        def once_killed(*arguments: Any) -> Any:
            tiles.append(restorer._tile_px())
            if len(tiles) == 1:
                assert restorer._process
                os.kill(restorer._process.pid, signal.SIGKILL)
            return asked(*arguments)

        monkeypatch.setattr(restorer, "_asked_once", once_killed)
        assert restorer.restore(picture).shape == picture.shape
    assert tiles == [None, 120]
    assert said[0] == "out of memory: trying tiles of 120 pixels"


def test_numbers_that_are_not_finite_name_the_module(tmp_path: Path) -> None:
    weights = load_file(MIMO)
    name = next(name for name in weights if "decoder" in name and name.endswith("weight"))
    weights[name] = weights[name].copy()
    weights[name].flat[0] = np.nan
    save_file(weights, tmp_path / "nan.safetensors")
    said: list[str] = []
    with Restorer("mimo_unet", tmp_path / "nan.safetensors", warn=said.append) as restorer:
        with pytest.raises(RestorationError, match="first in module") as caught:
            restorer.restore(np.zeros((3, 16, 16), np.float32))
        assert name.removesuffix(".weight").startswith(str(caught.value).split("'")[1][:8])
    assert "1 NaN" in said[0]


def test_half_precision_is_measured_or_refused(photograph: np.ndarray) -> None:
    picture = photograph.transpose(2, 0, 1).astype(np.float32) / 255
    said: list[str] = []
    with Restorer("mimo_unet", MIMO, settings=Settings(half=True), warn=said.append) as restorer:
        restorer.restore(picture)
    assert "dB against float32" in said[0]
    with pytest.raises(InputError, match="expected a framework that has half precision, got Jit"):
        Restorer("mimo_unet", MIMO, "jittor", settings=Settings(half=True))


def test_half_precision_that_shows_is_refused(tmp_path: Path, photograph: np.ndarray) -> None:
    weights = {name: 3 * array for name, array in load_file(MIMO).items()}
    save_file(weights, tmp_path / "loud.safetensors")
    with (
        Restorer("mimo_unet", tmp_path / "loud.safetensors", settings=Settings(half=True)) as one,
        pytest.raises(InputError, match=r"--half: expected at least 48.1 dB .* in bfloat16"),
    ):
        one.restore(photograph.transpose(2, 0, 1).astype(np.float32) / 255)


def test_the_enhancers_interface(tiny_weights: Callable[..., Path], photograph: np.ndarray) -> None:
    with Restorer("lm_lte", tiny_weights("lm_lte")) as restorer:
        small = photograph[:20, :24]
        found = restorer.enhance(small)
        assert found.shape == (1, 3, 80, 96)
        assert 0 <= found.min() <= found.max() <= 1
        floats = restorer.enhance(small.astype(np.float32) / 255, scale=2.5)
        assert floats.shape == (1, 3, 50, 60)
        gray = restorer.enhance(small[..., 0], scale=1)
        assert gray.shape == (1, 3, 20, 24)


def test_kernels_are_predicted_and_then_restored_by(
    tiny_weights: Callable[..., Path], photograph: np.ndarray, backends: Callable[[str], Backend]
) -> None:
    """As tests/models/test_kernel_pipeline.py holds to the authors; here by one command."""
    files = [tiny_weights("kernel_prediction"), tiny_weights("nimbusr_saturated")]
    picture = photograph.transpose(2, 0, 1)[None].astype(np.float32) / 255
    with Restorer(weights=list(files)) as restorer:
        assert restorer.is_pipeline
        found = restorer.restore(picture)
        given = restorer.outputs(picture)
    spec = find("nimbusr_saturated").spec("tiny")
    given = {"kernels": given["kernels"][..., ::-1, ::-1].copy(), "masks": given["masks"]}
    weights = load_file(files[1])
    expected = backends("torch").call(
        "restore", "nimbusr_saturated", spec, weights, picture, {"given": given}
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(InputError, match="nimbusr"):
        Restorer(weights=[files[0], MIMO])


def test_windows_of_a_clip_are_the_authors() -> None:
    golden = load_file(
        Path(__file__).parents[1] / "golden" / "training" / "eval-self_blind_vsr.safetensors"
    )
    for border in (False, True):
        stored = golden[f"outputs/windows/border{int(border)}"]
        assert pictures.windows(6, 5, with_border=border) == stored.tolist()


def test_a_folder_of_frames_is_a_clip(
    tiny_weights: Callable[..., Path],
    tmp_path: Path,
    photograph: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = tmp_path / "clip" / "000"
    clip.mkdir(parents=True)
    for number in range(6):
        _save(clip / f"{number:03}.png", np.roll(photograph[:24, :28], number, axis=1))
    words = [str(clip.parent), "-w", str(tiny_weights("self_blind_vsr")), "-m", "self_blind_vsr"]
    assert cli.main([*words, "-o", str(tmp_path / "inner"), "--no-border"]) == ExitCode.OK
    inner = sorted(path.name for path in (tmp_path / "inner" / "000").iterdir())
    assert inner == ["002.png", "003.png"]
    told = capsys.readouterr().err
    assert "warm-up: " in told
    assert "> 000-002 total_time:" in told
    assert cli.main([*words, "-o", str(tmp_path / "all")]) == ExitCode.OK
    assert len(list((tmp_path / "all" / "000").iterdir())) == 6
    one = Pillow.open(tmp_path / "all" / "000" / "002.png")
    assert one.size == (112, 96)
    assert np.array_equal(one, Pillow.open(tmp_path / "inner" / "000" / "002.png"))


def test_weights_of_a_training_run_restore(
    tiny_weights: Callable[..., Path], tmp_path: Path, photograph: np.ndarray
) -> None:
    """Self-Blind-VSR trains in a mode that gives no picture; its weights are the same."""
    weights = load_file(tiny_weights("self_blind_vsr"))
    spec = find("self_blind_vsr").spec("tiny-train").to_dict()
    record = {RECORD: json.dumps({"model": "self_blind_vsr", "spec": spec})}
    save_file(weights, tmp_path / "trained.safetensors", metadata=record)
    clip = np.stack([photograph[:24, start : start + 28] for start in range(5)])
    frames = clip.transpose(0, 3, 1, 2)[None].astype(np.float32) / 255
    results = []
    for path in (tmp_path / "trained.safetensors", tiny_weights("self_blind_vsr")):
        with Restorer(None, path) as restorer:
            results.append(restorer.restore(frames[:, 2], frames=frames))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing.png"], "input: expected an existing file or folder, got nothing"),
        (["{folder}"], "input: expected a folder with pictures"),
        (["{file}", "--tile", "some"], "--tile: expected a whole number of at least 0, or auto"),
        (["{file}", "-o", "{file}"], "expected another file than the input"),
        (["{file}", "--half", "--fp32"], "precision: expected --half or --fp32, got both"),
        ([], "restore: expected pictures, folders or films, got none"),
        (["{folder}/../sized.npy"], "sized.npy: image: expected (h, w) or (h, w,"),
        (["{file}", "-s", "2"], "scale of mimo_unet: expected 1, or none given, got 2"),
        (["{file}", "--device", "ascend"], "cannot use 'ascend' here"),
        (["{file}", "-w", "missing.pth"], "weights: expected an existing file"),
    ],
)
def test_errors_are_one_line_that_leads_on(
    words: list[str],
    told: str,
    tmp_path: Path,
    photograph: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "sized.npy", {"img_blur": photograph[:0]})  # type: ignore[arg-type]
    file = _save(tmp_path / "a.png", photograph[:16, :16])
    places = {"folder": tmp_path / "empty", "file": file}
    given = [word.format(**places) for word in words]
    weights = [] if "-w" in given else ["-w", str(MIMO)]
    code = cli.main([*given, "-m", "mimo_unet", *weights])
    lines = capsys.readouterr().err.splitlines()
    assert told in lines[-1]
    assert "Traceback" not in "".join(lines)
    assert code in (ExitCode.BAD_INPUT, ExitCode.INCOMPLETE)


def test_weights_of_another_model_and_none_are_refused(
    tmp_path: Path, photograph: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(_save(tmp_path / "a.png", photograph[:16, :16]))
    assert cli.main([file, "-m", "edsr", "-w", str(MIMO)]) == ExitCode.BAD_INPUT
    assert "edsr" in capsys.readouterr().err
    assert cli.main([file, "-m", "rdn"]) == ExitCode.BAD_INPUT
    assert "weights of rdn: expected -w FILE" in capsys.readouterr().err


def test_dashes_and_underscores_mean_the_same_in_every_flag() -> None:
    assert cli.dashed(["--tile_pad=3", "a_b.png", "--max_size", "-nm"]) == [
        "--tile-pad=3", "a_b.png", "--max-size", "-nm",
    ]  # fmt: skip
    options = cli.parser().parse_args(
        cli.dashed(["x.png", "--tile_pad", "3", "--model_name", "rdn"])
    )
    assert (options.tile_pad, options.model) == (3, "rdn")


def test_two_results_of_one_name_are_refused(tmp_path: Path, photograph: np.ndarray) -> None:
    for name in ("a.png", "a.jpg"):
        _save(tmp_path / name, photograph)
    naming = pictures.Naming(tmp_path / "out", extension="png")
    with pytest.raises(InputError, match="output: expected another name for each result"):
        pictures.find_jobs([tmp_path], naming, are_clips=False)


def test_kernels_that_were_asked_for_are_those_of_the_weights(
    tiny_weights: Callable[..., Path], tmp_path: Path, photograph: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    np.save(tmp_path / "x.npy", {"img_blur": photograph})  # type: ignore[arg-type]
    weights = str(tiny_weights("kernel_prediction"))
    words = [str(tmp_path / "x.npy"), "-o", str(tmp_path / "out"), "-w", weights]
    words += ["-m", "kernel_prediction", "--kernel_size", "33"]
    assert cli.main([*words, "--kernel_count", "9"]) == ExitCode.BAD_INPUT
    told = capsys.readouterr().err
    assert "kernels of kernel_prediction: expected 9, as asked for, got 4" in told
    assert cli.main([*words, "--kernel_K", "4"]) == ExitCode.OK


def test_larger_pictures_are_reduced_and_batches_go_one_by_one(photograph: np.ndarray) -> None:
    picture = photograph.transpose(2, 0, 1)[None].astype(np.float32) / 255
    said: list[str] = []
    settings = Settings(max_side_px=60, per_sample=True)
    with Restorer("mimo_unet", MIMO, settings=settings, warn=said.append) as restorer:
        both = restorer.restore(np.concatenate([picture, picture[..., ::-1]]))
        alone = restorer.restore(picture)
    assert both.shape == (2, 3, 48, 60)
    np.testing.assert_array_equal(both[:1], alone)
    assert said == ["reduced from 120x96 to 60x48: the longest side may have 60 pixels"]


def test_pictures_and_truths_are_cut_to_multiples(
    tmp_path: Path, photograph: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Self-Blind-VSR's programs do by --size_must_mode."""
    (tmp_path / "odd").mkdir()
    odd = _save(tmp_path / "odd" / "a.png", photograph[:35, :42])
    words = [odd, "-o", tmp_path, "--size_must_mode", 4, "--blur_type", "Motion"]
    assert _restore(*words, "--dataset_name", "Mine") == ExitCode.OK
    cut = _save(tmp_path / "b.png", photograph[:32, :40])
    assert _restore(cut, "-o", tmp_path / "whole") == ExitCode.OK
    found = np.asarray(Pillow.open(tmp_path / "infer_Motion_Mine" / "a.png"))
    assert np.array_equal(found, np.asarray(Pillow.open(tmp_path / "whole" / "b.png")))
    scored = ["-m", "mimo_unet", "-w", MIMO, "-i", odd.parent, "--truth", odd.parent]
    (run,) = evaluate.score_all("torch", [*map(str, scored), "--size_must_mode", "4"])
    truth, restored = (
        images.read_image(path).pixels[0] for path in (cut, *tmp_path.glob("infer*/*"))
    )
    expected = protocols.score("mimo_unet-gopro", truth, restored).psnr_db
    (one,) = run.scores.values()
    assert one.psnr_db == pytest.approx(expected, abs=0.05)  # what is written is rounded
    assert "multiple of 4" in run.protocol.describe()
    capsys.readouterr()
    assert _restore(odd, "-o", tmp_path / "none", "--size_must_mode", 64) == ExitCode.BAD_INPUT
    assert "--size-must-mode" in capsys.readouterr().err


def test_without_room_a_picture_is_listed_and_the_rest_is_done(
    mimo: Restorer, tmp_path: Path, photograph: np.ndarray
) -> None:
    """The system allows files of 9000 bytes, which is enough for the second."""
    noise = np.random.default_rng(0).random((1, 3, 96, 120), np.float32)
    found = {tmp_path / "large.png": noise, tmp_path / "small.png": noise[..., :8, :8]}
    jobs = [pictures.Job(tmp_path / "source.png", target) for target in found]
    jobs[1] = pictures.Job(tmp_path / "other.png", jobs[1].target)

    def do(job: pictures.Job) -> bool:
        pictures.write(job.target, images.Image(found[job.target]))
        return True

    with limited_files(9000):
        batch = pictures.restore_all(mimo, jobs, do, overwrite=False, done=lambda *_: None)
    assert batch.written == [tmp_path / "small.png"]
    assert "File too large" in batch.failed[tmp_path / "source.png"]
    assert batch.unread == 0
    assert [path.name for path in tmp_path.iterdir()] == ["small.png"]


def test_a_disk_without_room_is_said_before_anything_is_restored(
    tmp_path: Path, photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = _save(tmp_path / "a.png", photograph[:16, :16])
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(pictures.shutil, "disk_usage", lambda _path: usage)
    assert _restore(file, "-o", tmp_path / "out") == ExitCode.INCOMPLETE
    assert "output: expected at least 16 MB free, got 1 MB" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.frameworks
def test_every_framework_restores_the_same(photograph: np.ndarray) -> None:
    picture = photograph.transpose(2, 0, 1)[None].astype(np.float32) / 255
    found = []
    for framework in FRAMEWORKS:
        with Restorer("mimo_unet", MIMO, framework) as restorer:
            found.append(restorer.restore(picture))
    assert np.abs(found[0] - found[1]).max() < 1e-4
    assert np.abs(found[0] - found[2]).max() < 1e-4


@pytest.mark.parametrize(
    "words",
    [
        "--quality 500", "--tile-pad -3", "--max-size 0", "--scale nan", "--cell-floor x",
        "--gt-path truth",
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_one_line(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Pillow.new("RGB", (8, 8)).save(tmp_path / "a.png")
    code = cli.main([str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), *words.split()])
    assert code == ExitCode.BAD_INPUT
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"restore: {words.split(maxsplit=1)[0]}: expected ")
