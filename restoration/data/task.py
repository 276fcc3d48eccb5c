"""What a training run needs of its data: samples by number, and held-out pictures to score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from restoration.arrays import Arrays


@dataclass(frozen=True)
class Fault:
    """Something wrong with the data, found before the first step."""

    split: str
    path: str
    problem: str


@dataclass(frozen=True)
class HeldOut:
    """A picture that is not trained on.

    inputs: the network's, by name. truth: (1, 3, h, w) in [0, 1], what `Task.picture` is scored
    against. degraded: what the network has to work on, for a look beside the result, or None.
    scale: how much larger the truth is than the picture that was given.
    """

    name: str
    inputs: Arrays
    truth: np.ndarray
    degraded: np.ndarray | None = None
    scale: int = 1


class Task(Protocol):
    """The data of a training run, and what the network is to make of them.

    Samples are the same in every framework and process: all that is random in one comes from
    `streams.stream(seed, purpose, epoch, index)`.
    """

    def __len__(self) -> int:
        """Samples in an epoch."""

    def sample(self, index: int, epoch: int) -> Arrays:
        """One sample, each array with a first axis of 1: the network's inputs, its random masks
        and noise, and what its loss compares with, as "target".
        """

    def join(self, samples: Sequence[Arrays]) -> Arrays:
        """Samples as one part of a batch; some arrays number what is in all of them."""

    @property
    def drop_last(self) -> bool:
        """Whether an epoch's last batch is left out if it is smaller than the others."""

    def files(self, index: int) -> tuple[str, ...]:
        """The files that a sample is made of, for messages."""

    def faults(self) -> list[Fault]:
        """All that is wrong with the data, of all splits."""

    def held_out(self) -> Sequence[HeldOut]:
        """Pictures to score, in order."""

    def name(self, index: int) -> str:
        """That of a held-out picture, without making it."""

    def picture(self, item: HeldOut, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """What is scored against an item's truth, (1, 3, h, w), not clipped."""
