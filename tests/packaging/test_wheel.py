"""The wheel in environments made for it: without any framework, and with PyTorch's extra."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import restoration
from restoration.models.registry import find
from restoration.process.frameworks import PACKAGES
from tests.backends import ROOT, Backend
from tests.packaging.environments import Environment, build_wheel

BASE = {"numpy", "safetensors", "rich", "markdown-it-py", "mdurl", "pygments"}
"""The base dependencies, and what rich brings."""

DATA = (
    *(f"{package}/py.typed" for package in PACKAGES),
    "weights_convert/checkpoints/schemas.json",
    "parity/report/comparison.schema.json",
    "parity/report/training.schema.json",
    "mindspore_impl/kernels.cpp",
    *(f"mindspore_impl/configs/{device}_config.yaml" for device in ("cpu", "gpu", "ascend")),
)
GOLDEN = ROOT / "tests" / "golden" / "mimo_unet.safetensors"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel and its base dependencies, nothing else."""
    environment = Environment(tmp_path_factory.mktemp("base") / "env")
    environment.install(wheel)
    return environment


def test_the_base_has_no_framework_and_nothing_for_pictures(base: Environment) -> None:
    program = (
        "import importlib.metadata as m, json;"
        "print(json.dumps([d.metadata['Name'].lower() for d in m.distributions()]))"
    )
    found = set(json.loads(base.run("python", "-c", program, cwd=base.bin).stdout))
    assert found == BASE | {"restoration-suite"}


def test_package_data_and_version(base: Environment) -> None:
    for file in DATA:
        assert (base.packages / file).read_bytes() == (ROOT / file).read_bytes()
    program = (
        "import importlib.metadata as m, restoration;"
        "print(restoration.__version__, m.version('restoration-suite'))"
    )
    versions = base.run("python", "-c", program, cwd=base.bin).stdout.split()
    assert versions == [restoration.__version__] * 2


@pytest.mark.frameworks("torch")
def test_a_checkpoint_is_converted_without_a_framework(
    base: Environment, backends: Callable[[str], Backend], tmp_path: Path
) -> None:
    spec = find("mimo_unet").spec("tiny")
    weights = backends("torch").call("convert.work.save_network", str(tmp_path / "a.pth"), spec)
    finished = base.run("weights-convert", "a.pth", "a.safetensors", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    converted = load_file(tmp_path / "a.safetensors")
    assert converted.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(converted[name], array, strict=True)


def test_the_commands_give_help_and_pictures_name_their_extra(
    base: Environment, tmp_path: Path
) -> None:
    for command in ("weights-convert", "parity", "restore"):
        finished = base.run(command, "--help", cwd=tmp_path)
        assert finished.returncode == 0, finished.stderr
        assert f"usage: {command}" in finished.stdout
    finished = base.run("parity", "run", "mimo_unet", "--frameworks", "torch", cwd=tmp_path)
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "expected the package skimage, got none" in line
    assert "pip install 'restoration-suite[pictures]'" in line


@pytest.mark.frameworks("torch")
def test_another_interpreter_keeps_its_own_packages(base: Environment, tmp_path: Path) -> None:
    """A worker under `--python` must not import what lies beside the installed suite."""
    trap = base.packages / "torch.py"
    trap.write_text("raise ImportError('the torch of the other environment')\n")
    finished = base.run(
        "parity", "run", "--frameworks", "torch", "--python", f"torch={sys.executable}",
        "--golden", GOLDEN, cwd=tmp_path,
    )  # fmt: skip
    trap.unlink()
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.fixture(scope="session")
def with_torch(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with its extra for PyTorch."""
    environment = Environment(tmp_path_factory.mktemp("with_torch") / "env")
    environment.install(f"{wheel}[torch]")
    return environment


@pytest.mark.goldens
def test_parity_runs_from_any_folder(with_torch: Environment, tmp_path: Path) -> None:
    finished = with_torch.run("parity", "run", "mimo_unet", "--frameworks", "torch", cwd=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "all implementations agree" in finished.stdout


@pytest.mark.goldens
def test_parity_uses_the_framework_of_another_environment(
    wheel: Path, with_torch: Environment, tmp_path: Path
) -> None:
    pictures = Environment(tmp_path / "pictures")
    pictures.install(f"{wheel}[pictures]")
    finished = pictures.run(
        "parity", "run", "mimo_unet", "--frameworks", "torch",
        "--python", f"torch={with_torch.python}", cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
