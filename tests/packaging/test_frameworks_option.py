"""`pytest --frameworks`: what needs another framework is left out and counted, never skipped."""

from __future__ import annotations

import subprocess
import sys

import pytest

from restoration.process.frameworks import FRAMEWORKS
from tests.backends import ROOT

pytestmark = pytest.mark.frameworks()

FILES = ("tests/layers/test_activation.py", "tests/parity/test_cli.py", "tests/porting")


def _collect(frameworks: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider",
            "--frameworks", frameworks, *FILES,
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def everything() -> str:
    finished = _collect(",".join(FRAMEWORKS))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_all_frameworks_leave_nothing_out(everything: str) -> None:
    assert "deselected" not in everything


def test_one_framework_leaves_out_what_needs_another(everything: str) -> None:
    collected = _collect("jittor").stdout
    tests = {line for line in collected.splitlines() if "::" in line}
    assert any(line.endswith("[jittor]") for line in tests)
    assert any("test_porting_jittor.py" in line for line in tests)
    for other in ("torch", "mindspore"):
        assert f"[{other}]" not in collected
    assert "test_porting_mindspore.py" not in collected
    assert "tests/parity/test_cli.py" not in collected
    before = sum("::" in line for line in everything.splitlines())
    assert f"{len(tests)}/{before} tests collected ({before - len(tests)} deselected)" in collected


def test_an_unknown_framework_is_an_error() -> None:
    finished = _collect("keras")
    assert finished.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no 'keras'; there are torch, jittor, mindspore" in finished.stderr
