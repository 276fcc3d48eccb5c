"""What tests of `weights_convert` have a framework write and read, inside its own process.

Tensors travel as (type, shape, little-endian bytes), because NumPy has no bfloat16.
"""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import numpy as np

from restoration.models.spec import Spec
from tests import work
from tests.work import Arrays

Raw = tuple[str, tuple[int, ...], bytes]
Payload = dict[str, Raw]


def torch_save(path: str, kind: str) -> Payload:
    """Write what `kind` names with `torch.save`; the tensors that a reader has to find."""
    return _torch_save(path, kind)


def torch_save_legacy(path: str, kind: str) -> Payload:
    """As `torch_save`, as PyTorch did before 1.6."""
    return _torch_save(path, kind, _use_new_zipfile_serialization=False)


def torch_save_protocol(path: str, protocol: int) -> Payload:
    """As `torch_save`, with another protocol of pickle."""
    return _torch_save(path, "tensors", pickle_protocol=protocol)


def torch_load(path: str, weights_only: bool = True) -> Any:
    """What `torch.load` makes of a file; tensors as raw ones."""
    import torch

    return _plain(torch.load(path, weights_only=weights_only))


def torch_load_safetensors(path: str) -> Payload:
    from safetensors.torch import load_file

    return {name: _of_torch(tensor) for name, tensor in load_file(path).items()}


def torch_save_safetensors(path: str) -> Payload:
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous() for name, tensor in _torch_tensors().items()}
    unshared = {name: tensor.clone() for name, tensor in tensors.items()}
    save_file(unshared, path)
    return {name: _of_torch(tensor) for name, tensor in unshared.items()}


def torch_layers(path: str) -> Payload:
    """Write the state of a network of the layers that MindSpore calls differently."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    network = nn.ModuleDict(
        {
            "conv1d": nn.Conv1d(4, 6, 3),
            "conv2d": nn.Conv2d(4, 6, 3),
            "wide": nn.Conv2d(4, 6, (1, 3), bias=False),
            "norm": nn.LayerNorm(6),
            "group": nn.GroupNorm(2, 6),
            "batch": nn.BatchNorm2d(6),
            "prelu": nn.PReLU(6),
            "words": nn.Embedding(7, 6),
            "linear": nn.Linear(6, 5),
            "up": nn.ConvTranspose2d(4, 6, 4),
        }
    )
    network["batch"](torch.randn(2, 6, 4, 4))
    state = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")  # MindSpore has no such entry
    }
    torch.save(state, path)
    return {name: _of_torch(tensor) for name, tensor in state.items()}


def mindspore_layers(path: str) -> tuple[Payload, Any]:
    """Load a file strictly into the same network of MindSpore's own layers, and read it back."""
    ms = _mindspore()
    from mindspore import nn

    class Network(nn.Cell):
        def __init__(self) -> None:
            super().__init__()
            self.conv1d = nn.Conv1d(4, 6, 3, has_bias=True)
            self.conv2d = nn.Conv2d(4, 6, 3, has_bias=True)
            self.wide = nn.Conv2d(4, 6, (1, 3))
            self.norm = nn.LayerNorm((6,))
            self.group = nn.GroupNorm(2, 6)
            self.batch = nn.BatchNorm2d(6)
            self.prelu = nn.PReLU(6)
            self.words = nn.Embedding(7, 6)
            self.linear = nn.Dense(6, 5)
            self.up = nn.Conv2dTranspose(4, 6, 4, has_bias=True)

    network = Network()
    left_over = ms.load_param_into_net(network, ms.load_checkpoint(path), strict_load=True)
    state = {name: _of_numpy(p.asnumpy()) for name, p in network.parameters_and_names()}
    return state, left_over


def jittor_save(path: str, kind: str) -> Payload:
    """Write Vars with `jt.save`."""
    import jittor as jt

    arrays = {
        "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
        "half": np.arange(3, dtype=np.float16),
        "count": np.arange(4, dtype=np.int32),
        "flag": np.array([True, False, True]),
        "one": np.array([2.5], np.float32),
        "large": np.linspace(0, 1, 5000, dtype=np.float32).reshape(50, 100),
    }
    tensors = {name: jt.array(array) for name, array in arrays.items()}
    content: Any = {"vars": tensors, "model": {"model": tensors, "epoch": 3}}[kind]
    jt.save(content, path)
    return {name: _of_numpy(var.numpy()) for name, var in tensors.items()}


def jittor_load(path: str) -> Payload:
    import jittor as jt

    return {name: _of_numpy(np.asarray(value)) for name, value in jt.load(path).items()}


def mindspore_save(path: str, crc_check: bool) -> Payload:
    ms = _mindspore()

    arrays = {
        "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
        "double": np.arange(3, dtype=np.float64),
        "half": np.arange(3, dtype=np.float16),
        "scalar": np.array(1.5, np.float32),
        "flag": np.array([True, False]),
        **{
            name: np.arange(4).astype(name)
            for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
        },
    }
    tensors = {name: ms.Tensor(array) for name, array in arrays.items()}
    tensors["brain"] = ms.Tensor(np.array([1.0, -2.5, 3.25], np.float32)).astype(ms.bfloat16)
    parameters = [{"name": name, "data": tensor} for name, tensor in tensors.items()]
    ms.save_checkpoint(parameters, path, crc_check=crc_check)
    return {name: _of_mindspore(tensor) for name, tensor in tensors.items()}


def mindspore_load(path: str) -> Payload:
    ms = _mindspore()

    return {name: _of_mindspore(value) for name, value in ms.load_checkpoint(path).items()}


