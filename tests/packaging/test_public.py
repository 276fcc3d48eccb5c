"""What a stranger may import from the top of each package."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys

import pytest

import restoration
from tests.backends import ROOT

FACES = ("restoration", "parity", "weights_convert")


@pytest.mark.parametrize("package", FACES)
def test_every_public_name_is_there(package: str) -> None:
    face = importlib.import_module(package)
    assert list(face.__all__) == sorted(face.__all__, key=lambda name: (not name.isupper(), name))
    for name in face.__all__:
        assert getattr(face, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = face.nothing_of_that_name


def test_names_at_the_top_are_those_of_their_modules() -> None:
    from restoration.images.files import read_image
    from restoration.models.registry import find

    assert restoration.find is find
    assert restoration.read_image is read_image


@pytest.mark.parametrize("package", ["restoration", "parity"])
def test_importing_a_package_imports_nothing_else(package: str) -> None:
    program = f"import sys, {package}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_one_version() -> None:
    assert importlib.metadata.version("restoration-suite") == restoration.__version__
