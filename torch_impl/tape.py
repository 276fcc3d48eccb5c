"""A tape of what a network computed: every call of a PyTorch function, with the user's lines.

Calls are met by `TorchFunctionMode`, one level below the user's code: `F.interpolate` and
`Tensor.view` are one call each, what they call in turn is not seen. Parts of the tape can be played
again, at another precision, from other numbers, or with one call changed.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Change = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
"""Does a call otherwise: gets the function and its arguments, gives the result."""

_ITERATE = torch.Tensor.__iter__
_READS = ("__get__", "size", "dim", "stride", "numel", "__len__", "is_floating_point", "type")
_WIDER = {torch.float32: torch.float64, torch.complex64: torch.complex128}
_NARROWER = {wide: narrow for narrow, wide in _WIDER.items()}


@dataclass(frozen=True)
class Place:
    """Stands for a tensor in the arguments of a call that was recorded."""

    slot: int


@dataclass
class Call:
    """One call. arguments, keywords: with `Place` for tensors. results: slots, in order. written:
    those it changed in place. frames: the user's, the innermost first: (file, line, function).
    modules: that were running, the innermost first."""

    number: int
    function: Any
    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    results: list[int]
    written: list[int]
    frames: list[tuple[str, int, str]]
    modules: list[str]


@dataclass(frozen=True)
class History:
    """What a tensor came from: taps by number, and the calls since."""

    sources: frozenset[int] = frozenset()
    calls: frozenset[int] = frozenset()


@dataclass
class Stretch:
    """The calls between some taps and a slot, in order, and the slots of those taps.

    sources: number of the tap by slot.
    """

    slot: int
    calls: list[Call]
    sources: dict[int, int]


class Spool:
    """Tensors on the disk, in a file that goes with the process."""

    def __init__(self) -> None:
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)
        self._file = os.fdopen(descriptor, "w+b")

    def keep(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Write a tensor; what reads it, in the same layout."""
        order = sorted(range(tensor.dim()), key=lambda axis: -tensor.stride(axis))
        try:
            array = tensor.resolve_conj().permute(order).contiguous().numpy()
        except TypeError:  # NumPy has no such type
            held = tensor.clone()
            return lambda: held
        place = self._file.seek(0, os.SEEK_END)
        self._file.write(array.reshape(-1).view(np.uint8).data)
        back = np.argsort(order).tolist()

        def read() -> Tensor:
            data = bytearray(array_bytes)
            self._file.seek(place)
            self._file.readinto(data)
            numbers = np.frombuffer(data, dtype).reshape(shape)
            return torch.from_numpy(numbers).permute(back)

        array_bytes, dtype, shape = array.nbytes, array.dtype, array.shape
        return read


