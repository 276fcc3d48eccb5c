"""What is said of the frameworks in one place is what the other places have."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from restoration.process.frameworks import DEVICES, FRAMEWORKS, PACKAGES, framework_of
from tests.backends import ROOT, Backend

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = (ROOT / "constraints.txt").read_text().splitlines()


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_versions_are_those_of_the_tested_environment(name: str) -> None:
    row = FRAMEWORKS[name]
    for requirement in (row.requirement, *row.companions):
        assert requirement in PINS


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_its_extra_installs_it_in_a_version_that_is_tested(name: str) -> None:
    row = FRAMEWORKS[name]
    extra = {
        found.name: found.specifier
        for found in map(Requirement, PROJECT["project"]["optional-dependencies"][name])
    }
    for requirement in (row.requirement, *row.companions):
        distribution, _, version = requirement.partition("==")
        assert version in extra[distribution]


def test_packages_are_those_of_the_tree() -> None:
    in_tree = {
        path.parent.name
        for path in ROOT.glob("*/__init__.py")
        if path.parent.name not in ("tests", "benchmarks")
    }
    assert set(PACKAGES) == in_tree
    for name in PACKAGES:
        assert any(
            Path(name).match(pattern)
            for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
        )


def test_a_framework_is_found_by_its_package() -> None:
    assert framework_of("jittor_impl") is FRAMEWORKS["jittor"]
    assert framework_of("my_port") is None


def test_what_installs_it_names_everything() -> None:
    command = FRAMEWORKS["jittor"].how_to_install("/other/python")
    assert command == (
        "/other/python -m pip install jittor==1.3.11.0 onednn-cpu-gomp==2021.2.0 "
        "onednn-devel-cpu-gomp==2021.2.0"
    )


def test_installed_is_what_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for row in FRAMEWORKS.values():
        assert row.is_installed()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.setattr("sys.path_importer_cache", {})
    for row in FRAMEWORKS.values():
        monkeypatch.delitem(sys.modules, row.name, raising=False)  # another test may import it
        assert not row.is_installed()


def test_engines_have_the_devices_and_the_name(backend: Backend) -> None:
    row = FRAMEWORKS[backend.framework]
    assert set(backend.call("devices")) <= set(row.devices) <= set(DEVICES)
    assert backend.call("engine_name") == row.name
    assert backend.call("describe")["framework"].startswith(f"{row.title} {row.version}")
