"""`python -m X_impl.export`: what is written computes the same, or is not left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from parity.judge.verdicts import BOUND
from restoration.errors import ExitCode
from restoration.inference import export
from tests.inference.conftest import MIMO

pytestmark = pytest.mark.frameworks("torch")


def _export(framework: str, *words: object) -> int:
    return export.main(framework, [str(word) for word in words])


def test_the_bound_is_paritys() -> None:
    assert export.BOUND == BOUND


def test_onnx_with_open_sizes_runs_at_three_sizes_and_two_batches(tmp_path: Path) -> None:
    onnx, judged = tmp_path / "mimo.onnx", tmp_path / "judged.json"
    words = ["-m", "mimo_unet", "-w", MIMO, "-o", onnx, "--dynamic", "--json", judged]
    assert _export("torch", *words) == ExitCode.OK
    (found,) = json.loads(judged.read_text())
    assert len(found["cases"]) == 6
    assert max(found["cases"].values()) <= BOUND
    assert onnx.stat().st_size > 1e6


@pytest.mark.goldens
def test_what_is_silently_wrong_is_found_and_removed(
    tiny_weights: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spectroformer's arctan2 in ONNX: exported without a word, and wrong where y is 0."""
    path = tmp_path / "spectroformer.onnx"
    words = ["-m", "spectroformer", "-w", tiny_weights("spectroformer"), "-o", path]
    code = _export("torch", *words, "--size", "32x48")
    told = " ".join(capsys.readouterr().out.split())
    assert code != ExitCode.OK
    assert not path.exists()
    assert "wrong" in told or "Error" in told


@pytest.mark.goldens
def test_torchscript_and_torch_export(tmp_path: Path) -> None:
    for form, more in (("torchscript", []), ("torch-export", ["--dynamic"])):
        words = ["-m", "mimo_unet", "-w", MIMO, "-o", tmp_path / "x", "--to", form, *more]
        assert _export("torch", *words, "--size", "32x48") == ExitCode.OK
        assert (tmp_path / "x").exists()


def test_the_form_for_phones_has_8_bit_linear_layers(
    tiny_weights: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["-m", "lm_lte", "-w", tiny_weights("lm_lte"), "-o", tmp_path / "x.ptl"]
    judged = tmp_path / "j.json"
    more = ["--to", "mobile", "--quantize", "dynamic", "--size", "24x32", "--json", judged]
    code = _export("torch", *words, *more)
    told = capsys.readouterr().out
    assert "PSNR against before" in told
    (found,) = json.loads(judged.read_text())
    assert found["is_reduced"]
    assert max(found["cases"].values()) < 100  # 8 bits were used
    assert (code == ExitCode.OK) == (min(found["cases"].values()) >= 35)


@pytest.mark.goldens
def test_pruning_and_static_quantization_say_what_they_cost(
    tmp_path: Path, photograph: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    Pillow.fromarray(photograph).save(tmp_path / "a.png")
    base = ["-m", "mimo_unet", "-w", MIMO, "-o", tmp_path / "x.pt", "--to", "torchscript"]
    static = ["--quantize", "static", "--calibrate", tmp_path]
    assert _export("torch", *base, "--prune", 0.3, "--size", "32x32") == ExitCode.OK
    told = capsys.readouterr().out
    assert "27.6% of 542019" in told
    assert _export("torch", *base, *static[:2]) == ExitCode.BAD_INPUT
    assert "expected --calibrate DIR" in capsys.readouterr().err
    _export("torch", *base, *static, "--size", "32x32")
    assert "dB" in capsys.readouterr().out


def test_jittor_says_that_it_has_none_and_pytorch_writes_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["-m", "mimo_unet", "-w", MIMO, "-o", tmp_path / "x.pt", "--to", "torchscript"]
    assert _export("jittor", *words) == ExitCode.BAD_INPUT
    assert "Jittor, which has none of its own" in capsys.readouterr().err
    assert _export("jittor", *words, "--by", "torch", "--size", "32x32") == ExitCode.OK


@pytest.mark.frameworks("torch", "mindspore")
def test_mindir_is_loaded_back(tmp_path: Path) -> None:
    path = tmp_path / "mimo.mindir"
    words = ["-m", "mimo_unet", "-w", MIMO, "-o", path, "--size", "32x32"]
    assert _export("mindspore", *words) == ExitCode.OK
    assert path.stat().st_size > 1e6


@pytest.mark.goldens
def test_the_table_of_what_can_be_exported(capsys: pytest.CaptureFixture[str]) -> None:
    assert _export("torch", "--table", "mimo_unet", "phaseformer", "--to", "onnx") == ExitCode.OK
    told = capsys.readouterr().out
    assert "phaseformer" in told
    assert "mimo_unet" in told
