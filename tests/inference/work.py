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
