"""The commands on bad input and on broken machines: one clear line, the right exit code."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from restoration.errors import ExitCode
from tests.parity import faults
from tests.parity.test_parity import HERE, parity

pytestmark = pytest.mark.frameworks()

GOLDEN = HERE / "golden" / "mimo_unet.safetensors"


def _one_line(finished: subprocess.CompletedProcess[str]) -> str:
    """The single line of an error; no traceback, nothing on stdout."""
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    lines = [line for line in finished.stderr.splitlines() if line.startswith("parity: ")]
    assert len(lines) == 1, finished.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("mimounet",), "got 'mimounet'"),
        (
            ("mimo_unet", "--spec", "huge"),
            "spec of mimo_unet: expected one that is known, got 'huge'",
        ),
        (("mimo_unet", "--size", "9999x9999"), "expected at most 512x512"),
        (("mimo_unet", "--image", "missing.png"), "expected an existing file, got nothing"),
        (("mimo_unet", "--image", "text.png"), "text.png"),
        (("mimo_unet", "--weights", "missing.safetensors"), "missing.safetensors"),
        (("mimo_unet", "--weights", "text.png"), "got a text: no image, no weights (first bytes)"),
        (("mimo_unet", "mimo_unet_plus", "--weights", "x"), "expected one model, got 2"),
        (("--golden", "text.png"), "a readable safetensors file"),
        (("--golden", f"{HERE}/golden/lm_lte-cmsr-table.safetensors"), "got kind 'cmsr'"),
        (("mimo_unet", "--golden", "x"), "expected either models or --golden"),
        (("--seeds", "1,2", "--golden", "x"), "expected either models or --golden"),
        (("mimo_unet", "mimo_unet", "--frameworks", "torch"), "got 'mimo_unet-tiny' twice"),
        (("mimo_unet", "--python", "tensorflow=/usr/bin/python3"), "got 'tensorflow'"),
        (("mimo_unet", "--runs", "text.png/runs"), "Not a directory"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    (tmp_path / "text.png").write_text("no image, no weights")
    finished = parity("run", *arguments, cwd=tmp_path)
    assert finished.returncode == ExitCode.BAD_INPUT
    assert text in _one_line(finished)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("run", "--size", "big"), "expected HEIGHTxWIDTH in pixels, such as 96x128, got 'big'"),
        (("run", "--size", "0x"), "got '0x'"),
        (("run", "--size", "0x96"), "got '0x96'"),
        (("run", "--gradient-size", "32x-48"), "got '32x-48'"),
        (("run", "--frameworks", "keras"), "no framework 'keras'"),
        (("run", "--photographs", "dog"), "no photograph 'dog'"),
        (("run", "--seed", "-1"), "expected a whole number from 0, got '-1'"),
        (("run", "--seeds", "5-3"), "such as 1-20,26, got '5-3'"),
        (("run", "--seeds", "1-"), "got '1-'"),
        (("run", "--seeds", "1,,2"), "got ''"),
        (("run", "--seeds", "0-99999999999"), "expected at most 10000 seeds"),
        (("run", "--seeds", "1", "--seed", "1"), "not allowed with argument"),
        (("run", "--parallel", "0"), "expected a whole number from 1, got '0'"),
        (("run", "--timeout", "nan"), "expected a number of seconds above 0, got 'nan'"),
        (("run", "--device", "tpu"), "invalid choice: 'tpu'"),
        (("run", "--fast"), "unrecognized arguments: --fast"),
        (("run", "--golden"), "expected at least one argument"),
        (("doctor", "--python", "torch"), "expected NAME=VALUE, got 'torch'"),
        (("fly",), "invalid choice: 'fly'"),
        ((), "required: COMMAND"),
    ],
)
def test_wrong_options_are_bad_input(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    finished = parity(*arguments, cwd=tmp_path)
    assert finished.returncode == ExitCode.BAD_INPUT
    assert finished.stdout == ""
    assert "usage: parity" in finished.stderr
    assert text in finished.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_help_of_each_command(tmp_path: Path) -> None:
    for command in ((), ("run",), ("doctor",)):
        finished = parity(*command, "--help", cwd=tmp_path)
        assert finished.returncode == 0
        assert "usage: parity" in finished.stdout
    assert "0 agree" in parity("--help", cwd=tmp_path).stdout


def test_the_console_script_is_the_module(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("parity")
    printed = subprocess.run(
        [str(script), "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert printed == parity("--help", cwd=tmp_path).stdout


def test_weights_of_another_model_list_what_differs(tmp_path: Path) -> None:
    weights = {
        name.removeprefix("weights/"): array
        for name, array in load_file(GOLDEN).items()
        if name.startswith("weights/")
    }
    weights["Extra.main.0.weight"] = weights.pop("Convs.0.main.0.weight")
    save_file(weights, tmp_path / "other.safetensors")
    options = ("--frameworks", "torch", "--weights", "other.safetensors")
    finished = parity("run", "mimo_unet", *options, cwd=tmp_path)
    assert finished.returncode == ExitCode.BAD_INPUT
    assert "1 missing (Convs.0.main.0.weight), 1 unexpected (Extra.main.0.weight)" in _one_line(
        finished
    )
    assert finished.stderr.splitlines()[1:] == ["- Convs.0.main.0.weight", "+ Extra.main.0.weight"]

    del weights["Extra.main.0.weight"]
    weights["Convs.1.main.0.bias"] = np.zeros(9, np.float32)
    save_file(weights, tmp_path / "other.safetensors")
    finished = parity("run", "mimo_unet", *options, cwd=tmp_path)
    assert finished.returncode == ExitCode.BAD_INPUT
    assert "1 missing (Convs.0.main.0.weight), 1 misshapen (Convs.1.main.0.bias)" in _one_line(
        finished
    )
    assert finished.stderr.splitlines()[1:] == [
        "- Convs.0.main.0.weight",
        "! Convs.1.main.0.bias: shape (9,), the network's is (4,)",
    ]


def test_a_users_image_of_any_size_and_kind(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    iio.imwrite(tmp_path / "one.png", rng.integers(0, 255, (1, 1), dtype=np.uint8))
    iio.imwrite(tmp_path / "odd.png", rng.integers(0, 255, (17, 33, 4), dtype=np.uint8))
    finished = parity(
        "run", "mimo_unet", "--frameworks", "torch", "--image", "one.png", "--image", "odd.png",
        cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == ExitCode.OK, finished.stdout + finished.stderr
    assert "mimo_unet-tiny-odd" in finished.stdout


def test_an_absent_device_is_one_clear_row(tmp_path: Path) -> None:
    finished = parity(
        "run", "mimo_unet", "--frameworks", "mindspore", "--device", "ascend", cwd=tmp_path
    )
    assert finished.returncode == ExitCode.INCOMPLETE
    assert "cannot use 'ascend' here: it finds cpu" in finished.stdout
    assert "could not run" in finished.stdout


def _interpreter(path: Path, before: str) -> Path:
    """An interpreter of its own: this one, after a line of shell."""
    path.write_text(f'#!/bin/sh\n{before}\nexec "{sys.executable}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _without(package: str, folder: Path) -> str:
    """A line of shell after which a package cannot be imported."""
    shadow = folder / f"without_{package}" / package
    shadow.mkdir(parents=True)
    text = f"raise ModuleNotFoundError(\"No module named '{package}'\", name={package!r})\n"
    (shadow / "__init__.py").write_text(text)
    return f'export PYTHONPATH="{shadow.parent}:$PYTHONPATH"'


def test_a_framework_may_have_another_interpreter(tmp_path: Path) -> None:
    other = _interpreter(tmp_path / "other", f'echo used >> "{tmp_path}/mark"')
    finished = parity(
        "run", "mimo_unet", "--frameworks", "mindspore", "--python", f"mindspore={other}",
        cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == ExitCode.OK, finished.stdout
    assert (tmp_path / "mark").read_text() == "used\n"


def test_a_missing_framework_is_a_row_and_the_others_finish(tmp_path: Path) -> None:
    broken = _interpreter(tmp_path / "broken", _without("mindspore", tmp_path))
    finished = parity(
        "run", "mimo_unet", "--frameworks", "mindspore", "--python", f"mindspore={broken}",
        "--engine", "copy=torch_impl", "--engine", "ghost=ghost_impl",
        "--python", "ghost=/nowhere/python", cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == ExitCode.INCOMPLETE
    assert "mindspore: mindspore is not installed: " in finished.stdout
    assert "ghost: /nowhere/python cannot be started: No such file" in finished.stdout
    rows = json.loads(next(tmp_path.glob("runs/*/result.json")).read_text())["rows"]
    assert {row["framework"]: row["verdict"] for row in rows} == {
        "torch": "agree",
        "mindspore": "could not run",
        "copy": "agree",
        "ghost": "could not run",
    }


def test_without_the_reference_nothing_is_proven(tmp_path: Path) -> None:
    broken = _interpreter(tmp_path / "broken", _without("torch", tmp_path))
    finished = parity(
        "run", "mimo_unet", "--frameworks", "mindspore", "--python", f"torch={broken}",
        "--no-cache", cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == ExitCode.INCOMPLETE
    assert "torch: torch is not installed" in finished.stdout
    assert "mindspore: no truth: torch could not run" in finished.stdout


def test_doctor_on_a_good_machine(tmp_path: Path) -> None:
    finished = parity("doctor", "--json", cwd=tmp_path)
    findings = {finding["subject"]: finding for finding in json.loads(finished.stdout)}
    for framework in ("torch", "jittor", "mindspore"):
        assert findings[framework]["ok"], findings[framework]
        assert "devices: cpu" in findings[framework]["text"]
    assert "oneDNN 2.2" in findings["jittor"]["text"]
    assert findings["compiler"]["ok"]
    assert findings["numpy"]["text"] == np.__version__
    assert finished.returncode == ExitCode.OK


def test_doctor_on_a_broken_machine_tells_what_fixes_it(tmp_path: Path) -> None:
    broken = _interpreter(tmp_path / "broken", _without("mindspore", tmp_path))
    (tmp_path / "file").write_text("")
    finished = parity(
        "doctor", "--python", f"mindspore={broken}", "--python", "torch=/nowhere/python",
        cwd=tmp_path, PATH="/nowhere", RESTORATION_CACHE=str(tmp_path / "file"),
    )  # fmt: skip
    assert finished.returncode == ExitCode.INCOMPLETE, finished.stderr
    assert "Traceback" not in finished.stderr
    printed = " ".join(finished.stdout.split())
    assert "wrong compiler no g++" in printed
    assert "to fix compiler: apt-get install g++" in printed
    assert "wrong cache" in printed
    assert "wrong torch /nowhere/python cannot be started" in printed
    assert f"to fix mindspore: {broken} -m pip install mindspore==2.10.0" in printed
    assert "wrong jittor" in printed


def test_interrupting_ends_the_workers(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(
        [sys.executable, "-m", "parity", "run", "mimo_unet", "--frameworks", "torch", "--no-cache"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "float64" in line:
            break
    process.send_signal(2)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "parity: interrupted" in rest
    assert "Traceback" not in rest


def test_interrupting_ends_the_ports_at_once(tmp_path: Path) -> None:
    """Two of three ports would not come back, the other waits for its turn."""
    names = {"one", "two", "three"}
    packages = tmp_path / "packages"
    packages.mkdir()
    engines = []
    for name in sorted(names):
        faults.write_package(packages, f"port_{name}", framework="torch", change="hang")
        engines += ["--engine", f"{name}=port_{name}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "parity", "run", "mimo_unet", "--frameworks", "torch", *engines],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{packages}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    at_work = set()
    for line in process.stderr:
        name, _, text = line.partition(": ")
        at_work |= {name} if text.startswith("mimo_unet-tiny: outputs") else set()
        if len(at_work & names) == 2:
            break
    process.send_signal(2)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "parity: interrupted" in rest
    (waiting,) = names - at_work
    assert f"{waiting}: starting" not in rest
