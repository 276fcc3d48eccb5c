"""Several processes that train one network, by MindSpore's communication; msrun starts them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from mindspore import communication as comm

from mindspore_impl.config import read_config

_STARTED: list[bool] = []


def start(device: str = "cpu") -> None:
    """Meet the other processes, if msrun started any."""
    if int(os.environ.get("MS_WORKER_NUM", "1")) > 1 and not _STARTED:
        ms.set_device(read_config(device)["device_target"])  # not possible any more behind it
        comm.init()
        _STARTED.append(True)


def finish() -> None:
    """Part from the other processes."""
    if _STARTED:
        comm.release()
        _STARTED.clear()


def rank() -> int:
    """The number of this process, from 0."""
    return int(comm.get_rank()) if _STARTED else 0


def world() -> int:
    """How many processes there are."""
    return int(comm.get_group_size()) if _STARTED else 1


def reduce(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Means over all processes, of tensors that have the same shapes in each."""
    if world() == 1:
        return list(tensors)
    joined = ops.AllReduce()(ops.cat([tensor.reshape(-1) for tensor in tensors])) / world()
    means, start = [], 0
    for tensor in tensors:
        means.append(joined[start : start + tensor.size].reshape(tensor.shape))
        start += tensor.size
    return means


def total(numbers: np.ndarray) -> np.ndarray:
    """Sums over all processes, of float64 arrays that have the same shape in each, rounded to
    float32: AllReduce takes no float64."""
    if world() == 1:
        return numbers
    summed: np.ndarray = ops.AllReduce()(Tensor(numbers, ms.float32)).asnumpy()
    return summed.astype(np.float64)
