"""Checkpoints that PyTorch itself writes, in its own process."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import functools
import json
import pickle
import random
import re
import sys
import types
import typing
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.zoo.checkpoint_base import GRID, averaged, cut, state


def write(folder: str) -> None:
    """All of them, into a folder."""
    import torch

    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    place = Path(folder)
    net = {name: torch.from_numpy(array) for name, array in state().items()}
    ema = {name: torch.from_numpy(array) for name, array in averaged(state()).items()}

    def save(name: str, content: Any, **options: Any) -> None:
        torch.save(content, place / name, **options)

    _ages(save, net)
    _prefixes(save, net, ema)
    _wrappers(save, net, ema)
    _numbers(save, net)
    _types(save, net)
    _objects(save, net)
    _devices(save, net)
    _other(save, place, net)
    _pickled(place, net)
    _everything(place, net)
    _several_files(place, net)


def _ages(save: Callable[..., None], net: dict[str, Any]) -> None:
    save("plain.pth", net)
    save("before_1.6.pth", net, _use_new_zipfile_serialization=False)
    save("protocol_4.pth", net, pickle_protocol=4)
    save("ordered.pth", collections.OrderedDict(net))


def _under(prefix: str, tensors: dict[str, Any]) -> dict[str, Any]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _prefixes(save: Callable[..., None], net: dict[str, Any], ema: dict[str, Any]) -> None:
    import torch

    for name, prefix in (
        ("net_g.pth", "net_g."),
        ("generator.pth", "generator."),
        ("fsdp.pth", "_fsdp_wrapped_module."),
        ("module_model.pth", "module.model."),
        ("long_prefix.pth", "trainer.strategy.wrapped._orig_mod.student.network.0.1."),
        ("prefix_without_dot.pth", "G_"),
        ("prefix_with_slash.pth", "net/"),
    ):
        save(name, _under(prefix, net))
    save("lightning.ckpt", {"epoch": 3, "state_dict": _under("model.", net), "callbacks": {}})
    save("generator_ema.pth", {"state_dict": _under("generator.", net) | _under("g_ema.", ema)})
    step = {"step": torch.tensor(3), "initted": torch.tensor(True)}
    save("online_ema.pt", _under("ema_model.", ema) | _under("online_model.", net) | step)
    save("flat_ema.pth", net | _under("ema.", ema))
    critic = {f"discriminator.{n}.weight": torch.randn(4, 4, 3, 3) for n in range(6)}
    save("generator_discriminator.pth", _under("generator.", net) | critic)


def _wrappers(save: Callable[..., None], net: dict[str, Any], ema: dict[str, Any]) -> None:
    import torch

    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in net.values()]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    adam, sgd = torch.optim.Adam(parameters), torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    adam.step()
    sgd.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(adam, [2, 3])
    training = {"optimizer": adam.state_dict(), "opt2": sgd.state_dict(), "epoch": 3}
    save("training.pth", {"model": net, "lr_scheduler": schedule.state_dict(), **training})
    save("in_list.pth", {"models": [net], "optimizers": [adam.state_dict()]})
    save("own_key.pth", {"my_weights": net, "note": "run 7"})
    save("metrics.pth", {"state_dict": net, "metrics": {"psnr": torch.tensor(31.5)}})
    save("state_dict_ema.pth", {"state_dict": net, "state_dict_ema": ema, "epoch": 3})
    save("params_ema.pth", {"params": net, "params_ema": ema})
    save("net_shadow.pth", {"net": net, "shadow": _under("module.", ema)})
    save("adam.pth", adam.state_dict())
    save("sgd.pth", sgd.state_dict())
    save("100.state", {"epoch": 3, "iter": 100, "optimizers": [adam.state_dict()]})


def _numbers(save: Callable[..., None], net: dict[str, Any]) -> None:
    import torch

    counters = {"total_ops": torch.zeros(1).double(), "total_params": torch.zeros(1).double()}
    for layer in {name.rpartition(".")[0] for name in net}:
        counters[f"{layer}.total_ops"] = torch.zeros(1, dtype=torch.float64)
    save("flop_counters.pth", net | counters)
    numbers = {"step": torch.tensor(3), "encoder._float_tensor": torch.zeros(1)}
    save("numbers.pth", net | numbers | {"best_psnr": 31.5, "is_best": True, "note": "x"})
    save("numbers_and_prefix.pth", _under("net_g.", net) | {"step": torch.tensor(3)})


def _types(save: Callable[..., None], net: dict[str, Any]) -> None:
    import torch

    exact = {name: torch.from_numpy(array) for name, array in cut(state()).items()}
    save("half.pth", {name: tensor.half() for name, tensor in net.items()})
    save("bfloat16.pth", {name: tensor.bfloat16() for name, tensor in exact.items()})
    save("double.pth", {name: tensor.double() for name, tensor in net.items()})
    back = {name: tensor.T.contiguous().T if tensor.dim() == 2 else
            tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
            for name, tensor in net.items()}  # fmt: skip
    save("strided.pth", back)
    flat = torch.cat([tensor.reshape(-1) for tensor in net.values()])
    views, start = {}, 0
    for name, tensor in net.items():
        views[name] = flat[start : start + tensor.numel()].view(tensor.shape)
        start += tensor.numel()
    save("one_storage.pth", views)
    save("parameters.pth", {name: torch.nn.Parameter(tensor) for name, tensor in net.items()})
    grid = torch.from_numpy(GRID)
    save("complex.pth", {"head.weight": grid, "body.weight": torch.complex(grid, grid)})
    save("float8.pth", {"head.weight": grid, "body.weight": grid.to(torch.float8_e4m3fn)})
    save("sparse.pth", {"head.weight": grid, "body.weight": grid.to_sparse()})
    save("meta.pth", {"weight": grid, "other": torch.zeros(3, 4, device="meta")})
    packed = torch.quantize_per_tensor(grid, 0.1, 0, torch.qint8)
    save("quantized.pth", {"head.weight": grid, "body.weight": packed})


def _at(module: str, thing: Any) -> Any:
    """A thing under the name of a module that is not installed."""
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:count]), types.ModuleType(parts[count - 1]))
    thing.__module__ = module
    setattr(sys.modules[module], thing.__name__, thing)
    return thing


def _made(cls: type, **content: Any) -> Any:
    made = cls.__new__(cls)
    made.__dict__.update(content)
    return made


def _objects(save: Callable[..., None], net: dict[str, Any]) -> None:
    import torch

    config = _at("my_project.config", type("Config", (), {}))
    node = _at("omegaconf.nodes", type("AnyNode", (), {}))
    tree = _at("omegaconf.dictconfig", type("DictConfig", (), {}))
    kept = _made(tree, _metadata={"ref_type": typing.Any, (1, 2): object}, _parent=None)
    kept._content = {"lr": _made(node, _val=1e-4, _parent=kept)}
    save("omegaconf.ckpt", {"state_dict": net, "hyper_parameters": kept, "epoch": 1})
    save("own_config.pth", {"state_dict": net, "config": _made(config, lr=1e-4)})
    save("own_config_flat.pth", net | {"config": _made(config, lr=1e-4)})
    packed = _at("my_project.layers", type("PackedWeight", (), {}))
    grid = torch.from_numpy(GRID)
    save("own_class.pth", {"head.weight": grid, "body.weight": _made(packed, tensor=grid)})
    own = _at("my_project.state", type("StateDict", (dict,), {}))
    save("own_dictionary.pth", {"state_dict": own(net), "epoch": 3})
    module = _module(net)
    save("module.pth", module)
    save("data_parallel.pth", {"net": torch.nn.DataParallel(module), "epoch": 2})
    _at("my_project.models", type("Net", (torch.nn.Module,), {}))
    own_module = sys.modules["my_project.models"].Net()
    own_module.__dict__.update(module.__dict__)
    save("own_module.pth", own_module)


BESIDE = 40
"""How many kinds of things `_everything` puts beside the weights."""


def _everything(place: Path, net: dict[str, Any]) -> None:
    import torch

    class Kind(enum.Enum):
        PLAIN = 1

    class Own:
        def method(self) -> None:
            pass

    class Arguments:
        def __getnewargs_ex__(self) -> Any:
            return (1,), {"b": 2}

    class Items(list):
        pass

    for made in (Kind, Own, Arguments, Items):
        made.__qualname__ = made.__name__
        _at("own.things", made)
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    complex_ones = torch.ones(2, dtype=torch.complex64)
    things: list[Any] = [
        Kind.PLAIN, Own().method, Arguments(), Items([1]), Own, Own(), np.mean, ..., 1j,
        {(1, 2): 3, ((1,), 2): 4, 2**70: 1, 1.5: 2}, frozenset([(1, 2)]), {1, 2}, endless, deep,
        functools.partial(print, 1), datetime.datetime(2020, 1, 1), decimal.Decimal("1.5"),
        re.compile("a"), collections.deque([1]), collections.Counter("aab"), typing.Any,
        dict[str, int], random.Random(0).getstate(), np.random.default_rng(0),
        np.random.RandomState(0).get_state(), np.dtype("f4"), np.array([{}, []], dtype=object),
        np.array(["a", "b"]), np.datetime64("2020-01-01"), np.zeros(2, [("a", "<f4")]),
        np.longdouble(1), np.ones(2, np.complex128), complex_ones, torch.eye(3).to_sparse(),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "x" * 10000, b"x" * 10000,
        torch.device("cuda:0"), Path("x"), types.SimpleNamespace(a=1),
    ]  # fmt: skip
    assert len(things) == BESIDE
    content = {"state_dict": net} | {f"beside_{n}": one for n, one in enumerate(things)}
    torch.save(content, place / "everything.pth")
    old = place / "everything_before_1.6.pth"
    torch.save(content, old, _use_new_zipfile_serialization=False)
    for protocol in (0, 2, 5):
        (place / f"everything_{protocol}.pkl").write_bytes(pickle.dumps(content, protocol))


def _module(net: dict[str, Any]) -> Any:
    """A network with these entries."""
    import torch

    root = torch.nn.Module()
    for name, tensor in net.items():
        *path, leaf = name.split(".")
        module = root
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, torch.nn.Module())
            module = getattr(module, part)
        module.register_parameter(leaf, torch.nn.Parameter(tensor))
    return root


class _Moved:
    """Pickles as a device's tensor does: by a function of its own."""

    def __init__(self, function: Any, *arguments: Any):
        self._parts = function, arguments

    def __reduce__(self) -> Any:
        return self._parts


