"""Several processes that train one network, by Jittor's MPI; mpirun starts them."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence

import jittor as jt
import numpy as np
from jittor import Var

from restoration.errors import ExitCode

_FINISHED: list[bool] = []


def start(device: str = "cpu") -> None:
    """Jittor has met the other processes, if mpirun started any, when it was imported; from now on
    they end with this one."""
    if world() > 1:
        atexit.register(_end)


def finish() -> None:
    """Part from the other processes, which Jittor does when this one ends."""
    _FINISHED.append(True)


def rank() -> int:
    """The number of this process, from 0."""
    return int(jt.rank) if jt.in_mpi else 0


def world() -> int:
    """How many processes there are."""
    return int(jt.world_size) if jt.in_mpi else 1


def reduce(tensors: Sequence[Var]) -> list[Var]:
    """Means over all processes, of tensors that have the same shapes in each."""
    if world() == 1:
        return list(tensors)
    joined = jt.concat([tensor.reshape(-1) for tensor in tensors]).mpi_all_reduce("mean")
    means, start = [], 0
    for tensor in tensors:
        means.append(joined[start : start + tensor.numel()].reshape(tensor.shape))
        start += tensor.numel()
    return means


def total(numbers: np.ndarray) -> np.ndarray:
    """Sums over all processes, of float64 arrays that have the same shape in each."""
    if world() == 1:
        return numbers
    summed: np.ndarray = jt.array64(numbers).mpi_all_reduce("add").numpy()
    return summed


def _end() -> None:
    """End this process at once if it did not come to `finish`: MPI would wait for the others first,
    and they wait for this one. Then mpirun ends them all."""
    if not _FINISHED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ExitCode.INCOMPLETE)
