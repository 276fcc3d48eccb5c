"""`python -m X_impl.export`: what is written computes the same, or is not left behind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from safetensors.numpy import load_file, save_file

from parity.judge.verdicts import BOUND
from restoration.engine.noise import BOUND as RATIO
from restoration.errors import ExitCode
from restoration.inference import export
from tests.backends import Backend
from tests.inference.conftest import MIMO

pytestmark = pytest.mark.frameworks("torch")


def _rows(table: str) -> dict[str, list[str]]:
    """The cells of a printed table by the first of each row, without those that are empty."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines()]
    return {row[0]: [cell for cell in row[1:] if cell] for row in rows if row}


def _export(framework: str, *words: object) -> int:
    return export.main(framework, [str(word) for word in words])


def test_the_bound_is_paritys() -> None:
    assert RATIO == BOUND


def test_onnx_with_open_sizes_runs_at_three_sizes_and_two_batches(tmp_path: Path) -> None:
    onnx, judged = tmp_path / "mimo.onnx", tmp_path / "judged.json"
    words = ["-m", "mimo_unet", "-w", MIMO, "-o", onnx, "--dynamic", "--json", judged]
    assert _export("torch", *words) == ExitCode.OK
    (found,) = json.loads(judged.read_text())
    assert len(found["cases"]) == 7
    assert max(found["cases"].values()) <= BOUND
    assert onnx.stat().st_size > 1e6


@pytest.mark.frameworks("torch", "mindspore")
def test_what_is_silently_wrong_is_found_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The writer's weights are not those of the network that knows the truth: one is off."""
    weights = load_file(MIMO)
    name = next(iter(weights))
    weights[name] = weights[name] * np.float32(1.001)
    save_file(weights, tmp_path / "other.safetensors")
    load = export.Exporter.load

    def load_both(exporter: export.Exporter, *given: object) -> None:
        load(exporter, *given)  # type: ignore[arg-type]
        arguments = {"slot": "main", "weights": str(tmp_path / "other.safetensors")}
        more = {"model": "mimo_unet", "settings": {}, "execution": {}}
        exporter._writer.call("mindspore_impl.restore:load", {**arguments, **more})

    monkeypatch.setattr(export.Exporter, "load", load_both)
    path = tmp_path / "x.mindir"
    words = ["-m", "mimo_unet", "-w", MIMO, "-o", path, "--size", "16x16", "--batch", 1]
    assert _export("mindspore", *words) == ExitCode.DIFFERENT
    assert not path.exists()
    assert "wrong at 16x16, batch 1" in capsys.readouterr().out


@pytest.mark.goldens
@pytest.mark.parametrize(
    "model", ["spectroformer", "phaseformer", "kernel_prediction", "nimbusr", "swinir", "ciaosr"]
)
def test_networks_that_need_another_form_in_onnx_are_proven(
    model: str, tiny_weights: Callable[..., Path], tmp_path: Path
) -> None:
    """ONNX has no atan2, compares no complex numbers, transforms inexactly, divides negative sizes
    towards zero, and keeps a branch on sizes and a number of chunks as they were."""
    path = tmp_path / "x.onnx"
    words = ["-m", model, "-w", tiny_weights(model), "-o", path, "--size", "64x96"]
    assert _export("torch", *words, *(["--dynamic"] if model != "spectroformer" else [])) == 0
    assert path.exists()


def test_what_cannot_be_exported_names_the_line_of_the_network(
    backends: Callable[[str], Backend],
) -> None:
    told = backends("torch").call("inference.work.construct_of_a_failing_layer")
    assert re.fullmatch(r"torch_impl/layers/indexing\.py:\d+ `[^`]+`: Dimension out of .+", told)