def _devices(save: Callable[..., None], net: dict[str, Any]) -> None:
    import torch

    def function(module: str, name: str) -> Any:
        made = types.FunctionType((lambda *a: None).__code__, {}, name)
        made.__qualname__ = name
        return _at(module, made)

    def view(tensor: Any) -> tuple[Any, ...]:
        storage = torch.storage.TypedStorage(
            wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype, _internal=True
        )
        return storage, tensor.storage_offset(), tuple(tensor.size()), tensor.stride(), False

    npu = function("torch_npu.utils.storage", "_rebuild_npu_tensor")
    hooks: Any = collections.OrderedDict()
    all_npu = {name: _Moved(npu, *view(tensor), hooks, 2) for name, tensor in net.items()}
    save("npu.pth", all_npu)
    grid = torch.from_numpy(GRID)
    some = {"body.weight": grid.t() + 0.5, "body.bias": grid.reshape(-1)[5:8]}
    some = {name: _Moved(npu, *view(tensor), hooks, 2) for name, tensor in some.items()}
    save("npu_some.pth", {"head.weight": grid, **some})
    mlu = function("torch_mlu.storage", "rebuild_mlu_tensor")
    save("mlu.pth", {name: _Moved(mlu, *view(tensor)) for name, tensor in net.items()})
    from_cpu = torch._utils._rebuild_device_tensor_from_cpu_tensor
    xla = {n: _Moved(from_cpu, t, torch.float32, "xla:0", False) for n, t in net.items()}
    save("xla.pth", xla)
    exact = {name: torch.from_numpy(array) for name, array in cut(state()).items()}
    from_numpy = torch._utils._rebuild_device_tensor_from_numpy
    old = {
        n: _Moved(from_numpy, t.numpy(), torch.bfloat16, "xla:0", True) for n, t in exact.items()
    }
    save("xla_bfloat16.pth", old)


