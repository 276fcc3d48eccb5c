"""`.github/workflows` and `.pre-commit-config.yaml`: valid, safe, and in step with the Makefile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from restoration.process.frameworks import FRAMEWORKS
from tests.backends import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PRE_COMMIT = ROOT / ".pre-commit-config.yaml"
SCHEMA = ("check-jsonschema", "--builtin-schema", "vendor.github-workflows")
SAFETY = ("zizmor", "--offline", "--quiet", "--strict-collection", "--persona", "pedantic")


def _run(tool: str, *arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(tool)), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def _steps(workflow: Path) -> list[dict[str, str]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def test_workflows_fit_their_schema() -> None:
    assert {path.stem for path in WORKFLOWS} == {"lint", "test", "goldens", "wheel", "parity"}
    finished = _run(*SCHEMA, *WORKFLOWS)
    assert finished.returncode == 0, finished.stdout


def test_workflows_and_hooks_are_safe() -> None:
    finished = _run(*SAFETY, *WORKFLOWS, PRE_COMMIT)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("tool", "right", "wrong", "word"),
    [
        (SCHEMA, "runs-on:", "run-on:", "runs-on"),
        (SAFETY, "$FRAMEWORKS", "${{ github.head_ref }}", "template-injection"),
        (SAFETY, "11bd71901bbe5b1630ceea73d27597364c9af683", "v4", "unpinned-uses"),
    ],
)
def test_a_planted_fault_is_found(
    tmp_path: Path, tool: tuple[str, ...], right: str, wrong: str, word: str
) -> None:
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    assert right in text
    workflow = tmp_path / ".github" / "workflows" / "test.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(text.replace(right, wrong))
    finished = _run(*tool, workflow)
    assert finished.returncode != 0
    assert word in finished.stdout + finished.stderr


def test_hooks_fit_their_schema(tmp_path: Path) -> None:
    assert _run("pre-commit", "validate-config", PRE_COMMIT).returncode == 0
    (tmp_path / "wrong.yaml").write_text(PRE_COMMIT.read_text().replace("entry:", "entries:"))
    assert _run("pre-commit", "validate-config", tmp_path / "wrong.yaml").returncode != 0


def test_jobs_and_hooks_run_targets_that_there_are() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "".join(path.read_text() for path in (*WORKFLOWS, PRE_COMMIT))
    used = set(re.findall(r"\bmake (\w+)", text.replace("`make ", "")))
    assert {"lint", "test", "goldens", "wheel", "workflows"} <= used <= targets


def test_every_framework_has_its_job_and_all_have_one(tmp_path: Path) -> None:
    """What the first job writes for the second, by its own lines."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]
    (step,) = (step for step in jobs["frameworks"]["steps"] if step.get("id") == "list")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {"GITHUB_OUTPUT": str(tmp_path / "output"), "PATH": path}
    subprocess.run(["bash", "-ec", step["run"]], cwd=ROOT, env=os.environ | variables, check=True)
    name, _, value = (tmp_path / "output").read_text().partition("=")
    assert name == "names"
    assert json.loads(value) == [*FRAMEWORKS, ",".join(FRAMEWORKS)]
    assert "needs.frameworks.outputs.names" in jobs["test"]["strategy"]["matrix"]["frameworks"]


def test_every_version_of_python_is_the_tested_one() -> None:
    versions = [
        step["with"]["python-version"]
        for path in WORKFLOWS
        for step in _steps(path)
        if step.get("uses", "").startswith("actions/setup-python@")
    ]
    assert len(versions) >= len(WORKFLOWS)
    assert set(versions) == {"3.11"}