def test_what_cannot_be_exported_is_refused_with_the_reason(
    tiny_weights: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many windows LMD-ViT keeps depends on the picture."""
    path = tmp_path / "x.onnx"
    words = ["-m", "lmd_vit", "-w", tiny_weights("lmd_vit"), "-o", path, "--dynamic"]
    assert _export("torch", *words) == ExitCode.INCOMPLETE
    assert not path.exists()
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "that the network decides by its picture" in told


def test_traces_of_networks_that_decide_hold_for_every_decision(
    backends: Callable[[str], Backend],
) -> None:
    """Also where a block drops all windows or keeps all, which it did not when it was traced."""
    found = backends("torch").call("inference.work.trace_blocks_of_lmd_vit")
    assert len(found) > 40
    assert max(found) < 1e-5


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


def test_pruned_weights_stay_0_in_the_file(
    tmp_path: Path, backends: Callable[[str], Backend], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["-m", "mimo_unet", "-w", MIMO, "-o", tmp_path / "x.pt", "--to", "torchscript"]
    more = ["--prune", 0.3, "--size", "32x32", "--batch", 1]
    assert _export("torch", *words, *more) == ExitCode.OK
    told = _rows(capsys.readouterr().out)
    parameters, zeros = backends("torch").call("inference.work.parameters_of", tmp_path / "x.pt")
    assert told["parameters"] == ["542019", "542019"]
    assert int(told["of these not 0"][0]) == parameters - zeros
    assert 0.27 < zeros / parameters < 0.3  # biases and transposed convolutions are left
    assert {"file MB", "CPU seconds"} < set(told)


def test_pruned_channels_make_layers_and_the_file_smaller(
    tmp_path: Path, backends: Callable[[str], Backend], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["-m", "mimo_unet", "-w", MIMO, "-o", tmp_path / "x.pt", "--to", "torchscript"]
    more = ["--prune", 0.25, "--structured", "--size", "32x32", "--batch", 1]
    assert _export("torch", *words, *more) == ExitCode.OK
    told = _rows(capsys.readouterr().out)
    parameters, zeros = backends("torch").call("inference.work.parameters_of", tmp_path / "x.pt")
    before, after = map(int, told["parameters"])
    assert (parameters, zeros) == (after, 0)
    assert after < 0.85 * before
    megabytes = [float(one) for one in told["file MB"]]
    assert megabytes[1] < 0.85 * megabytes[0]


def test_channels_that_somebody_else_reads_are_left(backends: Callable[[str], Backend]) -> None:
    """Of a network whose first pair is free and whose second has a residual between."""
    widths, apart = backends("torch").call("inference.work.prune_a_small_network", 0.5)
    assert widths == {"free": 4, "after": 6, "added": 6, "last": 3}
    assert apart < 1e-6


def test_static_quantization_needs_pictures_and_says_what_it_costs(
    tmp_path: Path, photograph: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    Pillow.fromarray(photograph).save(tmp_path / "a.png")
    words = ["-m", "mimo_unet", "-w", MIMO, "-o", tmp_path / "x.pt", "--to", "torchscript"]
    more = ["--quantize", "static", "--size", "32x32", "--batch", 1, "--json", tmp_path / "j.json"]
    assert _export("torch", *words, *more) == ExitCode.BAD_INPUT
    assert "expected --calibrate DIR" in capsys.readouterr().err
    code = _export("torch", *words, *more, "--calibrate", tmp_path)
    told = _rows(capsys.readouterr().out)
    megabytes = [float(one) for one in told["file MB"]]
    assert megabytes[1] < 0.5 * megabytes[0]  # weights take a quarter
    quality = float(told["PSNR against before, 1 pictures"][0].removesuffix(" dB"))
    assert 20 < quality < 60
    (found,) = json.loads((tmp_path / "j.json").read_text())
    assert (code == ExitCode.OK) == (min(found["cases"].values()) >= 35)


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
    assert _export("torch", "--table", "mimo_unet", "lmd_vit", "--to", "onnx") == ExitCode.OK
    told = capsys.readouterr().out
    assert "lmd_vit" in told
    assert "mimo_unet" in told


def test_the_page_of_exports_is_made_from_what_is_kept(tmp_path: Path) -> None:
    from docs.make_export_table import KEPT, PAGE, merged, page

    assert page() == PAGE.read_text("utf-8"), "python docs/make_export_table.py writes it anew"
    rows = json.loads(KEPT.read_text("utf-8"))
    assert len({row["model"] for row in rows}) > 0
    changed = rows[0] | {"problem": "another"}
    (tmp_path / "x.json").write_text(json.dumps([changed]))
    assert merged(rows, [tmp_path / "x.json"]) == [changed, *rows[1:]]