@dataclass
class Tape(TorchFunctionMode):
    """Records while it is entered; float32 is taken for float64 throughout.

    watch: told of every call that gave tensors, with its results, may replace them. frames: gives
    the user's frames. is_single: float32 stays what it is, and nothing can be played again.
    """

    frames: Callable[[], list[tuple[str, int, str]]]
    watch: Callable[[Call, list[Tensor]], dict[int, Tensor] | None]
    is_single: bool = False
    calls: list[Call] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    histories: dict[int, History] = field(default_factory=dict)
    taps: list[tuple[int, Callable[[], Tensor]]] = field(default_factory=list)
    made: list[int] = field(default_factory=list)  # how many calls there were before each tap
    running: list[str] = field(default_factory=lambda: [""])
    _slots: dict[int, int] = field(default_factory=dict)
    _spool: Spool = field(default_factory=Spool)

    def __post_init__(self) -> None:
        super().__init__()

    __hash__ = object.__hash__

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self.is_single:
            function, args, kwargs = _widened(function, args, kwargs)
        name = getattr(function, "__name__", str(function))
        if name == "__get__":
            name = getattr(function.__self__, "__name__", name)
        result = function(*args, **kwargs)
        if function is _ITERATE:
            result = list(result)
        found = list(_tensors(result))
        is_written = _writes(name, kwargs)
        if not found and not is_written:
            return result
        call = Call(
            len(self.calls),
            function,
            name,
            self._recorded(args),
            self._recorded(kwargs),
            [],
            [],
            self.frames(),
            list(reversed(self.running)),
        )
        used = [self.slot(tensor) for tensor in _tensors((args, kwargs))]
        history = _joined([self.history(slot) for slot in used], call.number)
        self.calls.append(call)
        if is_written and args and isinstance(args[0], Tensor):
            call.written = self._sharing(args[0])
            for slot in call.written:
                self.histories[slot] = _joined([self.history(slot), history], call.number)
        for tensor in found:
            call.results.append(self.slot(tensor))
            self.histories[call.results[-1]] = history
        replaced = self.watch(call, found) if found else None
        if replaced:
            others = {id(found[index]): tensor for index, tensor in replaced.items()}
            result = _mapped(result, lambda part: others.get(id(part), part))
        return iter(result) if function is _ITERATE else result

    def slot(self, tensor: Tensor) -> int:
        """The number of a tensor; it is kept, so that no other gets its identity."""
        if id(tensor) not in self._slots:
            self._slots[id(tensor)] = len(self.tensors)
            self.tensors.append(tensor)
        return self._slots[id(tensor)]

    def history(self, slot: int) -> History:
        return self.histories.get(slot, History())

    def mark(self, tensor: Tensor) -> int:
        """A tensor is a tap from here on; the number of the tap."""
        with torch._C.DisableTorchFunction():
            keep = self._unkept if self.is_single else self._spool.keep
            self.taps.append((self.slot(tensor), keep(tensor.detach())))
            self.made.append(len(self.calls))
        number = len(self.taps) - 1
        self.histories[self.slot(tensor)] = History(frozenset([number]))
        return number

    @staticmethod
    def _unkept(tensor: Tensor) -> Callable[[], Tensor]:
        """What reads a tap that was not kept: as far as nothing has written over it."""
        return lambda: tensor

    def tapped(self, tap: int) -> Tensor:
        """What a tensor was when it became a tap."""
        return self.taps[tap][1]()

    def put(self, tensor: Tensor, array: np.ndarray, *, anew: bool) -> tuple[Tensor, int]:
        """A tensor with other numbers that is a tap; where they are the same but for rounding, in
        its own memory, so that whoever else holds it has them too."""
        with torch._C.DisableTorchFunction():
            value = torch.from_numpy(np.array(array)).to(tensor.dtype)
            if not anew:
                try:
                    tensor.detach().copy_(value)
                except RuntimeError:  # expanded: several places share a number
                    anew = True
            target = value if anew else tensor
        return target, self.mark(target)

    def is_alone(self, tensor: Tensor) -> bool:
        """Whether no other tensor that is known lies in its memory."""
        return self._sharing(tensor) == [self.slot(tensor)] and tensor._base is None

    def stretch(self, slot: int, history: History | None = None) -> Stretch:
        """What a slot came from."""
        found = history or self.history(slot)
        calls = [self.calls[number] for number in sorted(found.calls)]
        return Stretch(slot, calls, {self.taps[tap][0]: tap for tap in found.sources})

    def play(
        self,
        stretch: Stretch,
        *,
        changes: Mapping[int, Change] | None = None,
        sources: Mapping[int, np.ndarray] | None = None,
        ending: Callable[[Tensor], Tensor] | None = None,
        single: bool = False,
        scale: Callable[[Tensor], Tensor] | None = None,
    ) -> np.ndarray:
        """The numbers of a stretch's slot, computed again.

        changes: by number of the call. sources: other numbers, by slot. ending: what to do with the
        result. single: in float32. scale: moves every source and parameter, for noise.
        """
        narrow = _NARROWER if single else {}
        memory: dict[int, Any] = {}

        def held(tensor: Tensor) -> Tensor:
            tensor = tensor.detach()
            tensor = tensor.to(narrow.get(tensor.dtype, tensor.dtype))
            if scale is not None and tensor.is_floating_point():
                tensor = scale(tensor)
            return tensor

        written = {slot for call in stretch.calls for slot in call.written}
        for slot, tap in stretch.sources.items():
            value = self.tapped(tap)
            if sources is not None and slot in sources:
                value = torch.from_numpy(np.array(sources[slot]))
            memory[slot] = held(value).clone()

        def value_of(part: Any) -> Any:
            if isinstance(part, Place):
                if part.slot not in memory:
                    value = held(self.tensors[part.slot])
                    memory[part.slot] = value.clone() if part.slot in written else value
                return memory[part.slot]
            return narrow.get(part, part) if isinstance(part, torch.dtype) else part

        with torch.no_grad():
            for call in stretch.calls:
                args = _mapped(call.arguments, value_of)
                kwargs = _mapped(call.keywords, value_of)
                change = (changes or {}).get(call.number)
                function = call.function
                if single and function is torch.Tensor.double:
                    function = torch.Tensor.float
                if change is None:
                    result = function(*args, **kwargs)
                else:
                    result = change(function, args, kwargs)
                if function is _ITERATE:
                    result = list(result)
                memory.update(zip(call.results, _tensors(result), strict=False))
            result = memory[stretch.slot]
            if ending is not None:
                result = ending(result)
            return result.resolve_conj().numpy()

    def _sharing(self, tensor: Tensor) -> list[int]:
        """The slots of all tensors in the memory of one."""
        with torch._C.DisableTorchFunction():
            place = tensor.untyped_storage().data_ptr()
            found = {
                slot
                for slot, other in enumerate(self.tensors)
                if other.untyped_storage().data_ptr() == place
            }
        return sorted(found | {self.slot(tensor)})

    def _recorded(self, values: Any) -> Any:
        return _mapped(
            values, lambda part: Place(self.slot(part)) if isinstance(part, Tensor) else part
        )