def mindspore_train(path: str) -> list[str]:
    """Write a checkpoint with what an optimizer keeps; the names of the network's parameters."""
    ms = _mindspore()
    from mindspore import nn

    network = nn.SequentialCell(nn.Dense(3, 4), nn.Dense(4, 2))
    optimizer = nn.Adam(network.trainable_params(), learning_rate=1e-3)
    cell = nn.TrainOneStepCell(nn.WithLossCell(network, nn.MSELoss()), optimizer)
    ms.save_checkpoint(cell, path)
    return [parameter.name for parameter in network.get_parameters()]


def save_network(path: str, spec: Spec) -> Arrays:
    """Write a network of the suite as its framework does; its weights."""
    engine = work._engine()
    network = engine.build(spec)
    if engine.name == "torch":
        import torch

        torch.save(network.module.state_dict(), path)
    elif engine.name == "jittor":
        import jittor as jt

        jt.save(network.module.state_dict(), path)
    else:
        import mindspore as ms

        ms.save_checkpoint(network.module, path)
    return engine.state(network)


def _torch_save(path: str, kind: str, **options: Any) -> Payload:
    import torch

    content, expected = _torch_contents()[kind]
    torch.save(content, path, **options)
    return {name: _of_torch(tensor) for name, tensor in expected.items()}


def _torch_tensors() -> dict[str, Any]:
    """Every type and every way in which a tensor can lie in its storage."""
    import torch

    torch.manual_seed(0)
    base = torch.randn(6, 8)
    types = {
        str(dtype).removeprefix("torch."): torch.tensor([0, 1, 3]).to(dtype)
        for dtype in (
            torch.float64,
            torch.float32,
            torch.float16,
            torch.bfloat16,
            torch.int64,
            torch.int32,
            torch.int16,
            torch.int8,
            torch.uint8,
            torch.uint16,
            torch.uint32,
            torch.uint64,
            torch.bool,
        )
    }
    return types | {
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "shared": base,
        "shared_too": base,
        "transposed": base.t(),
        "columns": base[:, 2:5],
        "rows": base[2:4],
        "steps": base[::2, ::3],
        "expanded": base[:1].expand(5, 8),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "number_at_end": base[5, 7],
        "large": torch.randn(300, 200).t(),
        "parameter": torch.nn.Parameter(torch.randn(3, 2)),
        "nan": torch.tensor([float("nan"), float("inf"), -0.0]),
    }


def _torch_module() -> Any:
    import torch
    from torch import nn

    torch.manual_seed(0)
    network = nn.Sequential(
        OrderedDict(
            head=nn.Conv2d(3, 4, 3, padding_mode="reflect"),
            body=nn.Sequential(nn.BatchNorm2d(4), nn.PReLU(), nn.LayerNorm(5), nn.LSTM(3, 4)),
            pool=nn.AdaptiveAvgPool2d(1),
        )
    )
    network.register_buffer("passing", torch.zeros(2), persistent=False)
    network.register_buffer("absent", None)
    network.register_buffer("lasting", torch.ones(2))
    network.body[0].weight.requires_grad_(False)
    return network


def _torch_contents() -> dict[str, tuple[Any, dict[str, Any]]]:
    """What is written, and the weights in it."""
    import torch

    tensors = _torch_tensors()
    module = _torch_module()
    optimizer = torch.optim.Adam(module.parameters())
    module.head(torch.randn(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 3])
    state = module.state_dict()
    training = {
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": 3,
        "options": SimpleNamespace().__dict__ | {"lr": 1e-4, "name": "x", "list": [1, (2, None)]},
        "stamp": torch.device("cpu"),
        "size": torch.Size([2, 3]),
    }
    return {
        "tensors": (OrderedDict(tensors), tensors),
        "state_dict": (state, dict(state)),
        "model": ({"model": state, **training}, dict(state)),
        "state_dict key": ({"state_dict": state, "epoch": 1}, dict(state)),
        "params": ({"params": state}, dict(state)),
        "sd": (
            {"model": {"name": "edsr", "args": {"n": 3}, "sd": state}, **training},
            dict(state),
        ),
        "module prefix": (
            OrderedDict((f"module.{name}", tensor) for name, tensor in state.items()),
            dict(state),
        ),
        "beside": ({**state, "epoch": 5, "best": 31.5}, dict(state)),
        "module": (module, dict(state)),
        "module in a dictionary": ({"net": module, "epoch": 2}, dict(state)),
        "data parallel": (torch.nn.DataParallel(module), dict(state)),
    }


def _plain(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return _of_torch(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _of_torch(tensor: Any) -> Raw:
    import torch

    flat = tensor.detach().contiguous().reshape(-1).clone()
    name = str(tensor.dtype).removeprefix("torch.")
    return name, tuple(tensor.shape), flat.view(torch.uint8).numpy().tobytes()


def _of_numpy(array: np.ndarray) -> Raw:
    # What the ml_dtypes package calls bfloat16 is two bytes without a meaning to NumPy.
    name = "bfloat16" if array.dtype.itemsize == 2 and array.dtype.kind == "V" else array.dtype.name
    return name, array.shape, array.tobytes()


def _mindspore() -> Any:
    """MindSpore, after the engine has chosen the device: later it may not be chosen any more."""
    work._engine()
    import mindspore

    return mindspore


def _of_mindspore(tensor: Any) -> Raw:
    import mindspore as ms

    if tensor.dtype != ms.bfloat16:
        return _of_numpy(tensor.asnumpy())
    widened = tensor.astype(ms.float32).asnumpy()
    return "bfloat16", tensor.shape, (widened.view(np.uint32) >> 16).astype(np.uint16).tobytes()