def _other(save: Callable[..., None], place: Path, net: dict[str, Any]) -> None:
    import torch

    class Doubled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.from_numpy(GRID))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.weight

    program = torch.jit.trace(Doubled(), torch.ones(3, 4))
    program.save(str(place / "script.pt"))
    program._save_for_lite_interpreter(str(place / "mobile.ptl"))
    save("single.pth", net["feat_extract.0.main.0.weight"])
    save("list.pth", list(net.values()))


def _pickled(place: Path, net: dict[str, Any]) -> None:
    for name, content, protocol in (
        ("dumped.pkl", net, 4),
        ("dumped_2.pkl", net, 2),
        ("dumped_checkpoint.pkl", {"epoch": 3, "state_dict": net}, 5),
    ):
        (place / name).write_bytes(pickle.dumps(content, protocol))


def _several_files(place: Path, net: dict[str, Any]) -> None:
    import torch
    import torch.distributed.checkpoint as dcp

    folder = place / "sharded_torch"
    folder.mkdir()
    names, weight_map = list(net), {}
    for number, part in enumerate((names[:40], names[40:]), start=1):
        file = f"pytorch_model-{number:05}-of-00002.bin"
        torch.save({name: net[name] for name in part}, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    dcp.save({"model": net}, checkpoint_id=str(place / "distributed"))
