"""What checkpoints of the zoo are made of: the weights, and what converting a file has to give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A file or folder, and what has to come out of it.

    by: who wrote it. right: the arrays by their published names, or by those in the file where it
    is of no known model. left_out: all that is said to stand beside the weights, None if that is
    not looked at. error: a pattern of the text, where it is refused. options: of `convert`.
    file: what it is called, if several cases are of one.
    """

    name: str
    what: str
    by: str
    right: Arrays | None = None
    is_model: bool = True
    left_out: frozenset[str] | None = frozenset()
    error: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""

    @property
    def path(self) -> str:
        return self.file or self.name


def state(seed: int = 7) -> Arrays:
    """A MIMO-UNet of width 8 with one block a stage, under its authors' names."""
    listed = json.loads(Path(__file__).with_name("mimo_unet_published.json").read_text())
    random = np.random.default_rng(seed)
    return {
        name: (random.standard_normal(shape) * 0.1).astype(np.float32)
        for name, shape in listed.items()
    }


def averaged(weights: Arrays) -> Arrays:
    """Others under the same names."""
    return {name: array * np.float32(0.5) for name, array in weights.items()}


def bfloat16(weights: Arrays) -> Arrays:
    """Their upper 16 bits, as NumPy holds what it has no name for."""
    return {name: (a.view(np.uint32) >> 16).astype("<u2").view("V2") for name, a in weights.items()}


def cut(weights: Arrays) -> Arrays:
    """Numbers that bfloat16 holds exactly."""
    return {name: (a.view(np.uint32) & 0xFFFF0000).view(np.float32) for name, a in weights.items()}


GRID = np.arange(12, dtype=np.float32).reshape(3, 4)
SMALL: Arrays = {"head.weight": GRID, "body.weight": GRID.T + 0.5, "body.bias": GRID.ravel()[5:8]}
SMALL = {name: np.ascontiguousarray(array) for name, array in SMALL.items()}
