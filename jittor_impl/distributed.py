"""Several processes that train one network, by Jittor's MPI; mpirun starts them."""

from __future__ import annotations

from collections.abc import Sequence

import jittor as jt
from jittor import Var


def start(device: str = "cpu") -> None:
    """Nothing: Jittor has met the other processes when it is imported."""


def finish() -> None:
    """Nothing: Jittor parts from the other processes when this one ends."""


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


def any_of(flag: bool) -> bool:
    """Whether the flag of any process is set; all are told the same."""
    return flag if world() == 1 else bool(reduce([jt.array([float(flag)])])[0].numpy()[0] > 0)
