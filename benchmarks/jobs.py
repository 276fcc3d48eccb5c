"""The jobs of `jobs.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).with_name("jobs.yaml")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is measured of a model; the fields are those of `jobs.yaml`, 0 where one is unknown.

    ports: at most, in times of our PyTorch. kept_windows: None leaves it to the network.
    """

    model: str
    size_px: tuple[int, int]
    gmac: float
    limit: float
    ports: Mapping[str, float]
    spec: str = "published"
    scale: int = 0
    authors: float = 0
    authors_mb: int = 0
    at_most: float = 0
    kept_windows: float | None = None
    kernels: int = 0
    low_memory: bool = False


def _read(name: str, given: Mapping[str, Any], content: Mapping[str, Any]) -> Job:
    fields = {"model": name, "ports": "convolution"} | given
    fields["size_px"] = tuple(fields["size_px"])
    fields["ports"] = content["ports"][fields["ports"]]
    return Job(limit=fields["gmac"] / content["unit_gmac"], **fields)


_CONTENT = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
JOBS = {name: _read(name, given, _CONTENT) for name, given in _CONTENT["jobs"].items()}
