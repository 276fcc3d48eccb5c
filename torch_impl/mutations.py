"""Known causes of a port's difference, as changes of one PyTorch call.

Each is what people get wrong when they write the call in another framework. The words for causes
are those of `parity/diagnose/causes.py`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_impl.tape import Call, Change, Place

Values = Callable[[Any], Any]
"""What stands in a call's arguments for tensors, as tensors."""


@dataclass(frozen=True)
class Mutation:
    """A call done otherwise, and what that is in words.

    is_after: the change is of the result alone, so that the call may be done otherwise as well.
    """

    call: int
    cause: str
    detail: str
    change: Change
    is_after: bool = False


@dataclass(frozen=True)
class Number:
    """A number, or a few, of a call that a port may have otherwise.

    argument: its name or place. value: as it is. positive: whether it can only be that.
    """

    call: int
    cause: str
    argument: str | int
    value: tuple[float, ...]
    shape: tuple[int, ...]
    positive: bool = False
    is_factor: bool = False

    def change(self, value: Sequence[float]) -> Change:
        """The call with another value."""

        def changed(function: Any, args: Any, kwargs: Any) -> Any:
            def instead(old: Any) -> Any:
                if self.is_factor:
                    return old * value[0]
                if isinstance(old, Tensor):
                    return torch.tensor(value, dtype=old.dtype).reshape(self.shape)
                return value[0]

            if isinstance(self.argument, int):
                args = tuple(
                    instead(part) if place == self.argument else part
                    for place, part in enumerate(args)
                )
            else:
                kwargs = {**kwargs, self.argument: instead(kwargs[self.argument])}
            return function(*args, **kwargs)

        return changed


_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_POOL = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
_FFT = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
_SIGNATURES: dict[str, tuple[str, ...]] = {
    **{f"conv{n}d": _CONV for n in (1, 2, 3)},
    **{
        f"conv_transpose{n}d": (
            *("input", "weight", "bias", "stride", "padding", "output_padding", "groups"),
            "dilation",
        )
        for n in (1, 2, 3)
    },
    "linear": ("input", "weight", "bias"),
    "pad": ("input", "pad", "mode", "value"),
    "interpolate": (
        *("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor"),
        "antialias",
    ),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d", "boolean_dispatch"), _POOL),
    **{
        f"avg_pool{n}d": (
            *("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
            "divisor_override",
        )
        for n in (1, 2, 3)
    },
    "batch_norm": (
        *("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
    ),
    "instance_norm": (
        *("input", "running_mean", "running_var", "weight", "bias", "use_input_stats"),
        *("momentum", "eps"),
    ),
    "layer_norm": ("input", "normalized_shape", "weight", "bias", "eps"),
    "group_norm": ("input", "num_groups", "weight", "bias", "eps"),
    "gelu": ("input", "approximate"),
    "leaky_relu": ("input", "negative_slope", "inplace"),
    "elu": ("input", "alpha", "inplace"),
    "softmax": ("input", "dim"),
    "log_softmax": ("input", "dim"),
    "roll": ("input", "shifts", "dims"),
    "cat": ("tensors", "dim"),
    "concat": ("tensors", "dim"),
    "concatenate": ("tensors", "dim"),
    "stack": ("tensors", "dim"),
    "pixel_shuffle": ("input", "upscale_factor"),
    "pixel_unshuffle": ("input", "downscale_factor"),
    "grid_sample": ("input", "grid", "mode", "padding_mode", "align_corners"),
    "affine_grid": ("theta", "size", "align_corners"),
    "scaled_dot_product_attention": (
        *("query", "key", "value", "attn_mask", "dropout_p", "is_causal"),
    ),
    "adaptive_avg_pool2d": ("input", "output_size"),
    "clamp": ("input", "min", "max"),
    "flip": ("input", "dims"),
    "normalize": ("input", "p", "dim", "eps"),
    "dropout": ("input", "p", "training", "inplace"),
    "chunk": ("input", "chunks", "dim"),
    "split": ("input", "split_size_or_sections", "dim"),
    **{f"fft_{name}": ("input", "n", "dim", "norm") for name in _FFT},
    **{f"fft_{name}{n}": ("input", "s", "dim", "norm") for name in _FFT for n in ("2", "n")},
}  # fmt: skip

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky_relu (0.01)": functools.partial(F.leaky_relu, negative_slope=0.01),
    "leaky_relu (0.1)": functools.partial(F.leaky_relu, negative_slope=0.1),
    "leaky_relu (0.2)": functools.partial(F.leaky_relu, negative_slope=0.2),
    "relu6": F.relu6,
    "elu": F.elu,
    "selu": F.selu,
    "celu": F.celu,
    "gelu": F.gelu,
    "gelu (tanh)": functools.partial(F.gelu, approximate="tanh"),
    "gelu (sigmoid)": lambda x: x * torch.sigmoid(1.702 * x),
    "sigmoid": torch.sigmoid,
    "hard sigmoid": F.hardsigmoid,
    "hard sigmoid (0.2 x + 0.5)": lambda x: torch.clamp(0.2 * x + 0.5, 0, 1),
    "tanh": torch.tanh,
    "hard tanh": F.hardtanh,
    "silu": F.silu,
    "hard swish": F.hardswish,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "mish": F.mish,
    "identity": lambda x: x,
}
_ACTIVATION_CALLS = {
    *("relu", "relu_", "leaky_relu", "leaky_relu_", "relu6", "elu", "selu", "celu", "gelu"),
    *("sigmoid", "hardsigmoid", "tanh", "hardtanh", "silu", "hardswish", "softplus", "mish"),
    *("softsign", "sigmoid_", "tanh_", "clamp_min"),
}
_BORDERS = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "wrap": "circular"}
_LIMITS = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-0.5, 0.5))
_NORMS = ("backward", "ortho", "forward")


class _Bound:
    """A call's arguments by name, so that one can be changed."""

    def __init__(self, name: str, function: Any, args: Any, kwargs: Any):
        self.function = function
        names = _SIGNATURES.get(name, ())
        self.values: dict[str, Any] = dict(zip(names, args, strict=False)) | kwargs
        self.rest = args[len(names) :]

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    def otherwise(self, **changes: Any) -> Any:
        values = {**self.values, **changes}
        first = next(iter(values))  # methods take it by position alone
        rest = {name: value for name, value in values.items() if name != first}
        return self.function(values[first], **rest)


