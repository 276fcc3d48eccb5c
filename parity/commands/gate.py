"""What the action of GitHub (`action.yml`) does: `python -m parity.commands.gate`.

It compares as its inputs say, which come as variables, `PARITY_PORT` and the like, so that no text
of others gets into a script. `python -m parity.commands.gate extras` says what is to be installed;
that is asked before anything is, so nothing but the standard library is imported for it.
"""

from __future__ import annotations

import math
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from restoration.errors import ExitCode, InputError
from restoration.process.frameworks import FRAMEWORKS

if TYPE_CHECKING:  # before anything is installed, too
    from parity.report.saved import Saved

OPTIONS = ("weights", "port-weights", "inputs", "input", "rules", "alignment")
"""Inputs of the action that are options of `parity compare` of the same name."""
FILES = {"html": "parity.html", "junit": "parity.xml", "json": "parity.json"}
"""Reports by kind: what the artifact holds."""


def words_of(environment: Mapping[str, str]) -> list[str]:
    """The command that the inputs ask for.

    Raises:
        InputError: they name no networks and no command, or both, or quotes are not closed.
    """
    given = {
        name: environment.get(f"PARITY_{name.upper().replace('-', '_')}", "").strip()
        for name in ("reference", "port", "command", "arguments", *OPTIONS)
    }
    sides = [given["reference"], given["port"]]
    if not (all(sides) if not given["command"] else not any(sides)):
        got = ", ".join(name for name in ("reference", "port", "command") if given[name])
        raise InputError(
            "inputs of the action",
            expected="reference and port, or command",
            got=got or "none",
            where="with:",
            next_step="for example reference: torch:network.py:build, port: jittor:port.py:build",
        )
    more = _split(given["arguments"])
    if command := _split(given["command"]):
        return [*command, *more]
    options = [f"--{name}={given[name]}" for name in OPTIONS if given[name]]
    return ["compare", *options, *more, "--", *sides]


def bound_of(environment: Mapping[str, str]) -> float | None:
    """The bound that was asked for.

    Raises:
        InputError: it is no number above 0.
    """
    text = environment.get("PARITY_BOUND", "").strip()
    try:
        bound = float(text) if text else None
    except ValueError:
        bound = math.nan
    if bound is not None and not 0 < bound < math.inf:
        raise InputError(
            "bound",
            expected="a number above 0",
            got=repr(text),
            where="with:",
            next_step="leave it out for the documented one",
        )
    return bound


def extras(environment: Mapping[str, str]) -> str:
    """The extras of the suite that the inputs need, with commas."""
    asked = environment.get("PARITY_FRAMEWORKS", "").replace(",", " ").split()
    if not asked:
        sides = [environment.get(f"PARITY_{name}", "") for name in ("REFERENCE", "PORT")]
        kinds = {side.partition(":")[0] for side in sides if side}
        asked = [name for name in (*FRAMEWORKS, "onnx") if name in kinds]
        if environment.get("PARITY_COMMAND", "").strip():
            asked = list(FRAMEWORKS)
    unknown = [name for name in asked if name not in (*FRAMEWORKS, "onnx")]
    if unknown:
        raise InputError(
            "frameworks",
            expected=", ".join(FRAMEWORKS),
            got=repr(unknown[0]),
            where="with:",
            next_step="leave it out: those that the sides name are installed",
        )
    return ",".join([*dict.fromkeys(asked), "pictures", "report"])


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as problem:
        raise InputError(
            "arguments",
            expected="words as a shell takes them",
            got=str(problem),
            where="with:",
            next_step="close the quotes",
        ) from problem


def main(words: list[str]) -> int:
    """Do it; the exit code is that of the comparison."""
    environment = dict(os.environ)
    if words != ["extras"]:
        from restoration import console

        return console.run("parity", lambda: gate(environment))
    try:
        print(extras(environment))
    except InputError as problem:
        print(f"parity: {problem}", file=sys.stderr)
        return problem.exit_code
    return ExitCode.OK


def gate(environment: Mapping[str, str]) -> int:
    """Compare, annotate, sum up, and say where the files are."""
    from parity.report import github

    folder = Path(tempfile.mkdtemp(prefix="parity-", dir=environment.get("RUNNER_TEMP")))
    artifact, runs = folder / "artifact", folder / "runs"
    artifact.mkdir()
    try:
        command, *words = words_of(environment)
        bound = bound_of(environment)
        code, said = _run([command, "--runs", str(runs), *words])
        found = _judged(runs, bound)
    except InputError as problem:
        print(github.error(str(problem)))
        raise
    if found is None:
        code = code or ExitCode.INCOMPLETE
        print(github.error(said or f"parity ended with status {code} and no result"))
        github.set_outputs({"verdict": "could not run", "folder": ""}, environment)
        return code
    _write(found, artifact)
    for line in github.errors_of(found, Path(environment.get("GITHUB_WORKSPACE", "."))):
        print(line)
    size = github.add_summary(found, environment)
    print(f"summary: {size:,} bytes; page and files: {artifact}")
    github.set_outputs({"verdict": str(found.verdict), "folder": str(artifact)}, environment)
    return found.exit_code


def _run(words: list[str]) -> tuple[int, str]:
    """Run `parity`; its exit code, and the line in which it said why it could not run.

    What it prints are no commands to GitHub, whatever names are in it.
    """
    token = secrets.token_hex(16)
    print(f"$ parity {shlex.join(words)}".encode("unicode_escape").decode())
    print(f"::stop-commands::{token}", flush=True)
    command = [sys.executable, "-P", "-m", "parity", *words]
    said = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr
        for line in process.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            if line.startswith("parity"):
                said = line.strip()
    print(f"::{token}::", flush=True)
    return process.returncode, said


def _judged(runs: Path, bound: float | None) -> Saved | None:
    """The result that was saved, by the bound that was asked for; None where there is none."""
    from parity.report import saved

    if not runs.is_dir() or not any(runs.iterdir()):
        return None
    found = saved.read(saved.find(saved.LATEST, runs))
    return found if bound is None else saved.recheck(found, bound)


def _write(found: Saved, folder: Path) -> None:
    from parity.report import writers

    writers.write(found, [(kind, folder / name) for kind, name in FILES.items()])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
