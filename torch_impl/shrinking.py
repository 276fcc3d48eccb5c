"""Smaller networks of PyTorch's: pruned weights and channels, layers in 8 bits.

`restoration/inference/export.py` calls `shrink` and `timed` by name, and says what they cost.
"""

from __future__ import annotations

import copy
import itertools
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from restoration.engine.taps import leaves
from restoration.errors import UnavailableError
from restoration.inference import serving
from restoration.process.serve import Session
from torch_impl.exporting import arguments_of, read, save

_SAME = 1e-4  # of the largest number: what rounding in another order may change
_LARGEST_INT8 = 127  # of activations too: with 8 bits, sums of products overflow without VNNI


def shrink(
    _session: Session,
    *,
    slot: str,
    prune_share: float,
    is_structured: bool,
    quantize: str,
    calibration: list[str],
) -> dict[str, Any]:
    """Prune and quantize the network that is kept under a name; what was done to how much.

    Pruned weights are 0 for good; with `is_structured` channels are taken away and layers become
    smaller. quantize: "dynamic" for linear layers in 8 bits, "static" for convolutions in 8 bits
    with the ranges that were seen on calibration files; "" for none.
    """
    opened = serving.opened(slot)
    module = opened.network.module
    cases = [arguments_of(opened, source) for source in calibration]
    found: dict[str, Any] = {"parameters": _count(module)}
    if prune_share and is_structured:
        found["channels"] = prune_channels(module, prune_share, cases[0])
    elif prune_share:
        prune_weights(module, prune_share)
    found["left"] = sum(int((one != 0).sum()) for one in module.parameters())
    found["kept"] = _count(module)
    if quantize:
        reduced, found["layers"] = (
            with_int8_linear(module, cases[0])
            if quantize == "dynamic"
            else with_int8_convolutions(module, cases)
        )
        serving.keep(slot, reduced)
    return found


def timed(_session: Session, *, slot: str, sources: list[str], targets: list[str]) -> float:
    """Least CPU seconds of three runs of the first file after one; the outputs of each file."""
    opened = serving.opened(slot)
    for source, target in zip(sources, targets, strict=True):
        save(target, opened.engine.run(opened.network, read(source)))
    first, seconds = read(sources[0]), []
    for _ in range(3):
        started = time.process_time()
        opened.engine.run(opened.network, first)
        seconds.append(time.process_time() - started)
    return min(seconds)


def prune_weights(module: nn.Module, share: float) -> None:
    """Set the smallest weights of convolutions and linear layers to 0, over all of them. Layers of
    a fixed mean are left."""
    layers = [
        (part, "weight")
        for name, part in module.named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear) and "mean" not in name
    ]
    module.to(memory_format=torch.contiguous_format)  # which PyTorch's pruning needs
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=share)
    for part, name in layers:
        prune.remove(part, name)


def prune_channels(module: nn.Module, share: float, case: list[Any]) -> int:
    """Take away this share of the channels between two layers, where nothing else reads them: those
    of the least sum of magnitudes, with what the second layer has for them. How many are gone.

    Whether something else reads them is tried: a network with smaller layers has to give what the
    same network gives with those channels at 0.
    """
    gone = 0
    for first, second in list(_in_a_row(module, case)):
        count = int(share * first.weight.shape[0])
        if not count:
            continue
        was = [(part, name, getattr(part, name)) for part, name in _tensors(first, second)]
        strength = first.weight.detach().abs().flatten(1).sum(1)
        kept = strength.argsort(descending=True)[:-count].sort().values
        with torch.no_grad():
            _set_to_zero(first, second, kept)
            expected = _outputs(module, case)
            _slice(first, second, kept)
            try:
                is_right = _are_same(_outputs(module, case), expected)
            except (RuntimeError, IndexError):  # shapes: somebody else counts on all channels
                is_right = False
        if is_right:
            gone += count
            continue
        for part, name, value in was:
            setattr(part, name, value)
        _note_widths(first, second)
    return gone


def with_int8_linear(module: nn.Module, case: list[Any]) -> tuple[nn.Module, int]:
    """A copy with its linear layers in 8 bits, and how many: before anything is traced, since later
    it would do nothing. Layers of which a network reads the weights itself stay as they are."""
    plain = _copy_for_int8(module)
    called = [name for name, _ in _calls(plain, case, nn.Linear)]
    for name in dict.fromkeys(called):  # PyTorch replaces its own class alone
        ours = plain.get_submodule(name)
        theirs = nn.Linear(ours.in_features, ours.out_features, bias=ours.bias is not None)
        theirs.load_state_dict(ours.state_dict())
        _replace(plain, name, theirs.eval())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated for a package that is not installed
        quantized = torch.ao.quantization.quantize_dynamic(plain, set(called), dtype=torch.qint8)
    return quantized, len(set(called))


def with_int8_convolutions(module: nn.Module, cases: Sequence[list[Any]]) -> tuple[nn.Module, int]:
    """A copy with its convolutions in 8 bits, and how many. Each gets and gives floats, within what
    was seen on the cases; weights have a scale for each output channel."""
    plain = _copy_for_int8(module)
    seen: dict[str, list[float]] = {}

    def watch(name: str, inputs: Any, output: Tensor) -> None:
        low, high, least, most = seen.get(name, [0.0] * 4)
        seen[name] = [
            min(low, float(inputs[0].min())), max(high, float(inputs[0].max())),
            min(least, float(output.min())), max(most, float(output.max())),
        ]  # fmt: skip

    hooks = [
        part.register_forward_hook(
            lambda _part, inputs, output, name=name: watch(name, inputs, output)
        )
        for name, part in plain.named_modules()
        if isinstance(part, nn.Conv2d) and part.padding_mode == "zeros"
    ]
    with torch.inference_mode():
        for case in cases:
            plain(*case)
    for hook in hooks:
        hook.remove()
    for name, ranges in seen.items():
        _replace(plain, name, _Int8Convolution(plain.get_submodule(name), *ranges))
    return plain, len(seen)


