"""The action: its schema, its safety, and its steps, run here as a runner would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from parity.commands import gate
from restoration.errors import InputError
from tests.backends import ROOT
from tests.packaging.test_workflows import SAFETY, _run
from tests.packaging.test_workflows import SCHEMA as WORKFLOW_SCHEMA
from tests.parity.sloped import NETWORK

ACTION = ROOT / "action.yml"
SCHEMA = ("check-jsonschema", "--builtin-schema", "vendor.github-actions")
EXAMPLES = ROOT / "examples" / "pytest"


def _action() -> dict[str, Any]:
    return dict(yaml.safe_load(ACTION.read_text()))


def test_the_action_fits_its_schema_and_is_safe() -> None:
    for tool in (SCHEMA, SAFETY):
        finished = _run(*tool, ACTION)
        assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("tool", "right", "wrong", "word"),
    [
        (SCHEMA, "using: composite", "using: mixture", "mixture"),
        (SAFETY, "gate extras", "gate ${{ inputs.port }}", "template-injection"),
    ],
)
def test_a_planted_fault_of_the_action_is_found(
    tmp_path: Path, tool: tuple[str, ...], right: str, wrong: str, word: str
) -> None:
    (tmp_path / "action.yml").write_text(ACTION.read_text().replace(right, wrong))
    finished = _run(*tool, tmp_path / "action.yml")
    assert finished.returncode != 0
    assert word in finished.stdout + finished.stderr


def test_every_input_reaches_the_gate_and_no_script_has_an_expression() -> None:
    action = _action()
    steps = action["runs"]["steps"]
    assert not any("${{" in step.get("run", "") for step in steps)
    (step,) = (step for step in steps if step.get("id") == "gate")
    used = set(re.findall(r"inputs\.([\w-]+)", yaml.safe_dump(steps)))
    assert used == set(action["inputs"])
    given = {f"PARITY_{name.upper().replace('-', '_')}" for name in gate.OPTIONS}
    others = {f"PARITY_{name}" for name in ("REFERENCE", "PORT", "COMMAND", "ARGUMENTS", "BOUND")}
    assert set(step["env"]) == given | others


class Runner:
    """Runs the steps of the action that are scripts, in a checkout, with GitHub's files."""

    def __init__(self, folder: Path, checkout: Path):
        self.folder, self.checkout = folder, checkout
        self.summary, self.output = folder / "summary.md", folder / "output"
        self.log = ""
        (folder / "bin").mkdir()
        self.asked = folder / "asked"
        python = folder / "bin" / "python"
        python.write_text(
            "#!/bin/sh\n"
            f'case "$*" in *"-m pip "*) printf "%s\\n" "$@" > "{self.asked}"; exit;; esac\n'
            f'exec "{sys.executable}" "$@"\n'
        )
        python.chmod(0o755)

    def run(self, **inputs: str) -> int:
        """The exit code of the first step that fails, or 0. inputs: "port_weights" for a dash."""
        action = _action()
        given = {name: one["default"] for name, one in action["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        for file in (self.summary, self.output):
            file.write_text("")

        def valued(text: str) -> str:
            """Expressions replaced by their values, as GitHub does."""
            text = text.replace("${{ github.action_path }}", str(ROOT))
            return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], text)

        for step in action["runs"]["steps"]:
            if "run" not in step:
                continue
            variables = {name: valued(value) for name, value in step.get("env", {}).items()}
            assert not any("${{" in value for value in variables.values())
            variables |= {
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "GITHUB_OUTPUT": str(self.output),
                "GITHUB_WORKSPACE": str(self.checkout),
                "GITHUB_SERVER_URL": "S",
                "GITHUB_REPOSITORY": "OWNER/NAME",
                "GITHUB_RUN_ID": "7",
                "RUNNER_TEMP": str(self.folder),
                "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
            }
            finished = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=self.checkout / valued(step.get("working-directory", ".")),
                env=os.environ | variables,
                capture_output=True,
                text=True,
                check=False,
            )
            self.log = finished.stdout + finished.stderr
            if finished.returncode:
                return finished.returncode
        return 0

    @property
    def outputs(self) -> dict[str, str]:
        lines = self.output.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def commands(self) -> list[str]:
        """What GitHub obeys: nothing between ::stop-commands:: and its token."""
        found, token = [], ""
        for line in self.log.splitlines():
            if token:
                token = "" if line == f"::{token}::" else token
            elif line.startswith("::stop-commands::"):
                token = line.removeprefix("::stop-commands::")
            elif line.startswith("::"):
                found.append(line)
        assert not token
        return found


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    checkout = tmp_path / "checkout"
    (checkout / "my port").mkdir(parents=True)
    (checkout / "my port" / "network.py").write_text(NETWORK)
    return Runner(tmp_path, checkout)


