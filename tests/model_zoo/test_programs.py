"""The jobs of the known port, to the end, on a tiny set of pictures, in Graph mode on a CPU."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mindspore_impl import evaluate, export, model_zoo, train
from restoration.errors import ExitCode
from restoration.training.loggers import LOG, read_log
from tests.backends import ROOT, Backend
from tests.model_zoo import tree
from weights_convert.checkpoints.loading import load_weights
from weights_convert.published.mimo_unet import LAYOUTS

pytestmark = pytest.mark.frameworks("mindspore")

SMALL = [
    *("--spec", "tiny", "--crop_px", "32", "--train_batch_size", "2", "--num_worker", "1"),
    *("--epochs_num", "2", "--ckpt_save_frequency", "1"),
]


def run(program: str, *words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A program of MindSpore's."""
    return subprocess.run(
        [sys.executable, "-m", f"mindspore_impl.{program}", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def weights(folder: Path) -> dict[str, np.ndarray]:
    """Those of a run's last checkpoint."""
    found: dict[str, np.ndarray] = load_file(folder / "checkpoints/last/weights.safetensors")
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree.make(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="module")
def trained(data: Path) -> Path:
    folder = data.parent / "trained"
    words = ["--dataset_root", data, "--ckpt_save_directory", folder, *SMALL]
    done = run("train", *words, "--val_acc_monitor_interval", 1)
    assert done.returncode == 0, done.stderr
    assert "configuration: cpu_config.yaml, since the device is cpu" in done.stderr
    assert re.findall(r"^epoch: (\d+) step: (\d+), loss is \d", done.stderr, re.MULTILINE) == [
        ("1", "2"),
        ("2", "2"),
    ]
    return folder


def test_training_by_the_configuration_is_the_recipe_bit_for_bit(data: Path, trained: Path) -> None:
    folders = [
        f"data.{split}.{key}={data / part / name}"
        for split, part in (("train", "train"), ("valid", "test"))
        for key, name in (("degraded", "blur"), ("target", "sharp"))
    ]
    numbers = ["spec=tiny", "data.crop_px=32", "data.drop_last=true", "batch=2", "epochs=2"]
    words = ["mimo_unet", *folders, *numbers, "graph=true", "workers=1", "validation.pictures=0"]
    done = run("train", *words, "--output", data.parent / "recipe", "--quiet")
    assert done.returncode == 0, done.stderr
    known, found = weights(trained), weights(data.parent / "recipe")
    assert known.keys() == found.keys()
    for name, array in known.items():
        assert array.tobytes() == found[name].tobytes(), name


def test_the_lines_of_an_epoch_are_those_of_mindspores_monitors(
    backends: Callable[[str], Backend],
) -> None:
    known = backends("mindspore").call("model_zoo.work.monitor_lines", 3, 5, 0.25)
    found: list[str] = []
    monitor = model_zoo.Monitor(5, found.append)
    for step in range(11, 16):
        monitor(step, 0.25, 0.002)
    assert found[0] == known[0] == "epoch: 3 step: 5, loss is 0.25"
    assert found[1] == "Train epoch time: 10.000 ms, per step time: 2.000 ms"
    assert re.sub(r"\d+\.\d{3}", "N", found[1]) == re.sub(r"\d+\.\d{3}", "N", known[1])


def test_a_network_of_graph_mode_is_compiled_and_its_taps_are_not(
    backends: Callable[[str], Backend],
) -> None:
    pixels = np.random.default_rng(0).random((1, 3, 32, 32)).astype(np.float32)
    compiled, graph, plain = backends("mindspore").call("model_zoo.work.graph_calls", pixels)
    assert compiled == ["MIMOUNet"]
    for name, array in plain.items():
        np.testing.assert_allclose(graph[name], array, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        ("train", ["--dataset_root", "nowhere"], "expected a folder with train/blur"),
        ("evaluate", ["--dataset_root", "nowhere"], "expected a folder with test/blur"),
        ("evaluate", ["--ckpt_file", "nowhere.ckpt"], "nowhere.ckpt"),
        ("export", ["--ckpt_file", "nowhere.ckpt"], "nowhere.ckpt"),
        ("export", ["--export_file_format", "MINDI"], "did you mean 'MINDIR'?"),
        ("train", ["--dataset_rot", "2"], "did you mean 'dataset_root'?"),
    ],
)
def test_the_users_mistakes_are_one_error_and_exit_3(
    data: Path, program: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [] if "nowhere" in words else ["--dataset_root", str(data)]
    main = {"train": train.main, "evaluate": evaluate.main, "export": export.main}[program]
    assert main([*given, *words]) == ExitCode.BAD_INPUT
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


def test_a_checkpoint_of_another_network_is_refused(trained: Path, data: Path) -> None:
    words = ["--ckpt_file", trained / "MIMO-UNet-2_2.ckpt", "--dataset_root", data]
    done = run("evaluate", *words, "--model_name", "MIMO-UNetPlus")
    assert done.returncode == ExitCode.BAD_INPUT, done.stderr
    assert "Traceback" not in done.stderr


def test_it_validates_and_saves_by_epochs(trained: Path) -> None:
    rows = read_log(trained / LOG)
    assert [row["step"] for row in rows if "psnr_db" in row and row["step"]] == [2, 4]
    found = sorted(path.name for path in trained.glob("*.ckpt"))
    assert found == ["MIMO-UNet-1_2.ckpt", "MIMO-UNet-2_2.ckpt"]


def test_mindspore_loads_the_files_under_the_known_ports_names(
    trained: Path, backends: Callable[[str], Backend]
) -> None:
    found = backends("mindspore").call("model_zoo.work.load", str(trained / "MIMO-UNet-2_2.ckpt"))
    assert found.keys() == {LAYOUTS["mimo_unet"].table.theirs(name) for name in weights(trained)}
    assert "Encoder.0.layers.0.main.0.main.0.weight" in found


def test_training_state_beside_weights_is_told_from_them(
    trained: Path, tmp_path: Path, backends: Callable[[str], Backend]
) -> None:
    plain, whole = trained / "MIMO-UNet-2_2.ckpt", tmp_path / "MIMO-UNet-2_2.ckpt"
    backends("mindspore").call("model_zoo.work.save_training_state", str(plain), str(whole))
    assert whole.stat().st_size > 2.5 * plain.stat().st_size
    found = load_weights(whole).arrays
    known = weights(trained)
    assert found.keys() == known.keys()
    assert all(np.array_equal(found[name], known[name]) for name in known)


def test_evaluation_measures_both_resizings_and_saves_pictures(data: Path, trained: Path) -> None:
    pictures = data.parent / "pictures"
    words = ["--dataset_root", data, "--ckpt_file", trained / "MIMO-UNet-2_2.ckpt"]
    done = run("evaluate", *words, "--img_save_directory", pictures, "--resize", "both")
    assert done.returncode == 0, done.stderr
    assert "gives the higher PSNR, by" in done.stdout
    assert "{'mimo_unet-gopro': {'psnr': " in done.stdout
    assert "{'mimo_unet-mindspore': {'psnr': " in done.stdout
    saved = sorted(path.name for path in (pictures / "port").iterdir())
    assert saved == sorted(f"{n}_{kind}.png" for n in range(4) for kind in ("blur", "pred"))


@pytest.mark.goldens
def test_mindir_and_onnx_are_proven_at_the_exported_size(trained: Path, tmp_path: Path) -> None:
    for form, suffix in (("MINDIR", "mindir"), ("ONNX", "onnx")):
        words = ["--ckpt_file", trained / "MIMO-UNet-2_2.ckpt", "--export_device_target", "CPU"]
        done = run("export", *words, "--export_file_format", form, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"MIMO-UNet.{suffix}").stat().st_size > 100_000


@pytest.mark.goldens
def test_half_precision_learns_the_demo_as_float32_does(tmp_path: Path) -> None:
    half = ["precision=float16", "precision_whole=true", "loss_scale=dynamic"]
    few = ["steps=300", "optimizer.learning_rate=1e-3", "average.decay=0.99"]
    shaken = ["data.degradation=motion", "data.kernel_px=15"]
    psnr_db = []
    for name, more in (("float32", []), ("float16", half)):
        words = ["mimo_unet:demo", "graph=true", "workers=1", *few, *shaken, *more]
        done = run("train", *words, "--output", tmp_path / name, "--quiet")
        assert done.returncode == 0, done.stderr
        scored = [row["psnr_db"] for row in read_log(tmp_path / name / LOG) if "psnr_db" in row]
        assert scored[-1] > scored[0]
        psnr_db.append(scored[-1])
    assert abs(psnr_db[0] - psnr_db[1]) < 0.2