class _Int8Convolution(nn.Module):
    """A convolution in 8 bits between floats, (n, in, h, w) -> (n, out, h', w')."""

    def __init__(self, conv: nn.Conv2d, low: float, high: float, least: float, most: float):
        super().__init__()
        self.scale, self.zero = _step(low, high)
        scale, zero = _step(least, most)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is deprecated for a package that is not installed
            self.conv = torch.ao.nn.quantized.Conv2d(
                conv.in_channels, conv.out_channels, conv.kernel_size, stride=conv.stride,
                padding=conv.padding, dilation=conv.dilation, groups=conv.groups,
                bias=conv.bias is not None,
            )  # fmt: skip
        weight = conv.weight.detach()
        scales = (weight.abs().amax((1, 2, 3)) / _LARGEST_INT8).clamp_min(1e-12)
        zeros = torch.zeros_like(scales, dtype=torch.int64)
        self.conv.set_weight_bias(
            torch.quantize_per_channel(weight, scales.double(), zeros, 0, torch.qint8),
            None if conv.bias is None else conv.bias.detach(),
        )
        self.conv.scale, self.conv.zero_point = scale, zero

    def forward(self, x: Tensor) -> Tensor:
        levels = torch.quantize_per_tensor(
            x.clamp(-self.zero * self.scale, (_LARGEST_INT8 - self.zero) * self.scale),
            self.scale,
            self.zero,
            torch.quint8,
        )
        return self.conv(levels).dequantize()


def _step(low: float, high: float) -> tuple[float, int]:
    """The scale of levels 0 to 127 for a range with 0 in it, and which level is 0."""
    scale = max((high - low) / _LARGEST_INT8, 1e-12)
    return scale, round(-low / scale)


def _copy_for_int8(module: nn.Module) -> nn.Module:
    if torch.backends.quantized.engine == "none":
        raise UnavailableError(
            "quantization: expected a build of PyTorch with quantized kernels, got none; "
            "leave out --quantize, or export another form"
        )
    return copy.deepcopy(module).to(memory_format=torch.contiguous_format)


def _replace(module: nn.Module, name: str, by: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, by)


def _calls(
    module: nn.Module, case: list[Any], kinds: type | tuple[type, ...]
) -> list[tuple[str, nn.Module]]:
    """The layers of some kinds in the order in which they are called."""
    called: list[tuple[str, nn.Module]] = []
    hooks = [
        part.register_forward_pre_hook(lambda part, _inputs, name=name: called.append((name, part)))
        for name, part in module.named_modules()
        if isinstance(part, kinds)
    ]
    _outputs(module, case)
    for hook in hooks:
        hook.remove()
    return called


def _in_a_row(module: nn.Module, case: list[Any]) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Pairs of layers of one kind that are called one after the other, of fitting widths."""
    calls = _calls(module, case, (nn.Conv2d, nn.Linear))
    pairs = dict.fromkeys(itertools.pairwise(calls))
    for (name, first), (_, second) in pairs:
        fits = first.weight.shape[0] == second.weight.shape[1] and first is not second
        is_alike = isinstance(first, nn.Conv2d) == isinstance(second, nn.Conv2d)
        groups = max(getattr(part, "groups", 1) for part in (first, second))
        if fits and is_alike and groups == 1 and "mean" not in name:
            yield first, second


def _tensors(first: nn.Module, second: nn.Module) -> list[tuple[nn.Module, str]]:
    found = [(first, "weight"), (second, "weight")]
    return [*found, (first, "bias")] if first.bias is not None else found


def _set_to_zero(first: nn.Module, second: nn.Module, kept: Tensor) -> None:
    """New parameters with all but these channels at 0."""
    on = torch.zeros(first.weight.shape[0])
    on[kept] = 1
    shape = (-1, *(1 for _ in first.weight.shape[1:]))
    first.weight = nn.Parameter(first.weight * on.view(shape))
    second.weight = nn.Parameter(second.weight * on.view(1, *shape[:-1]))
    if first.bias is not None:
        first.bias = nn.Parameter(first.bias * on)


def _slice(first: nn.Module, second: nn.Module, kept: Tensor) -> None:
    """New parameters of these channels alone."""
    first.weight = nn.Parameter(first.weight[kept].contiguous())
    second.weight = nn.Parameter(second.weight[:, kept].contiguous())
    if first.bias is not None:
        first.bias = nn.Parameter(first.bias[kept])
    _note_widths(first, second)


def _note_widths(first: nn.Module, second: nn.Module) -> None:
    """What layers say of their widths follows their weights."""
    out, into = (
        ("out_channels", "in_channels")
        if isinstance(first, nn.Conv2d)
        else ("out_features", "in_features")
    )
    setattr(first, out, first.weight.shape[0])
    setattr(second, into, second.weight.shape[1])


def _outputs(module: nn.Module, case: list[Any]) -> list[Tensor]:
    with torch.inference_mode():
        return list(leaves(module(*case)))


def _are_same(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    return all(
        one.shape == other.shape
        and bool((one.double() - other).abs().max() <= _SAME * other.double().abs().max())
        for one, other in zip(found, expected, strict=True)
    )


def _count(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())
