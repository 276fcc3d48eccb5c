"""What tests of this folder have PyTorch do, in its process."""

from __future__ import annotations

from pathlib import Path


def parameters_of(path: Path) -> tuple[int, int]:
    """How many parameters a TorchScript file has, and how many of them are 0."""
    import torch

    found = list(torch.jit.load(path).parameters())
    return sum(one.numel() for one in found), sum(int((one == 0).sum()) for one in found)


def prune_a_small_network(share: float) -> tuple[dict[str, int], float]:
    """The widths of layers after pruning, and how far the result is from that of the network in
    which the same channels are 0, computed by hand."""
    import torch
    from torch import nn

    from torch_impl.shrinking import prune_channels

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.free = nn.Conv2d(3, 8, 3, padding=1)
            self.after = nn.Conv2d(8, 6, 3, padding=1)
            self.added = nn.Conv2d(6, 6, 1)
            self.last = nn.Conv2d(6, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.after(torch.relu(self.free(x)))
            return self.last(x + torch.relu(self.added(x)))

    torch.manual_seed(0)
    network, x = Small(), torch.rand(1, 3, 9, 11)
    with torch.no_grad():
        weakest = network.free.weight.abs().sum((1, 2, 3)).argsort()[: int(8 * share)]
        hidden = torch.relu(network.free(x))
        hidden[:, weakest] = 0
        hidden = network.after(hidden)
        expected = network.last(hidden + torch.relu(network.added(hidden)))
        prune_channels(network, share, [x])
        apart = float((network(x) - expected).abs().max())
    return {name: layer.out_channels for name, layer in network.named_children()}, apart


def compile_wrongly(folder: Path) -> tuple[list[str], int, list[str]]:
    """The errors, of two times, of a network whose compiled form is a thousandth off, how often it
    was compiled, and what was told meanwhile."""
    import copy
    import time
    from dataclasses import replace
    from unittest import mock

    import numpy as np
    import torch

    from restoration.engine.contract import Network
    from restoration.errors import UnavailableError
    from restoration.models.registry import find
    from torch_impl import compiling
    from torch_impl.engine import TorchEngine

    engine = TorchEngine()
    network = engine.build(find("mimo_unet").spec("tiny"))
    inputs = {"image": np.random.default_rng(0).random((1, 3, 16, 16), np.float32)}

    def compile_(_engine: object, _network: object, _inputs: object, package: Path) -> None:
        package.touch()
        time.sleep(0.2)

    def loaded(network: Network, _package: Path) -> Network:
        module = copy.deepcopy(network.module)
        with torch.no_grad():
            next(iter(module.parameters())).mul_(1.001)
        return replace(network, module=module)

    said: list[str] = []
    told: list[str] = []
    with (
        mock.patch.object(compiling, "_TOLD_EVERY_S", 0.05),
        mock.patch.object(compiling, "_compile", side_effect=compile_) as compiled,
        mock.patch.object(compiling, "_loaded", loaded),
    ):
        for _ in range(2):
            try:
                compiling.compiled(engine, network, inputs, folder, report=told.append)
            except UnavailableError as problem:
                said.append(str(problem))
    return said, compiled.call_count, told


def fuse(model: str) -> tuple[int, float]:
    """How many kernels of a small network take more than a convolution when it restores, and its
    largest error in times of the noise of the network as it is."""
    from restoration.data import sample_inputs
    from restoration.engine.noise import worst_ratio
    from restoration.models.registry import find
    from torch_impl.compiling import known_runs
    from torch_impl.engine import TorchEngine
    from torch_impl.fusing import ReluOfConv2d, SumWithConv2d, fused

    engine, known = TorchEngine(), find(model)
    spec = known.spec("tiny")
    network = engine.build(spec)
    inputs = sample_inputs.build(
        known, spec, height_px=64, width_px=96, names=("cat", "coffee"), seed=0
    )
    made = fused(network, inputs)
    kernels = [type(part) for part in made.module.modules()]
    count = sum(kernel in (ReluOfConv2d, SumWithConv2d) for kernel in kernels)
    return count, worst_ratio(engine.run(made, inputs), known_runs(engine, network, inputs))


def fuse_a_network_with_every_trap() -> tuple[list[str], float]:
    """Kernels of a network whose sums are of other shapes, whose maps are read twice, and whose
    borders are no zeros, after fusing; and how far its result is from before."""
    from types import SimpleNamespace
    from typing import Any

    import torch
    import torch.nn.functional as F
    from torch import nn

    from restoration.engine.contract import Network
    from torch_impl.fusing import fused

    class Trap(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gray = nn.Conv2d(3, 1, 3, padding=1)
            self.twice = nn.Conv2d(3, 3, 1)
            self.reflected = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")
            self.smaller = nn.Conv2d(3, 3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            spread = self.gray(x) + x  # one map added to three
            read = self.twice(spread)
            spread = read + F.relu_(self.reflected(spread)) * read
            return F.relu_(self.smaller(spread)) + self.twice(spread)[:, :, 1:-1, 1:-1]

    torch.manual_seed(0)
    spec: Any = SimpleNamespace(inputs=("image",))
    x = torch.rand(2, 3, 9, 11)
    network = Network(Trap(), spec)
    made = fused(network, {"image": x.numpy()})
    with torch.no_grad():
        apart = float((made.module(x) - network.module(x)).abs().max())
    names = [name for name, _ in made.module.named_children() if name.startswith("fused")]
    return names, apart


def fuse_a_rectifier() -> list[bool]:
    """Where a fused convolution with a rectifier gives NaN, of pixels NaN, 1 and NaN, each alone;
    raises where it gives a number that is not the rectifier's."""
    import torch
    from torch import nn

    from torch_impl.fusing import ReluOfConv2d

    conv = nn.Conv2d(1, 2, 1)
    nn.init.constant_(conv.weight, -2.0)
    nn.init.zeros_(conv.bias)
    x = torch.tensor([float("nan"), 1.0, float("nan")]).reshape(1, 1, 1, 3)
    with torch.inference_mode():
        found = ReluOfConv2d(conv)(x)
    assert float(found[0, 0, 0, 1].abs()) < 1e-29
    return found[0, 0, 0].isnan().tolist()


def trace_blocks_of_lmd_vit() -> list[float]:
    """How far traces of the blocks are from them, of policies that choose some, none and all
    windows; a trace is made with some."""
    import dataclasses
    import warnings

    import torch

    from restoration.models.registry import find
    from torch_impl.engine import TorchEngine
    from torch_impl.lmd_vit import Block

    torch.manual_seed(0)
    found = []
    for kind in ("lefflocal", "leff"):
        spec = dataclasses.replace(find("lmd_vit").spec("tiny"), feed_forward=kind)
        network = TorchEngine().build(spec)
        for block in network.module.modules():
            if not isinstance(block, Block):
                continue
            x = torch.randn(1, 4 * block.window, 4 * block.window, block.norm2.weight.shape[0])
            some = (torch.arange(16) % 3 == 0).float()
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for parameter in block.parameters():
                    parameter.add_(0.1 * torch.randn_like(parameter))
                traced = torch.jit.trace(block, (x, some), check_trace=False)
                for policy in (some, 1 - some, torch.zeros(16), torch.ones(16)):
                    found.append(float((traced(x, policy) - block(x, policy)).abs().max()))
    return found


def construct_of_a_failing_layer() -> str:
    """What is said of a network whose layer raises."""
    from pathlib import Path

    import torch

    from torch_impl.exporting import _construct
    from torch_impl.layers import roll

    try:
        roll(torch.zeros(3), (1,), (5,))
    except IndexError as problem:
        return _construct(problem, Path("x.pt"))
    return ""


def compile_slowly(folder: Path) -> tuple[int, list[str], list[str]]:
    """How often a network is compiled whose compiled form takes longer, of two times; the files
    that are kept, and the class of what restores."""
    import time
    from dataclasses import replace
    from unittest import mock

    import numpy as np
    import torch

    from restoration.engine.contract import Network
    from restoration.models.registry import find
    from torch_impl import compiling
    from torch_impl.engine import TorchEngine

    class Slow(torch.nn.Module):
        def __init__(self, module: torch.nn.Module):
            super().__init__()
            self.module = module

        def forward(self, *given: torch.Tensor) -> list[torch.Tensor]:
            time.sleep(0.2)
            return self.module(*given)

    engine = TorchEngine()
    network = engine.build(find("mimo_unet").spec("tiny"))
    inputs = {"image": np.random.default_rng(0).random((1, 3, 16, 16), np.float32)}

    def compile_(_engine: object, _network: object, _inputs: object, package: Path) -> None:
        package.touch()

    def loaded(network: Network, _package: Path) -> Network:
        return replace(network, module=Slow(network.module))

    with (
        mock.patch.object(compiling, "_compile", side_effect=compile_) as made,
        mock.patch.object(compiling, "_loaded", loaded),
    ):
        found = [
            compiling.compiled(engine, network, inputs, folder, report=lambda _: None)
            for _ in range(2)
        ]
    kinds = [type(one.module).__name__ for one in found]
    return made.call_count, [path.suffix for path in folder.iterdir()], kinds