def _with(call: Call, function: Callable[[_Bound], Any]) -> Change:
    def changed(original: Any, args: Any, kwargs: Any) -> Any:
        return function(_Bound(call.name, original, args, kwargs))

    return changed


def _after(function: Callable[[Any], Any]) -> Change:
    return lambda original, args, kwargs: function(original(*args, **kwargs))


def mutations(call: Call, value: Values) -> Iterator[Mutation]:
    """What may be otherwise about a call. value: gives the tensor of a place."""
    bound = _Bound(call.name, call.function, call.arguments, call.keywords)

    for family in _FAMILIES:
        for cause, detail, change in family(call, bound, value):
            yield Mutation(call.number, cause, detail, change, family is _colors)


Found = Iterator[tuple[str, str, Change]]


def _convolutions(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name not in ("conv1d", "conv2d", "conv3d"):
        return
    weight = value(bound["weight"])
    ndim = weight.ndim - 2
    sizes = weight.shape[2:]
    dilation = _many(bound["dilation"] or 1, ndim)
    stride = _many(bound["stride"] or 1, ndim)
    padding = bound["padding"] or 0
    amounts: tuple[int, ...]
    if isinstance(padding, str):
        amounts = tuple(
            d * (s - 1) // 2 if padding == "same" else 0
            for d, s in zip(dilation, sizes, strict=True)
        )
    else:
        amounts = _many(padding, ndim)
    sides = [amount for amount in reversed(amounts) for _ in range(2)]
    if any(amounts):
        for word, mode in _BORDERS.items():
            if mode != "constant":
                yield (
                    "padding mode",
                    f"{word} instead of zeros",
                    _with(call, lambda b, mode=mode: _padded(b, sides, mode)),
                )
        yield "padding amount", "none", _with(call, lambda b: b.otherwise(padding=0))
        last = [0, 2 * amounts[0]] * ndim
        yield (
            "padding amount",
            "all of it at the end",
            _with(call, lambda b: _padded(b, last, "constant")),
        )
        if max(stride) > 1:
            less = [part for size in amounts[::-1] for part in (size - 1, size)]
            yield (
                "padding amount",
                "one less at the start (pad_mode='same')",
                _with(call, lambda b: _padded(b, less, "constant")),
            )
    same = tuple(d * (s - 1) // 2 for d, s in zip(dilation, sizes, strict=True))
    for other in ({1, 2, 3, max(sizes) // 2} - set(amounts)) if len(set(amounts)) == 1 else ():
        yield (
            "padding amount",
            f"{other} for {amounts[0]}",
            _with(call, lambda b, other=other: b.otherwise(padding=(other,) * ndim)),
        )
    for other in {1, 2, 3, 4} - {dilation[0]}:
        fitted = tuple(
            amount if amount != kept else other * (size - 1) // 2
            for amount, kept, size in zip(amounts, same, sizes, strict=True)
        )
        for pad in {fitted, amounts}:
            yield (
                "dilation",
                f"{other} for {dilation[0]}",
                _with(
                    call, lambda b, other=other, pad=pad: b.otherwise(dilation=other, padding=pad)
                ),
            )
    for other in {1, 2, 4} - {stride[0]}:
        yield (
            "stride",
            f"{other} for {stride[0]}",
            _with(call, lambda b, other=other: b.otherwise(stride=other)),
        )
    yield from _weights(call, weight)
    if isinstance(bound["bias"], Place):
        yield "bias missing", "none is added", _with(call, lambda b: b.otherwise(bias=None))
    yield from _thirds(weight, 1)
    yield from _half(call)


def _padded(bound: _Bound, sides: list[int], mode: str) -> Any:
    padded = F.pad(bound["input"], sides, mode=mode)
    return bound.otherwise(input=padded, padding=0)


def _weights(call: Call, weight: Tensor) -> Found:
    """Kernels in another layout, as converters leave them."""
    axes = tuple(range(2, weight.ndim))
    if any(weight.shape[axis] > 1 for axis in axes):
        yield (
            "kernel flipped",
            "a convolution for a correlation, or the other way",
            _with(call, lambda b: b.otherwise(weight=b["weight"].flip(axes))),
        )
        for axis in axes:
            yield (
                "kernel flipped",
                f"in axis {axis}",
                _with(call, lambda b, axis=axis: b.otherwise(weight=b["weight"].flip(axis))),
            )
    if weight.ndim >= 4 and weight.shape[-1] == weight.shape[-2] > 1:
        yield (
            "weight transposed",
            "rows for columns of the kernel",
            _with(call, lambda b: b.otherwise(weight=b["weight"].transpose(-1, -2))),
        )
    if weight.shape[0] == weight.shape[1] > 1:
        yield (
            "weight transposed",
            "inputs for outputs",
            _with(call, lambda b: b.otherwise(weight=b["weight"].transpose(0, 1))),
        )
    if weight.shape[1] == 3 or weight.shape[0] == 3:
        axis = 1 if weight.shape[1] == 3 else 0
        yield (
            "channel order",
            "BGR for RGB in the weight",
            _with(call, lambda b: b.otherwise(weight=b["weight"].flip(axis))),
        )


def _transposed_convolutions(call: Call, bound: _Bound, value: Values) -> Found:
    if not call.name.startswith("conv_transpose"):
        return
    weight = value(bound["weight"])
    yield from _weights(call, weight)
    ndim = weight.ndim - 2
    padding = _many(bound["padding"] or 0, ndim)
    extra = _many(bound["output_padding"] or 0, ndim)
    if any(extra):
        yield (
            "padding amount",
            "output padding at the start",
            _with(call, lambda b: _shifted_transpose(b, padding, extra)),
        )
    if isinstance(bound["bias"], Place):
        yield "bias missing", "none is added", _with(call, lambda b: b.otherwise(bias=None))
    yield from _half(call)


def _shifted_transpose(bound: _Bound, padding: Sequence[int], extra: Sequence[int]) -> Tensor:
    whole = bound.otherwise(padding=0, output_padding=0)
    expected = bound.otherwise()
    for axis, (pad, more) in enumerate(zip(padding, extra, strict=True), 2):
        start = max(pad - more, 0)
        whole = whole.narrow(axis, start, min(expected.shape[axis], whole.shape[axis] - start))
    return whole


def _half(call: Call) -> Found:
    for dtype in (torch.float16, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        yield (
            "half precision",
            name,
            lambda function, args, kwargs, dtype=dtype: _mapped_half(function, args, kwargs, dtype),
        )


def _mapped_half(function: Any, args: Any, kwargs: Any, dtype: torch.dtype) -> Any:
    def rounded(part: Any) -> Any:
        if isinstance(part, Tensor) and part.is_floating_point():
            return part.to(dtype).to(part.dtype)
        return part

    kwargs = {key: rounded(part) for key, part in kwargs.items()}
    return rounded(function(*(rounded(part) for part in args), **kwargs))


def _linear(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name != "linear":
        return
    weight = value(bound["weight"])
    if weight.shape[0] == weight.shape[1]:
        yield (
            "weight transposed",
            "inputs for outputs",
            _with(call, lambda b: b.otherwise(weight=b["weight"].T)),
        )
    if isinstance(bound["bias"], Place):
        yield "bias missing", "none is added", _with(call, lambda b: b.otherwise(bias=None))
    yield from _thirds(weight, -1)
    yield from _half(call)


def _thirds(weight: Tensor, axis: int) -> Found:
    """A layer that makes three things of its input, as queries, keys and values, in another
    order."""
    if weight.shape[0] == 3 * weight.shape[1] > 3:  # three channels are colors
        for order in itertools.islice(itertools.permutations(range(3)), 1, None):
            yield "order of parts", f"{order} of the layer", _after(_reordering(axis, order))


def _reordering(axis: int, order: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """Takes the equal parts of an axis in another order."""

    def reordered(x: Tensor) -> Tensor:
        parts = x.chunk(len(order), axis)
        return torch.cat([parts[number] for number in order], axis)

    return reordered


def _pads(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name != "pad":
        return
    mode = bound["mode"] or "constant"
    sides = list(bound["pad"])
    for word, other in _BORDERS.items():
        if other != mode:
            old = next(key for key, one in _BORDERS.items() if one == mode)
            yield (
                "padding mode",
                f"{word} instead of {old}",
                _with(call, lambda b, other=other: b.otherwise(mode=other, value=None)),
            )
    yield "padding mode", "symmetric", _with(call, lambda b: _symmetric(b["input"], sides))
    swapped = [sides[place ^ 1] for place in range(len(sides))]
    if swapped != sides:
        yield (
            "padding amount",
            "start and end swapped",
            _with(call, lambda b: b.otherwise(pad=swapped)),
        )
    if len(sides) == 4 and sides[:2] != sides[2:]:
        yield (
            "padding amount",
            "height and width swapped",
            _with(call, lambda b: b.otherwise(pad=[*sides[2:], *sides[:2]])),
        )


def _symmetric(x: Tensor, sides: list[int]) -> Tensor:
    for place in range(0, len(sides), 2):
        axis = x.ndim - 1 - place // 2
        size = x.shape[axis]
        before, after = sides[place], sides[place + 1]
        parts = [
            x.narrow(axis, 0, before).flip(axis),
            x,
            x.narrow(axis, size - after, after).flip(axis),
        ]
        x = torch.cat(parts, axis)
    return x


def _resizes(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name not in ("interpolate", "upsample"):
        return
    mode = bound["mode"] or "nearest"
    corners = bound["align_corners"]

    def resized(**changes: Any) -> Change:
        return lambda function, args, kwargs: F.interpolate(
            **{**_resize_arguments(_Bound("interpolate", function, args, kwargs)), **changes}
        )

    if mode in ("bilinear", "bicubic", "linear", "trilinear"):
        yield (
            "align_corners",
            f"{not corners} for {bool(corners)}",
            resized(align_corners=not corners),
        )
        old, new = value(bound["input"]).shape[2:], value(Place(call.results[0])).shape[2:]
        if mode in ("bilinear", "bicubic") and any(map(lambda a, b: b < a, old, new)):
            yield "interpolation antialias", "on", resized(antialias=True)
    for other in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"):
        if other == mode:
            continue
        smooth = other in ("bilinear", "bicubic")
        for flag in (False, True) if smooth else (None,):
            words = f"{other} for {mode}" + (f", align_corners={flag}" if smooth else "")
            yield "resize mode", words, resized(mode=other, align_corners=flag, antialias=False)
    yield "resize scale", "the scale given instead of the size's", _with(
        call, lambda b: F.interpolate(**{
            **_resize_arguments(b),
            "size": None,
            "scale_factor": b["scale_factor"] or [
                float(round(new / old))
                for new, old in zip(b.otherwise().shape[2:], b["input"].shape[2:], strict=True)
            ],
            "recompute_scale_factor": not b["recompute_scale_factor"],
        })
    )  # fmt: skip
    for kernel in ("linear", "cubic (a = -0.5)", "cubic (a = -0.75)", "nearest", "round"):
        for grid in ("half-pixel", "asymmetric", "corners"):
            for border in ("replicate", "renormalized"):
                if border == "renormalized" and not kernel.startswith("cubic"):
                    continue
                cause = "resize kernel" if kernel.startswith("cubic") else "half-pixel"
                if kernel.startswith("cubic") and grid != "half-pixel":
                    cause = "half-pixel" if grid == "asymmetric" else "align_corners"
                elif grid == "corners":
                    cause = "align_corners"
                words = f"{kernel}, {grid} coordinates, border {border}"
                yield (
                    cause,
                    words,
                    _with(
                        call,
                        lambda b, k=kernel, g=grid, e=border: resample(
                            b["input"], b.otherwise().shape[2:], k, g, e
                        ),
                    ),
                )


def _resize_arguments(bound: _Bound) -> dict[str, Any]:
    names = ("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")
    return {name: bound[name] for name in names if bound[name] is not None} | {
        "antialias": bool(bound["antialias"])
    }


def resample(x: Tensor, size: Sequence[int], kernel: str, grid: str, border: str) -> Tensor:
    """Resampling in each of the last two axes, by a matrix."""
    for axis, count in zip((-2, -1), size, strict=True):
        matrix = _matrix(x.shape[axis], count, kernel, grid, border).to(x.dtype)
        x = torch.movedim(torch.movedim(x, axis, -1) @ matrix.T, -1, axis)
    return x


def _matrix(old: int, new: int, kernel: str, grid: str, border: str) -> Tensor:
    rows = torch.zeros(new, old, dtype=torch.float64)
    for row in range(new):
        if grid == "half-pixel":
            place = (row + 0.5) * old / new - 0.5
        elif grid == "corners":
            place = row * (old - 1) / max(new - 1, 1)
        else:
            place = row * old / new
        first = math.floor(place)
        part = place - first
        if kernel == "nearest":
            taps = {first: 1.0}
        elif kernel == "round":
            taps = {math.floor(place + 0.5): 1.0}
        elif kernel == "linear":
            clamped = min(max(place, 0.0), old - 1.0)
            first = math.floor(clamped)
            taps = {first: 1 - (clamped - first), first + 1: clamped - first}
        else:
            a = -0.5 if "-0.5" in kernel else -0.75
            taps = {first + step: _cubic(abs(part - step), a) for step in (-1, 0, 1, 2)}
        if border == "renormalized":
            taps = {tap: weight for tap, weight in taps.items() if 0 <= tap < old}
            total = sum(taps.values())
            taps = {tap: weight / total for tap, weight in taps.items()}
        for tap, weight in taps.items():
            rows[row, min(max(tap, 0), old - 1)] += weight
    return rows


def _cubic(distance: float, a: float) -> float:
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    if distance < 2:
        return a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
    return 0.0


def _pools(call: Call, bound: _Bound, value: Values) -> Found:
    name = call.name
    if name in ("max_pool2d", "boolean_dispatch", "max_pool1d", "max_pool3d"):
        if name == "boolean_dispatch" and "kernel_size" not in bound.values:
            return
        yield (
            "pooling ceil",
            "the other",
            _with(call, lambda b: b.otherwise(ceil_mode=not b["ceil_mode"])),
        )
        yield (
            "pooling kind",
            "mean for maximum",
            _with(
                call,
                lambda b: F.avg_pool2d(
                    b["input"], b["kernel_size"], b["stride"], b["padding"] or 0
                ),
            ),
        )
    elif name.startswith("avg_pool"):
        counted = bound["count_include_pad"]
        counted = True if counted is None else counted
        yield (
            "count_include_pad",
            f"{not counted} for {counted}",
            _with(call, lambda b: b.otherwise(count_include_pad=not counted)),
        )
        yield (
            "pooling ceil",
            "the other",
            _with(call, lambda b: b.otherwise(ceil_mode=not b["ceil_mode"])),
        )
        yield (
            "pooling kind",
            "maximum for mean",
            _with(
                call,
                lambda b: F.max_pool2d(
                    b["input"], b["kernel_size"], b["stride"], b["padding"] or 0
                ),
            ),
        )
        yield (
            "padding mode",
            "replicate instead of zeros",
            _with(
                call,
                lambda b: b.otherwise(
                    input=F.pad(b["input"], _many(b["padding"] or 0, 2) * 2, mode="replicate"),
                    padding=0,
                ),
            ),
        )
    elif name == "adaptive_avg_pool2d":
        yield "pooling adaptive", "windows of one size", _with(call, _plain_pool)
        yield (
            "pooling kind",
            "maximum for mean",
            _with(call, lambda b: F.adaptive_max_pool2d(b["input"], b["output_size"])),
        )


def _plain_pool(bound: _Bound) -> Tensor:
    out = bound.otherwise().shape[-2:]
    stride = [size // count for size, count in zip(bound["input"].shape[-2:], out, strict=True)]
    kernel = [
        size - (count - 1) * step
        for size, count, step in zip(bound["input"].shape[-2:], out, stride, strict=True)
    ]
    return F.avg_pool2d(bound["input"], kernel, stride)


def _activations(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name not in _ACTIVATION_CALLS:
        return
    if call.name == "gelu":
        exact = bound["approximate"] in (None, "none")
        yield (
            "GELU form",
            "tanh for exact" if exact else "exact for tanh",
            _with(call, lambda b: b.otherwise(approximate="tanh" if exact else "none")),
        )
        yield "GELU form", "sigmoid", lambda _f, args, _k: args[0] * torch.sigmoid(1.702 * args[0])
    for name, function in _ACTIVATIONS.items():
        if name.startswith("leaky") and call.name.startswith("leaky"):
            continue  # the slope is solved for
        cause = "activation missing" if name == "identity" else "activation"
        yield (
            cause,
            f"{name} for {call.name}",
            (lambda _f, args, _k, function=function: function(args[0])),
        )


def _in_place(call: Call, bound: _Bound, value: Values) -> Found:
    """A result that is written over the operand, which is used again."""
    if call.name not in _ACTIVATION_CALLS and call.name not in _ARITHMETIC:
        return
    operand = value(call.arguments[0]) if call.arguments else None
    if not isinstance(operand, Tensor) or isinstance(operand, nn.Parameter):
        return
    if call.results and value(Place(call.results[0])).shape == operand.shape:
        yield (
            "input changed in place",
            f"{call.name} is written over its operand",
            lambda function, args, kwargs: args[0].copy_(function(*args, **kwargs)),
        )


def _norms(call: Call, bound: _Bound, value: Values) -> Found:
    name = call.name
    if name == "batch_norm":
        training = bool(bound["training"])
        words = "batch statistics for running ones" if not training else "running for batch ones"
        yield (
            "batch statistics",
            words,
            _with(
                call,
                lambda b: F.batch_norm(
                    b["input"],
                    None if not training else b["running_mean"],
                    None if not training else b["running_var"],
                    b["weight"],
                    b["bias"],
                    not training,
                    0.0,
                    b["eps"],
                ),
            ),
        )
        yield "eps place", "added to the deviation", _with(call, _batch_norm_outside)
    elif name in ("instance_norm", "layer_norm", "group_norm"):
        if name == "instance_norm" and bound["running_mean"] is not None:
            return
        yield (
            "unbiased variance",
            "divided by n - 1",
            _with(call, lambda b: _normalized(name, b, unbiased=True)),
        )
        yield (
            "eps place",
            "added to the deviation",
            _with(call, lambda b: _normalized(name, b, outside=True)),
        )
        if isinstance(bound["weight"], Place):
            yield (
                "affine missing",
                "no factor and offset",
                _with(call, lambda b: b.otherwise(weight=None, bias=None)),
            )
        if name == "group_norm":
            channels = value(bound["input"]).shape[1]
            for other in {1, 2, 4, 8, 16, 32, channels} - {bound["num_groups"]}:
                if channels % other == 0:
                    yield (
                        "number of groups",
                        f"{other} for {bound['num_groups']}",
                        _with(call, lambda b, other=other: b.otherwise(num_groups=other)),
                    )
            yield "group order", "channels dealt out to groups", _with(call, _dealt)
        if name == "layer_norm":
            x = value(bound["input"])
            for axis in range(1, x.ndim - 1):
                if x.shape[axis] == x.shape[-1]:
                    yield (
                        "wrong axis",
                        f"axis {axis} for the last",
                        _with(
                            call,
                            lambda b, axis=axis: b.otherwise(
                                input=b["input"].transpose(axis, -1)
                            ).transpose(axis, -1),
                        ),
                    )
    if name in ("batch_norm", "instance_norm", "layer_norm", "group_norm"):
        yield "norm missing", "none", _with(call, lambda b: b["input"])


def _batch_norm_outside(bound: _Bound) -> Tensor:
    x = bound["input"]
    shape = (1, -1) + (1,) * (x.ndim - 2)
    result = (x - bound["running_mean"].reshape(shape)) / (
        bound["running_var"].sqrt() + bound["eps"]
    ).reshape(shape)
    return _affine(result, bound, shape)


def _normalized(
    name: str, bound: _Bound, *, unbiased: bool = False, outside: bool = False
) -> Tensor:
    x = bound["input"]
    eps = 1e-5 if bound["eps"] is None else bound["eps"]
    if name == "layer_norm":
        axes = tuple(range(-len(bound["normalized_shape"]), 0))
        flat, shape = x, tuple(x.shape[axis] for axis in axes)
    else:
        groups = bound["num_groups"] if name == "group_norm" else x.shape[1]
        flat = x.reshape(x.shape[0], groups, -1)
        axes, shape = (2,), (1, -1) + (1,) * (x.ndim - 2)
    mean = flat.mean(axes, keepdim=True)
    variance = flat.var(axes, keepdim=True, correction=1 if unbiased else 0)
    deviation = variance.sqrt() + eps if outside else (variance + eps).sqrt()
    return _affine(((flat - mean) / deviation).reshape(x.shape), bound, shape)


def _affine(x: Tensor, bound: _Bound, shape: tuple[int, ...]) -> Tensor:
    if bound["weight"] is not None:
        x = x * bound["weight"].reshape(shape)
    if bound["bias"] is not None:
        x = x + bound["bias"].reshape(shape)
    return x


def _dealt(bound: _Bound) -> Tensor:
    x, groups = bound["input"], bound["num_groups"]
    c = x.shape[1]
    order = torch.arange(c).reshape(-1, groups).T.reshape(-1)
    back = torch.argsort(order)
    plain = bound.otherwise(input=x[:, order], weight=None, bias=None)[:, back]
    return _affine(plain, bound, (1, -1) + (1,) * (x.ndim - 2))


def _softmaxes(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name not in ("softmax", "log_softmax"):
        return
    x = value(call.arguments[0])
    dim = bound["dim"] % x.ndim
    for other in range(x.ndim):
        if other != dim:
            yield (
                "softmax axis",
                f"{other} for {dim}",
                _with(call, lambda b, other=other: b.otherwise(dim=other)),
            )
    yield "softmax missing", "none", lambda _f, args, _k: args[0]


def _rolls(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name != "roll":
        return
    shifts, dims = bound["shifts"], bound["dims"]
    shifts = shifts if isinstance(shifts, tuple | list) else (shifts,)
    dims = dims if isinstance(dims, tuple | list) else (dims,)
    opposite = tuple(-shift for shift in shifts)
    yield (
        "window shift sign",
        f"{opposite} for {tuple(shifts)}",
        _with(call, lambda b: b.otherwise(shifts=opposite)),
    )
    yield "window shift", "none", lambda _f, args, _k: args[0]
    for other in {1, 2, 3, 4, abs(shifts[0]) // 2, abs(shifts[0]) * 2} - {abs(shifts[0]), 0}:
        sized = tuple(int(math.copysign(other, shift)) for shift in shifts)
        yield (
            "window shift",
            f"{sized} for {tuple(shifts)}",
            _with(call, lambda b, sized=sized: b.otherwise(shifts=sized)),
        )
    if len(shifts) == 2:
        for keep in range(2):
            yield (
                "window shift",
                f"in axis {dims[keep]} alone",
                _with(
                    call,
                    lambda b, keep=keep: b.otherwise(shifts=(shifts[keep],), dims=(dims[keep],)),
                ),
            )


def _joins(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name not in ("cat", "concat", "concatenate", "stack"):
        return
    parts = list(bound["tensors"])
    for order in itertools.islice(itertools.permutations(range(len(parts))), 1, 24):
        is_color = (
            order == (2, 1, 0)
            and call.name != "stack"
            and value(Place(call.results[0])).shape[bound["dim"] or 0] == 3
        )
        words = (
            ("channel order", "BGR for RGB") if is_color else ("concatenation order", f"{order}")
        )
        yield (
            *words,
            _with(
                call, lambda b, order=order: b.otherwise(tensors=[b["tensors"][n] for n in order])
            ),
        )
    dim = bound["dim"] or 0
    if call.name == "stack" or len({tuple(value(part).shape) for part in parts}) == 1:
        interleaved = len(parts)
        if call.name != "stack":
            yield (
                "concatenation order",
                "interleaved",
                _after(lambda result: _interleaved(result, dim, interleaved)),
            )


def _interleaved(x: Tensor, dim: int, parts: int) -> Tensor:
    return x.unflatten(dim, (parts, -1)).transpose(dim, dim + 1).flatten(dim, dim + 1)


def _stacked(call: Call, bound: _Bound, value: Values) -> Found:
    """Three tensors in one, as queries, keys and values are, which are then taken by number."""
    if call.name not in ("permute", "movedim", "moveaxis", "transpose", "stack"):
        return
    shape = value(Place(call.results[0])).shape
    if len(shape) > 3 and shape[0] == 3:
        for order in itertools.islice(itertools.permutations(range(3)), 1, None):
            yield "order of parts", f"{order}", _after(_reordering(0, order))


def _splits(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name not in (
        "chunk",
        "split",
        "unbind",
        "__iter__",
        "tensor_split",
        "split_with_sizes",
    ):
        return
    count = len(call.results)
    if not 2 <= count <= 4:
        return
    for order in itertools.islice(itertools.permutations(range(count)), 1, None):
        yield (
            "order of parts",
            f"{order}",
            _after(lambda result, order=order: [list(result)[n] for n in order]),
        )
    if call.name in ("chunk", "split"):
        dim = bound["dim"] or 0
        yield (
            "order of parts",
            "interleaved",
            _with(
                call,
                lambda b: b.otherwise(
                    input=b["input"]
                    .unflatten(dim, (-1, count))
                    .transpose(dim, dim + 1)
                    .flatten(dim, dim + 1)
                ),
            ),
        )


def _shuffles(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name == "pixel_shuffle":
        yield (
            "pixel shuffle order",
            "channels (r, r, c) instead of (c, r, r)",
            _with(call, lambda b: _shuffled(b, (-1,), (0, 3, 4, 1, 5, 2))),
        )
        yield (
            "pixel shuffle order",
            "rows and columns swapped",
            _with(call, lambda b: _shuffled(b, (), (0, 1, 4, 3, 5, 2))),
        )
        yield (
            "pixel shuffle order",
            "channels (r, r, c), rows and columns swapped",
            _with(call, lambda b: _shuffled(b, (-1,), (0, 3, 4, 2, 5, 1))),
        )
    elif call.name == "pixel_unshuffle":
        yield (
            "pixel shuffle order",
            "channels (r, r, c) instead of (c, r, r)",
            _with(call, _unshuffled),
        )


def _shuffled(bound: _Bound, last: tuple[int, ...], order: tuple[int, ...]) -> Tensor:
    x, r = bound["input"], bound["upscale_factor"]
    n, c, h, w = x.shape
    c //= r * r
    x = x.reshape(n, r, r, c, h, w) if last else x.reshape(n, c, r, r, h, w)
    return x.permute(order).reshape(n, c, h * r, w * r)


def _unshuffled(bound: _Bound) -> Tensor:
    x, r = bound["input"], bound["downscale_factor"]
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // r, r, w // r, r).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, r * r * c, h // r, w // r)


def _shapes(call: Call, bound: _Bound, value: Values) -> Found:
    """An axis split into factors, in another order."""
    if call.name not in ("reshape", "view", "unflatten", "flatten"):
        return
    before = value(call.arguments[0]).shape
    after = value(Place(call.results[0])).shape
    for start, stop in _split_axes(before, after):
        factors = after[start:stop]
        count = stop - start
        for order in itertools.islice(itertools.permutations(range(count)), 1, None):
            mixed = tuple(factors[n] for n in order)
            if 1 not in factors:
                words = f"{mixed} for {tuple(factors)}"
                yield "split order", words, _split_otherwise(after, start, order)


def _split_otherwise(after: Sequence[int], start: int, order: Sequence[int]) -> Change:
    """A reshape to `after` whose factors from `start` on are taken in another order."""
    stop = start + len(order)
    mixed = [after[start + n] for n in order]
    back = [start + order.index(n) for n in range(len(order))]

    def changed(_function: Any, args: Any, _kwargs: Any) -> Any:
        split = args[0].reshape(*after[:start], *mixed, *after[stop:])
        return split.permute(*range(start), *back, *range(stop, len(after)))

    return changed


def _split_axes(before: Sequence[int], after: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of axes after a reshape that came from one axis before it: (start, stop)."""
    place = 0
    for size in before:
        start, product = place, 1
        while place < len(after) and product < size:
            product *= after[place]
            place += 1
        if product != size:
            return
        if size == 1 and place < len(after) and after[place] == 1:
            place += 1
        if 2 <= place - start <= 4:
            yield start, place


def _transposes(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name not in ("matmul", "bmm", "__matmul__", "mm"):
        return
    for place in range(2):
        operand = value(call.arguments[place])
        if operand.ndim >= 2 and operand.shape[-1] == operand.shape[-2]:
            yield (
                "operand transposed",
                f"the {('first', 'second')[place]} of the product",
                (
                    lambda function, args, kwargs, place=place: function(
                        *(
                            part.transpose(-1, -2) if n == place else part
                            for n, part in enumerate(args)
                        ),
                        **kwargs,
                    )
                ),
            )


def _indexing(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name not in ("__getitem__", "index_select", "embedding", "gather"):
        return
    places = [
        part
        for part in call.arguments[1:]
        for part in (part if isinstance(part, tuple) else (part,))
    ]
    for part in places:
        if not isinstance(part, Place):
            continue
        index = value(part)
        if index.is_floating_point() or index.dtype == torch.bool:
            continue
        words = "the index of positions is transposed"
        if index.ndim >= 2 and index.shape[-1] == index.shape[-2]:
            yield (
                "position index transposed",
                words,
                (
                    lambda function, args, kwargs, index=index: function(
                        args[0], index.transpose(-1, -2), *args[2:], **kwargs
                    )
                ),
            )
        table = value(call.arguments[0])
        side = math.isqrt(table.shape[0])
        if side * side == table.shape[0] and side > 1:
            yield (
                "relative position index transposed",
                "rows and columns of the offsets swapped",
                (
                    lambda function, args, kwargs, index=index, side=side: function(
                        args[0], index % side * side + index // side, *args[2:], **kwargs
                    )
                ),
            )
            last = side * side - 1
            yield (
                "relative position index transposed",
                "the sign of the offsets",
                (
                    lambda function, args, kwargs, index=index, last=last: function(
                        args[0], last - index, *args[2:], **kwargs
                    )
                ),
            )


def _fourier(call: Call, bound: _Bound, value: Values) -> Found:
    if not call.name.startswith("fft_"):
        return
    if "shift" in call.name or "freq" in call.name:
        yield "FFT shift", "none", lambda _f, args, _k: args[0]
        return
    norm = bound["norm"] or "backward"
    for other in _NORMS:
        if other != norm:
            yield (
                "FFT norm",
                f"{other} for {norm}",
                _with(call, lambda b, other=other: b.otherwise(norm=other)),
            )
    sizes = bound["s"]
    if sizes is not None and call.name.startswith("fft_irfft"):
        yield "FFT size", "an even width", _with(call, _even)


def _even(bound: _Bound) -> Tensor:
    expected = bound.otherwise()
    even = bound.otherwise(s=None)
    return (
        even
        if even.shape == expected.shape
        else F.pad(even, (0, expected.shape[-1] - even.shape[-1]))
    )


def _complexes(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name in ("angle", "phase"):
        yield (
            "phase arguments swapped",
            "arctan2(re, im) for arctan2(im, re)",
            (lambda _f, args, _k: torch.atan2(args[0].real, args[0].imag)),
        )
        yield (
            "arctan for arctan2",
            "arctan(im / re)",
            (lambda _f, args, _k: torch.atan(args[0].imag / args[0].real)),
        )
    elif call.name in ("atan2", "arctan2"):
        yield (
            "phase arguments swapped",
            "arctan2(x, y) for arctan2(y, x)",
            (lambda function, args, kwargs: function(args[1], args[0], *args[2:], **kwargs)),
        )
        yield (
            "arctan for arctan2",
            "arctan(y / x)",
            (lambda _f, args, _k: torch.atan(args[0] / args[1])),
        )
    elif call.name in ("complex", "polar"):
        yield (
            "real and imaginary swapped",
            "in the complex number",
            (lambda function, args, kwargs: function(args[1], args[0], **kwargs)),
        )
        yield (
            "complex conjugate",
            "the imaginary part has the other sign",
            _after(lambda result: result.conj().resolve_conj()),
        )
    elif call.name == "real":
        yield (
            "real and imaginary swapped",
            "the imaginary part",
            (lambda _f, args, _k: args[0].imag.clone()),
        )
    elif call.name == "imag":
        yield (
            "real and imaginary swapped",
            "the real part",
            lambda _f, args, _k: args[0].real.clone(),
        )
        yield (
            "complex conjugate",
            "the imaginary part has the other sign",
            _after(lambda result: -result),
        )


_ARITHMETIC = {
    **dict.fromkeys(("add", "__add__", "__radd__", "__iadd__", "add_"), "add"),
    **dict.fromkeys(("sub", "__sub__", "__rsub__", "__isub__", "sub_", "rsub"), "sub"),
    **dict.fromkeys(("mul", "__mul__", "__rmul__", "__imul__", "mul_", "multiply"), "mul"),
    **dict.fromkeys(("div", "__truediv__", "__itruediv__", "true_divide", "div_"), "div"),
}


def _arithmetic(call: Call, bound: _Bound, value: Values) -> Found:
    kind = _ARITHMETIC.get(call.name)
    if kind is None or len(call.arguments) < 2:
        return
    operands = [value(part) for part in call.arguments[:2]]
    if not all(isinstance(part, Tensor) for part in operands):
        return
    result = value(Place(call.results[0]))
    words = {
        "add": "skip missing",
        "sub": "skip missing",
        "mul": "factor missing",
        "div": "factor missing",
    }
    for place in range(2):
        if operands[place].shape == result.shape:
            cause = words[kind]
            other = operands[1 - place]
            if kind == "add" and other.shape != result.shape:
                cause = "attention mask missing" if other.ndim >= 3 else "bias missing"
            yield (
                cause,
                f"the {('second', 'first')[place]} operand is left out",
                (lambda _f, args, _k, place=place: args[place].clone()),
            )
    if kind == "add":
        yield "sign", "minus for plus", lambda _f, args, _k: args[0] - args[1]
        yield (
            "product for sum",
            "the operands are multiplied",
            lambda _f, args, _k: args[0] * args[1],
        )
    elif kind == "sub":
        yield "sign", "plus for minus", lambda _f, args, _k: args[0] + args[1]
        yield "sign", "the other way round", _after(lambda result: -result)
    elif kind == "mul":
        yield "sum for product", "the operands are added", lambda _f, args, _k: args[0] + args[1]


def _reductions(call: Call, bound: _Bound, value: Values) -> Found:
    names = ("mean", "sum", "var", "std", "amax", "amin", "norm", "cumsum", "var_mean")
    if call.name not in names or not call.arguments:
        return
    x = value(call.arguments[0])
    dim = call.keywords.get("dim", call.arguments[1] if len(call.arguments) > 1 else None)
    if isinstance(dim, int) and not isinstance(dim, bool):
        for other in range(x.ndim):
            if other != dim % x.ndim:
                yield "wrong axis", f"{other} for {dim % x.ndim}", _along(other)
    if call.name in ("var", "std"):
        for correction in (0, 1):
            yield (
                ("unbiased variance" if correction else "biased variance"),
                (f"divided by n - {correction}" if correction else "divided by n"),
                (
                    lambda function, args, kwargs, correction=correction: function(
                        args[0],
                        dim=kwargs.get("dim", args[1] if len(args) > 1 else None),
                        correction=correction,
                        keepdim=kwargs.get("keepdim", args[3] if len(args) > 3 else False),
                    )
                ),
            )
    if call.name == "mean":
        yield (
            "pooling kind",
            "maximum for mean",
            (
                lambda _f, args, kwargs: args[0].amax(
                    kwargs.get("dim", args[1] if len(args) > 1 else None),
                    kwargs.get("keepdim", args[2] if len(args) > 2 else False),
                )
            ),
        )
    if call.name in ("mean", "sum"):
        other = "sum" if call.name == "mean" else "mean"
        yield (
            "sum for mean",
            f"{other} for {call.name}",
            (lambda _f, args, kwargs, other=other: getattr(args[0], other)(*args[1:], **kwargs)),
        )


def _along(axis: int) -> Change:
    def changed(function: Any, args: Any, kwargs: Any) -> Any:
        if "dim" in kwargs:
            return function(*args, **{**kwargs, "dim": axis})
        return function(args[0], axis, *args[2:], **kwargs)

    return changed


def _samplers(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name == "grid_sample":
        corners = bool(bound["align_corners"])
        yield (
            "align_corners",
            f"{not corners} for {corners}",
            _with(call, lambda b: b.otherwise(align_corners=not corners)),
        )
        for mode in {"bilinear", "nearest", "bicubic"} - {bound["mode"] or "bilinear"}:
            yield (
                "resize mode",
                f"{mode} for {bound['mode'] or 'bilinear'}",
                _with(call, lambda b, mode=mode: b.otherwise(mode=mode)),
            )
        for mode in {"zeros", "border", "reflection"} - {bound["padding_mode"] or "zeros"}:
            yield (
                "padding mode",
                f"{mode} for {bound['padding_mode'] or 'zeros'}",
                _with(call, lambda b, mode=mode: b.otherwise(padding_mode=mode)),
            )
        yield (
            "grid coordinates",
            "x and y swapped",
            _with(call, lambda b: b.otherwise(grid=b["grid"].flip(-1))),
        )
        yield (
            "grid coordinates",
            "in [0, 1] instead of [-1, 1]",
            _with(call, lambda b: b.otherwise(grid=b["grid"] / 2 + 0.5)),
        )
    elif call.name == "affine_grid":
        yield (
            "align_corners",
            "the other",
            _with(call, lambda b: b.otherwise(align_corners=not b["align_corners"])),
        )
    elif call.name == "meshgrid":
        yield (
            "grid coordinates",
            "rows and columns swapped",
            (
                lambda function, args, kwargs: function(
                    *args,
                    **{
                        **kwargs,
                        "indexing": "xy" if kwargs.get("indexing", "ij") == "ij" else "ij",
                    },
                )
            ),
        )


def _attention(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name != "scaled_dot_product_attention":
        return
    yield (
        "order of queries, keys and values",
        "queries and keys swapped",
        _with(call, lambda b: b.otherwise(query=b["key"], key=b["query"])),
    )
    if bound["attn_mask"] is not None:
        yield "attention mask missing", "none", _with(call, lambda b: b.otherwise(attn_mask=None))
    yield "attention scale", "none", _with(call, lambda b: b.otherwise(scale=1.0))


def _clamps(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name in ("clamp", "clip", "clamp_", "clamp_min", "clamp_max"):
        yield "clamp missing", "none", lambda _f, args, _k: args[0]
    low, high = bound["min"], bound["max"]
    if call.name == "clamp" and isinstance(low, int | float) and isinstance(high, int | float):
        scaled = [(low * factor, high * factor) for factor in (0.1, 0.5, 2, 10, 255, 1 / 255)]
        for limits in dict.fromkeys((*_LIMITS, *scaled)):
            if limits != (low, high):
                yield (
                    "clamp limits",
                    f"[{limits[0]:g}, {limits[1]:g}] for [{low:g}, {high:g}]",
                    _with(call, lambda b, to=limits: b.otherwise(min=to[0], max=to[1])),
                )


def _dropouts(call: Call, bound: _Bound, value: Values) -> Found:
    if call.name in ("dropout", "dropout2d", "alpha_dropout", "feature_dropout"):
        p = bound["p"] if isinstance(bound["p"], float) else 0.5
        yield "dropout scale", "times the keep probability", _after(lambda result: result * (1 - p))


def _colors(call: Call, bound: _Bound, value: Values) -> Found:
    """The three channels of a result in the other order."""
    if len(call.results) != 1:
        return
    result = value(Place(call.results[0]))
    for axis in {1, result.ndim - 1} if result.ndim in (3, 4) else ():
        if result.shape[axis] == 3 and not isinstance(result, torch.nn.Parameter):
            yield "channel order", "BGR for RGB", lambda result, axis=axis: result.flip(axis)


_FAMILIES = (
    _convolutions, _transposed_convolutions, _linear, _pads, _resizes, _pools, _activations,
    _norms, _softmaxes, _rolls, _joins, _stacked, _splits, _shuffles, _shapes, _transposes,
    _indexing, _fourier, _complexes, _arithmetic, _reductions, _samplers, _attention, _clamps,
    _dropouts, _colors, _in_place,
)  # fmt: skip

_FITTED = {
    ("batch_norm", "eps"): "eps",
    ("instance_norm", "eps"): "eps",
    ("layer_norm", "eps"): "eps",
    ("group_norm", "eps"): "eps",
    ("normalize", "eps"): "eps",
    ("leaky_relu", "negative_slope"): "slope",
    ("elu", "alpha"): "slope",
    ("pad", "value"): "padding value",
}
_MOST_FITTED = 16  # numbers of a constant that are told from a result


def numbers(call: Call, value: Values, is_constant: Callable[[int], bool]) -> Iterator[Number]:
    """The numbers of a call that a port may have otherwise.

    is_constant: whether a slot holds what depends on no input and is no weight.
    """
    yield from _factors(call, value)
    names = _SIGNATURES.get(call.name, ())
    for place, part in [*enumerate(call.arguments), *call.keywords.items()]:
        name = names[place] if isinstance(place, int) and place < len(names) else place
        cause = _FITTED.get((call.name, str(name)))
        if cause and isinstance(part, float):
            yield Number(call.number, cause, place, (part,), (), cause == "eps")
        elif call.name in _ARITHMETIC or call.name in ("pow", "__pow__", "clamp", "add"):
            kind = _ARITHMETIC.get(call.name, call.name)
            words = {"mul": "scale", "div": "scale", "add": "constant", "sub": "constant"}
            cause = words.get(kind, "clamp limits" if kind == "clamp" else "constant")
            if isinstance(part, float) or (
                isinstance(part, int) and not isinstance(part, bool) and name not in ("dim",)
            ):
                yield Number(call.number, cause, place, (float(part),), ())
            elif isinstance(part, Place) and is_constant(part.slot):
                tensor = value(part)
                if tensor.is_floating_point() and tensor.numel() <= _MOST_FITTED:
                    flat = tuple(float(number) for number in tensor.reshape(-1))
                    yield Number(call.number, cause, place, flat, tuple(tensor.shape))


def _factors(call: Call, value: Values) -> Iterator[Number]:
    """What the operands of a sum of two branches may be multiplied by."""
    if _ARITHMETIC.get(call.name) not in ("add", "sub") or len(call.arguments) < 2:
        return
    operands = [value(part) for part in call.arguments[:2]]
    if all(isinstance(one, Tensor) and one.numel() > _MOST_FITTED for one in operands):
        for place in range(2):
            yield Number(call.number, "residual scale", place, (1.0,), (), is_factor=True)


def endings(low: float, high: float) -> Iterator[tuple[str, str, Callable[[Tensor], Tensor]]]:
    """What a port may do to the end of a stretch that the reference does not.

    low, high: the least and largest number of the port's.
    """
    for lower, upper in _LIMITS:
        if low >= lower and high <= upper:
            yield (
                "output clamp",
                f"to [{lower:g}, {upper:g}]",
                (lambda x, a=lower, b=upper: torch.clamp(x, a, b)),
            )
    for name, function in _ACTIVATIONS.items():
        if name != "identity":
            yield "activation extra", name, function
    yield "channel order", "BGR for RGB", lambda x: x.flip(1) if x.ndim > 1 else x
    for axis in (-1, -2):
        yield "flipped", f"in axis {axis}", lambda x, axis=axis: x.flip(axis)
    yield (
        "rows and columns swapped",
        "in the result",
        (lambda x: x.transpose(-1, -2) if x.ndim > 1 and x.shape[-1] == x.shape[-2] else x),
    )
    yield "sign", "of the result", lambda x: -x
    yield "half precision", "float16", lambda x: x.half().to(x.dtype)
    yield "half precision", "bfloat16", lambda x: x.bfloat16().to(x.dtype)


def _many(value: Any, count: int) -> tuple[int, ...]:
    return (
        tuple(value) * (count if len(value) == 1 else 1)
        if isinstance(value, tuple | list)
        else (value,) * count
    )