@pytest.mark.frameworks("torch")
def test_a_port_that_agrees_passes(runner: Runner) -> None:
    sides = {"reference": "torch:network.py:build", "port": "torch:network.py:build"}
    code = runner.run(**sides, input="x=1x3x8x12", working_directory="my port", bound="17")
    assert code == 0, runner.log
    assert runner.commands == []
    assert "All implementations agree" in runner.summary.read_text()
    assert "bound 17" in runner.summary.read_text()
    assert runner.outputs["verdict"] == "agree"
    files = {path.name for path in Path(runner.outputs["folder"]).iterdir()}
    assert files == {"parity.html", "parity.xml", "parity.json"}
    *_, constraint, what = runner.asked.read_text().splitlines()
    assert constraint == f"{ROOT}/constraints.txt"
    assert what == f"{ROOT}[torch,pictures,report]"


@pytest.mark.frameworks("torch")
def test_a_port_that_differs_fails_at_its_line_and_its_text_writes_no_command(
    runner: Runner,
) -> None:
    port = runner.checkout / "my port" / "p$(touch owned)%0A.py"
    port.write_text(NETWORK.replace("self.act", "self.act")
                    + "\nprint('::error::from the port')\n"
                    + "import sys; print('::error::from the port', file=sys.stderr)\n")  # fmt: skip
    code = runner.run(
        reference="torch:network.py:build",
        port=f"torch:{port.name}:build",
        arguments="""--port-args '{"slope": 0.2}' --input=x=1x3x8x12 --quiet""",
        working_directory="my port",
    )
    assert code == 1, runner.log
    first, *_ = runner.commands
    assert first.startswith("::error file=my port/p$(touch owned)%250A.py,line=12,title=parity")
    assert "slope: 0.2 for 0.1" in first
    assert all(line.startswith("::error ") for line in runner.commands)
    assert not any("from the port" in line for line in runner.commands)
    assert not list(runner.folder.rglob("owned"))
    assert runner.outputs["verdict"] == "differ"
    assert "S/OWNER/NAME/actions/runs/7#artifacts" in runner.summary.read_text()
    page = (Path(runner.outputs["folder"]) / "parity.html").read_text()
    assert "slope" in page


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "expected reference and port, or command, got none"),
        ({"port": "torch:a.py:b"}, "expected reference and port, or command, got port"),
        ({"reference": "torch:no.py:b", "port": "torch:no.py:b"}, "expected a file, got none"),
        ({"command": "run", "bound": "wide"}, "expected a number above 0, got 'wide'"),
        ({"command": "run 'mimo_unet"}, "No closing quotation"),
    ],
)
def test_what_cannot_be_run_is_said_as_an_error(
    runner: Runner, inputs: dict[str, str], said: str
) -> None:
    assert runner.run(**inputs, install="false") == 3
    (command,) = runner.commands
    assert command.startswith("::error title=parity::")
    assert said in command
    assert runner.outputs.get("folder", "") == ""


def test_the_workflow_of_the_page_has_ten_lines_and_is_safe(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(text.splitlines()) == 10
    inputs = yaml.safe_load(text)["jobs"]["parity"]["steps"][1]["with"]
    assert set(inputs) <= set(_action()["inputs"])
    workflow = tmp_path / ".github" / "workflows" / "parity.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(text.replace("OWNER/NAME@REF", f"OWNER/NAME@{'0' * 40}"))
    for tool in (WORKFLOW_SCHEMA, (*SAFETY[:-1], "regular")):
        finished = _run(*tool, workflow)
        assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PARITY_REFERENCE": "arrays:a", "PARITY_PORT": "jittor:b.py:c"}, "jittor"),
        ({"PARITY_REFERENCE": "torch:a.py:b", "PARITY_PORT": "onnx:c"}, "torch,onnx"),
        ({"PARITY_COMMAND": "run"}, "torch,jittor,mindspore"),
        ({"PARITY_COMMAND": "run", "PARITY_FRAMEWORKS": "torch, jittor"}, "torch,jittor"),
    ],
)
def test_what_is_installed_follows_from_the_inputs(
    variables: dict[str, str], expected: str
) -> None:
    assert gate.extras(variables) == f"{expected},pictures,report"


def test_an_unknown_framework_is_not_installed() -> None:
    with pytest.raises(InputError, match="got 'keras'"):
        gate.extras({"PARITY_FRAMEWORKS": "keras"})


def test_asking_what_to_install_needs_nothing_that_is_installed() -> None:
    finished = subprocess.run(
        [sys.executable, "-S", "-P", "-m", "parity.commands.gate", "extras"],
        env={"PYTHONPATH": str(ROOT), "PARITY_REFERENCE": "torch:a.py:b", "PARITY_PORT": "onnx:c"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == "torch,onnx,pictures,report\n"
