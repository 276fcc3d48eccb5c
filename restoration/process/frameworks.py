"""The frameworks, as data: one row each, and everything that lists frameworks reads it here."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Framework:
    """One framework.

    name: in options and reports; also its extra and the module that is imported. title: in prose.
    distribution, version: what is installed, and the version that the suite is tested with; the
    same as in constraints.txt. devices: those that its engine has code for, of which only cpu is
    tested by us. companions: what else its extra installs, pinned.
    """

    name: str
    title: str
    distribution: str
    version: str
    devices: tuple[str, ...]
    companions: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """The suite's package for it: its runtime, engine, layers and networks."""
        return f"{self.name}_impl"

    @property
    def requirement(self) -> str:
        """What pip takes."""
        return f"{self.distribution}=={self.version}"

    def is_installed(self) -> bool:
        """Whether this interpreter finds it; it is not imported."""
        return importlib.util.find_spec(self.name) is not None

    def how_to_install(self, python: str = sys.executable) -> str:
        """The command that installs it, and its companions, for an interpreter."""
        return " ".join((f"{python} -m pip install {self.requirement}", *self.companions))


REFERENCE = "torch"
"""The framework whose float64 run is the truth."""

FRAMEWORKS: Mapping[str, Framework] = {
    row.name: row
    for row in (
        Framework("torch", "PyTorch", "torch", "2.13.0", devices=("cpu", "cuda")),
        Framework(
            "jittor",
            "Jittor",
            "jittor",
            "1.3.11.0",
            devices=("cpu", "cuda"),
            # The oneDNN that Jittor would download from a university's host, and its headers.
            companions=("onednn-cpu-gomp==2021.2.0", "onednn-devel-cpu-gomp==2021.2.0"),
        ),
        Framework(
            "mindspore",
            "MindSpore",
            "mindspore",
            "2.10.0",
            devices=("cpu", "cuda", "ascend"),
        ),
    )
}
"""By name, the reference first."""

DEVICES = tuple(dict.fromkeys(device for row in FRAMEWORKS.values() for device in row.devices))

PACKAGES = (
    "restoration",
    "weights_convert",
    "parity",
    *(row.package for row in FRAMEWORKS.values()),
)
"""The packages of the suite."""


def framework_of(package: str) -> Framework | None:
    """The framework that a package of the suite implements; None for a stranger's package."""
    return next((row for row in FRAMEWORKS.values() if row.package == package), None)
