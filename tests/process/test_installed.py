"""An installed suite and another interpreter: each keeps its own NumPy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from restoration.process.frameworks import PACKAGES
from restoration.process.launch import Process, Worker
from tests.backends import ROOT

WORK = """
def modules(session):
    import numpy, restoration, parity.worker
    return {"numpy": numpy.__file__, "restoration": restoration.__file__}
"""
PROGRAM = """
import json, sys, numpy, restoration
from pathlib import Path
from restoration.process.launch import Process, Worker
found = {"here": {"numpy": numpy.__file__, "restoration": restoration.__file__}}
for name, python in (("same", sys.executable), ("other", sys.argv[1])):
    with Process(Worker(name, "", python=python), Path(name)) as process:
        found[name] = process.call("work:modules")
print(json.dumps(found))
"""


def _environment(folder: Path) -> Path:
    """A virtual environment whose NumPy lies in it, as can be seen by its path; its folder of
    packages."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = Path(sysconfig.get_paths()["purelib"])
    for name in ("numpy", "safetensors"):
        (packages / name).symlink_to(ours / name)
    (packages / "work.py").write_text(WORK)
    return packages


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder of packages of an environment in which the suite is installed, as a wheel is."""
    packages = _environment(tmp_path / "here")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, packages / name, ignore=shutil.ignore_patterns("__pycache__"))
    (packages / "restoration_suite-0.1.0.dist-info").mkdir()
    return packages


def _run(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start a process of each environment from the installed suite."""
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    python, other = (str(tmp_path / name / "bin" / "python") for name in ("here", "other"))
    return subprocess.run(
        [python, "-c", PROGRAM, other],
        cwd=tmp_path,
        env={**inherited, "RESTORATION_CACHE": str(tmp_path / "cache"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_interpreter_imports_its_own_numpy(tmp_path: Path, installed: Path) -> None:
    others = _environment(tmp_path / "other")
    for _ in range(2):  # the second time the links are there
        finished = _run(tmp_path)
        assert finished.returncode == 0, finished.stderr
        found = json.loads(finished.stdout)
        assert found["here"]["restoration"] == str(installed / "restoration" / "__init__.py")
        assert found["here"]["numpy"] == str(installed / "numpy" / "__init__.py")
        assert found["same"]["numpy"] == str(installed / "numpy" / "__init__.py")
        assert found["other"]["numpy"] == str(others / "numpy" / "__init__.py")
        for name in ("same", "other"):
            suite = Path(found[name]["restoration"])
            assert tmp_path / "cache" in suite.parents
            assert suite.resolve() == installed / "restoration" / "__init__.py"
        (links,) = (tmp_path / "cache").glob("packages-*")
        assert {link.name for link in links.iterdir()} == set(PACKAGES)


@pytest.mark.usefixtures("installed")
def test_where_no_links_can_be_made_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finished = _run(tmp_path, RESTORATION_CACHE=str(tmp_path / "file"))
    assert "links to the packages of the suite cannot be made" in finished.stderr
    assert "set RESTORATION_CACHE to a folder that can be written" in finished.stderr


def test_a_checkout_is_imported_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    with Process(Worker("none", "", path=[str(tmp_path)]), tmp_path / "scratch") as process:
        found = process.call("work:modules")
    assert found["restoration"] == str(ROOT / "restoration" / "__init__.py")
    assert sys.prefix in found["numpy"]