@contextlib.contextmanager
def recording(
    tape: Tape,
    network: nn.Module,
    enter: Callable[[str, Any, Any], Any],
    leave: Callable[[str, Any], Any],
) -> Iterator[None]:
    """Record a network; `enter` and `leave` may give other arguments and results."""
    hooks: list[Any] = []

    def entering(name: str, args: Any, kwargs: Any) -> Any:
        other = enter(name, args, kwargs)
        tape.running.append(name)
        return other

    def leaving(name: str, result: Any) -> Any:
        tape.running.pop()
        return leave(name, result)

    for name, module in network.named_modules():
        hooks += [
            module.register_forward_pre_hook(
                lambda _m, args, kwargs, name=name: entering(name, args, kwargs), with_kwargs=True
            ),
            module.register_forward_hook(lambda _m, _a, result, name=name: leaving(name, result)),
        ]
    try:
        precision = contextlib.nullcontext() if tape.is_single else double_by_default()
        with precision, torch.no_grad(), tape:
            yield
    finally:
        for hook in hooks:
            hook.remove()


class Detached(TorchFunctionMode):
    """Cuts the gradient of one operand, at every call of a function on one line.

    frames: gives the user's frames. site: (file, line, function's name). operand: which of the
    call's tensors.
    """

    def __init__(
        self,
        frames: Callable[[], list[tuple[str, int, str]]],
        site: tuple[str, int, str],
        operand: int,
    ):
        super().__init__()
        self._frames, self._site, self._operand = frames, site, operand

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if name == self._site[2]:
            frames = self._frames()
            if frames and frames[0][:2] == self._site[:2]:
                tensors = list(_tensors((args, kwargs)))
                if self._operand < len(tensors):
                    old = tensors[self._operand]
                    args, kwargs = _mapped(
                        (args, kwargs), lambda part: part.detach() if part is old else part
                    )
        return function(*args, **kwargs)


def gradients(
    network: nn.Module,
    call: Callable[[Sequence[Tensor]], Any],
    inputs: Sequence[np.ndarray],
    cotangents: Mapping[int, np.ndarray],
    *,
    single: bool = False,
    cut: TorchFunctionMode | None = None,
) -> list[np.ndarray]:
    """Of sum(output * cotangent), by every floating-point input and then every parameter.

    call: gives the network's result. single: in float32. cut: changes what is differentiated.
    """
    dtype = torch.float32 if single else torch.float64
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        values = [torch.from_numpy(np.array(array)) for array in inputs]
        values = [one.to(dtype) if one.is_floating_point() else one for one in values]
        sources = [one.requires_grad_() for one in values if one.is_floating_point()]
        wanted = [*sources, *(one for one in network.parameters() if one.requires_grad)]
        with cut or contextlib.nullcontext():
            outputs = list(_tensors(call(values)))
        total = sum(
            (outputs[number] * torch.from_numpy(np.array(factor)).to(dtype)).sum()
            for number, factor in cotangents.items()
        )
        assert isinstance(total, Tensor)
        found = torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)
    finally:
        torch.set_default_dtype(before)
    return [gradient.numpy() for gradient in found]


