"""Several processes that train one network, by `torch.distributed`; torchrun starts them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from restoration.errors import UnavailableError


def start(device: str = "cpu") -> None:
    """Meet the other processes, if torchrun started any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
        atexit.register(finish)


def finish() -> None:
    """Part from the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def reduce(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Means over all processes, of tensors that have the same shapes in each.

    Raises:
        UnavailableError: another process was lost.
    """
    if world() == 1:
        return list(tensors)
    joined = torch.cat([tensor.reshape(-1) for tensor in tensors])
    _add_up(joined)
    joined /= world()
    parts = joined.split([tensor.numel() for tensor in tensors])
    # In the order in memory that they came in, which PyTorch's fused optimizers take for granted.
    return [
        torch.empty_like(tensor).copy_(part.view(tensor.shape))
        for part, tensor in zip(parts, tensors, strict=True)
    ]


def total(numbers: np.ndarray) -> np.ndarray:
    """Sums over all processes, of float64 arrays that have the same shape in each.

    Raises:
        UnavailableError: another process was lost.
    """
    if world() == 1:
        return numbers
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    summed = torch.tensor(numbers, dtype=torch.float64, device=device)
    _add_up(summed)
    return summed.cpu().numpy()


def _add_up(tensor: Tensor) -> None:
    """Make a tensor the sum of those of all processes."""
    try:
        dist.all_reduce(tensor)
    except RuntimeError as problem:
        reason = str(problem).splitlines()[0]
        raise UnavailableError(
            f"process {rank()} of {world()} has lost another one ({reason}); see what that one "
            "said; the last checkpoint is whole: go on with --resume auto"
        ) from problem
