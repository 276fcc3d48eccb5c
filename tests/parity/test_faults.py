"""The comparator finds every planted fault and names its place, and raises no false alarm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from parity.cases import sources
from parity.cases.case import Case
from parity.commands.run import run
from parity.judge.verdicts import BOUND, Verdict
from parity.report.progress import Progress
from parity.report.result import Row, Run
from restoration.errors import ExitCode
from restoration.process.launch import Worker
from tests.parity import faults

pytestmark = pytest.mark.frameworks()

GOLDEN = Path(__file__).parents[1] / "golden" / "mimo_unet.safetensors"
REFERENCE = Worker("torch", "torch_impl")


def _photographs() -> Case:
    return sources.photograph_case(
        "mimo_unet",
        spec_name="tiny",
        photographs=("cat",),
        size_px=(48, 64),
        gradient_size_px=(32, 48),
        seed=0,
    )


def _run(folder: Path, ports: dict[str, str], *, silence_s: float = 120.0) -> Run:
    """One run with changed ports: {change: framework it is made from}."""
    packages = folder / "packages"
    packages.mkdir()
    before = os.environ.get("PYTHONPATH", "")
    workers = [
        Worker(
            change,
            faults.write_package(packages, f"port_{change}", framework=framework, change=change),
            silence_s=silence_s,
        )
        for change, framework in ports.items()
    ]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(packages), before]))
    try:
        with Progress(quiet=True) as progress:
            return run([_photographs()], REFERENCE, workers, runs_folder=folder, progress=progress)
    finally:
        os.environ["PYTHONPATH"] = before


def _row(result: Run, framework: str) -> Row:
    return next(row for row in result.rows if row.framework == framework)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _run(tmp_path_factory.mktemp("faulty"), dict.fromkeys(faults.FAULTS, "torch"))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _run(tmp_path_factory.mktemp("honest"), dict.fromkeys(faults.HONEST, "torch"))


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_planted_fault_is_found_and_named(faulty: Run, fault: str) -> None:
    row = _row(faulty, fault)
    assert row.verdict is Verdict.DIFFER, row.reason
    assert row.fault.startswith(faults.FAULTS[fault])
    assert row.judged is not None
    assert row.judged.worst is not None
    assert row.judged.worst.ratio > 2 * BOUND
    assert faulty.exit_code is ExitCode.DIFFERENT


@pytest.mark.parametrize("variation", faults.HONEST)
def test_honest_variation_agrees(honest: Run, variation: str) -> None:
    row = _row(honest, variation)
    assert row.verdict is Verdict.AGREE, row.fault or row.reason
    assert row.judged is not None
    assert row.judged.worst is not None
    assert 0 < row.judged.worst.ratio < BOUND / 1.5
    assert row.judged.compared == row.judged.expected
    assert honest.exit_code is ExitCode.OK


def test_a_module_that_is_not_shown_is_no_pass(tmp_path: Path) -> None:
    result = _run(tmp_path, {"untapped_module": "torch"})
    row = _row(result, "untapped_module")
    assert row.verdict is Verdict.INCOMPLETE
    assert row.judged is not None
    assert row.judged.expected - row.judged.compared == 3  # two inputs, one output
    missing = [str(a.key) for a in row.judged.arrays if a.verdict is Verdict.INCOMPLETE]
    assert missing[0] == "tap/attention3#0.in0"
    assert result.exit_code is ExitCode.INCOMPLETE


def test_faults_in_real_ports_are_named(tmp_path: Path) -> None:
    """The slip of the public MindSpore port, planted in both ports."""
    result = _run(tmp_path, {"asymmetric_for_nearest": "jittor"})
    row = _row(result, "asymmetric_for_nearest")
    assert row.verdict is Verdict.DIFFER
    assert row.fault.startswith("fusion2.conv2: its input differs, so the code of fusion2")
    again = tmp_path / "mindspore"
    again.mkdir()
    row = _row(_run(again, {"asymmetric_for_nearest": "mindspore"}), "asymmetric_for_nearest")
    assert row.fault.startswith("fusion2.conv2: its input differs, so the code of fusion2")


def test_whatever_happens_to_a_worker_the_others_finish(tmp_path: Path) -> None:
    ports = dict.fromkeys(("crash", "out_of_memory", "hang", "exception", "honest"), "torch")
    result = _run(tmp_path, ports, silence_s=15.0)
    reasons = {row.framework: row.reason for row in result.rows}
    assert "ended by SIGABRT" in reasons["crash"]
    assert "ended by SIGKILL" in reasons["out_of_memory"]
    assert "memory runs out" in reasons["out_of_memory"]
    assert "no sign of life for 15 s" in reasons["hang"]
    assert reasons["exception"] == "RuntimeError: no kernel for this operator"
    verdicts = {row.framework: row.verdict for row in result.rows}
    assert verdicts["honest"] is Verdict.AGREE
    assert verdicts["torch"] is Verdict.AGREE
    assert [verdicts[port] for port in list(ports)[:4]] == [Verdict.FAILED] * 4
    assert result.exit_code is ExitCode.INCOMPLETE
