"""Networks as `restore` runs them on a CPU: what follows a convolution is done with it.

A rectifier is applied, and another map added, while a convolution writes its result, which spares
reading and writing each map again. Such places are found by `torch.fx`, without running the
network. Of one whose code branches on its input, which `torch.fx` refuses, the parts that do not
are fused each by itself.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from restoration.engine.contract import Network
from restoration.engine.execution import PLAIN

_SLOPE = 1e-30
"""Of rectifiers below zero. With 0, oneDNN makes 0 of NaN, and nobody would learn of it."""


def fused(network: Network, inputs: Mapping[str, np.ndarray]) -> Network:
    """The same network with fused layers, for calls with these inputs; itself where it has none."""
    module = network.module
    if network.execution != PLAIN or not _is_served(module):
        return network
    left_out = {name: None for name in network.spec.inputs if name not in inputs}
    made = _whole(module, left_out) or _parts(module)
    return network if made is module else replace(network, module=made)


def _whole(module: nn.Module, left_out: Mapping[str, None]) -> nn.Module | None:
    """A module with fused layers; None where it has none, or cannot be traced."""
    try:
        graph = _Tracer().trace(module, concrete_args=dict(left_out))
    except Exception:  # whatever a network's code does with what is no tensor
        return None
    made = fx.GraphModule(module, graph)
    found = [_fuse(made, node) for node in list(graph.nodes)]
    if not any(found):
        return None
    graph.lint()
    made.recompile()
    return made


def _parts(module: nn.Module) -> nn.Module:
    """A copy whose parts have fused layers, the largest that can be traced; itself where none
    has."""
    fused_parts = {}
    for name, part in module._modules.items():
        if part is not None:
            made = (_whole(part, {}) if _is_plain(part) else None) or _parts(part)
            if made is not part:
                fused_parts[name] = made
    if not fused_parts:
        return module
    made = copy.copy(module)
    made._modules = module._modules | fused_parts
    return made


def _is_plain(module: nn.Module) -> bool:
    """Whether a module of the suite is called alone, not read, and with all its arguments: a trace
    has no other methods, and takes what may be left out for given."""
    own = {name for name, value in vars(type(module)).items() if inspect.isfunction(value)}
    arguments = inspect.signature(module.forward).parameters.values()
    return own == {"__init__", "forward"} and all(
        one.default is inspect.Parameter.empty for one in arguments
    )


class ReluOfConv2d(nn.Module):
    """The rectifier of a convolution, in one kernel of oneDNN's."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise(
            x, *_arguments(self.conv), "leaky_relu", [_SLOPE], ""
        )


class SumWithConv2d(nn.Module):
    """The sum of a convolution of one map and of another map, in one kernel of oneDNN's."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        if other.shape != (x.shape[0], self.conv.out_channels, *x.shape[2:]):  # is spread, or other
            return self.conv(x) + other
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x, other, *_arguments(self.conv), "add", 1.0, None, [], None
        )


def _arguments(conv: nn.Conv2d) -> tuple[Any, ...]:
    return conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups


class _Tracer(fx.Tracer):
    """Convolutions of the suite stay whole, as PyTorch's own do."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Conv2d) or super().is_leaf_module(module, name)


def _is_served(module: nn.Module) -> bool:
    """Whether oneDNN is there, and computes this network."""
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")  # PyTorch's own, by its compiler
        and all(
            part.device.type == "cpu" and part.dtype == torch.float32
            for part in module.parameters()
        )
    )


def _fuse(made: fx.GraphModule, node: fx.Node) -> bool:
    """Fuse a rectifier or a sum with the convolution whose result it alone takes, if any."""
    convolved = next((one for one in node.all_input_nodes if _is_convolved(made, one)), None)
    if convolved is None or node.op != "call_function" or node.kwargs:
        return False
    conv: Any = made.get_submodule(str(convolved.target))
    others = [one for one in node.args if one is not convolved]
    if node.target is F.relu_:
        kernel: nn.Module = ReluOfConv2d(conv)
    elif node.target is operator.add and len(others) == 1 and isinstance(others[0], fx.Node):
        kernel = SumWithConv2d(conv)
    else:
        return False
    name = f"fused_{convolved.name}"
    made.add_submodule(name, kernel)
    with made.graph.inserting_before(node):
        new = made.graph.call_module(name, (convolved.args[0], *others))
    node.replace_all_uses_with(new)
    made.graph.erase_node(node)
    made.graph.erase_node(convolved)
    return True


def _is_convolved(made: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is a convolution that keeps the size, and one other node takes its result."""
    if node.op != "call_module" or len(node.users) != 1:
        return False
    conv = made.get_submodule(str(node.target))
    return (
        isinstance(conv, nn.Conv2d)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
        and all(
            2 * padding == dilation * (size - 1)
            for padding, dilation, size in zip(
                conv.padding, conv.dilation, conv.kernel_size, strict=True
            )
        )
    )