class Widened(TorchFunctionMode):
    """Float32 is taken for float64 throughout, as by `Tape`; nothing is recorded."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        function, args, kwargs = _widened(function, args, kwargs)
        return function(*args, **kwargs)


def outputs(
    call: Callable[[Sequence[Tensor]], Any], inputs: Sequence[np.ndarray], *, single: bool = False
) -> list[np.ndarray | None]:
    """All outputs in order, None for complex ones; decisions as whole numbers.

    call: gives the network's result. single: in float32; the network is then, too.
    """
    dtype = torch.float32 if single else torch.float64
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        values = [torch.from_numpy(np.array(array)) for array in inputs]
        values = [one.to(dtype) if one.is_floating_point() else one for one in values]
        with torch.no_grad(), contextlib.nullcontext() if single else Widened():
            found = list(_tensors(call(values)))
    finally:
        torch.set_default_dtype(before)
    return [
        None if one.is_complex() else (one if one.is_floating_point() else one.long()).numpy()
        for one in found
    ]


def tensors_of(values: Any) -> list[Tensor]:
    """All tensors in nested arguments, in order."""
    return list(_tensors(values))


def mapped(values: Any, function: Callable[[Any], Any]) -> Any:
    """Nested values with every leaf put through a function."""
    return _mapped(values, function)


def numbers(tensor: Tensor) -> np.ndarray:
    """A view of a tensor's numbers."""
    with torch._C.DisableTorchFunction():
        return tensor.detach().resolve_conj().numpy()


def is_real(tensor: Tensor) -> bool:
    with torch._C.DisableTorchFunction():
        return tensor.is_floating_point()


def double(network: nn.Module) -> nn.Module:
    return network.double()


@contextlib.contextmanager
def double_by_default() -> Iterator[None]:
    """New tensors have float64 in here."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def to_tensor(array: np.ndarray, *, single: bool = False) -> Tensor:
    tensor = torch.from_numpy(np.array(array))
    return tensor.double() if tensor.is_floating_point() and not single else tensor


def wobble(seed: int) -> Callable[[Tensor], Tensor]:
    """Moves every number up or down by one unit in its last place."""
    generator = torch.Generator().manual_seed(seed)

    def moved(tensor: Tensor) -> Tensor:
        if tensor.dtype != torch.float32:
            return tensor
        up = torch.rand(tensor.shape, generator=generator) < 0.5
        infinity = torch.tensor(float("inf"))
        other = torch.where(
            up, torch.nextafter(tensor, infinity), torch.nextafter(tensor, -infinity)
        )
        return torch.where(tensor == 0, tensor, other)

    return moved


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _tensors(value)
    elif isinstance(values, tuple | list):
        for value in values:
            yield from _tensors(value)
    elif hasattr(values, "__dataclass_fields__") and not isinstance(values, Place | type):
        for name in values.__dataclass_fields__:
            yield from _tensors(getattr(values, name))


def _mapped(values: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(values, Mapping):
        found = {key: _mapped(value, function) for key, value in values.items()}
        return found if type(values) is dict else type(values)(found)
    if isinstance(values, tuple) and hasattr(values, "_fields"):
        return type(values)(*(_mapped(value, function) for value in values))
    if type(values) in (tuple, list) or isinstance(values, torch.Size):
        kind = tuple if isinstance(values, torch.Size) else type(values)
        return kind(_mapped(value, function) for value in values)
    if isinstance(values, slice):
        return slice(
            *(_mapped(part, function) for part in (values.start, values.stop, values.step))
        )
    return function(values)


def _widened(function: Any, args: Any, kwargs: Any) -> tuple[Any, Any, dict[str, Any]]:
    """A call with float64 where it says float32."""
    kwargs = _converted(kwargs or {}, _WIDER)
    args = _converted(args, _WIDER)
    if getattr(function, "__name__", "") == "float" and isinstance(args[0], Tensor):
        function = torch.Tensor.double
    return function, args, kwargs


def _converted(values: Any, dtypes: Mapping[Any, Any]) -> Any:
    return _mapped(
        values, lambda part: dtypes.get(part, part) if isinstance(part, torch.dtype) else part
    )


def _joined(histories: Iterable[History], number: int) -> History:
    sources: set[int] = set()
    calls: set[int] = {number}
    for history in histories:
        sources |= history.sources
        calls |= history.calls
    return History(frozenset(sources), frozenset(calls))


def _writes(name: str, keywords: Mapping[str, Any]) -> bool:
    return (
        (name.endswith("_") and not name.endswith("__"))
        or name == "__setitem__"
        or (
            name.startswith("__i")
            and name.endswith("__")
            and name not in ("__iter__", "__invert__", "__index__", "__int__")
        )
        or bool(keywords.get("inplace"))
    )
