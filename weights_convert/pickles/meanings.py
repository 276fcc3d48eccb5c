"""What the names in a checkpoint's pickle stand for. None is imported or called.

Calls of names of data (tensors, arrays, dictionaries) are built. A call of any other name becomes
an inert `Instance`, which is harmless beside weights and refused in the place of one. Names that
only serve to do harm are refused wherever they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import DTYPES, DType
from weights_convert.pickles.devices import rebuilds_tensor, rebuilt
from weights_convert.pickles.harmful import is_harmful
from weights_convert.pickles.machine import Budget
from weights_convert.pickles.objects import Blob, Instance, Key, Name, Refused
from weights_convert.pickles.stubs import Array, ArrayType, Storage, TensorView
from weights_convert.published import authors_modules

INERT_PACKAGES = (
    "torch.nn",
    "torch.optim",
    # The suite's own whole models; older versions kept the specs in `restoration.specs`.
    "torch_impl",
    "jittor_impl",
    "restoration.models",
    "restoration.specs",
    *authors_modules(),
)
"""Modules whose classes checkpoints are expected to hold, for `scan`."""

INERT_NAMES = frozenset(
    {
        "argparse.Namespace",
        "builtins.object",
        "__builtin__.object",
        "builtins.slice",
        "__builtin__.slice",
        "builtins.complex",
        "__builtin__.complex",
        "functools.partial",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.PurePosixPath",
        "pathlib.WindowsPath",
        "torch.device",
        "torch.Tensor",
        "torch.strided",
        "torch.contiguous_format",
        "torch.channels_last",
        "torch.preserve_format",
        *(f"torch.{name}" for name in DTYPES),
    }
)

_STORAGES = {dtype.torch: dtype for dtype in DTYPES.values() if dtype.torch}
_STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")
_UNTYPED = "UntypedStorage"
_OTHER_ITEMSIZES = {
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
    "QInt8Storage": 1,
    "QUInt8Storage": 1,
    "QInt32Storage": 4,
}
_LISTED = 8
LOAD_FROM_BYTES = Name("torch.storage", "_load_from_bytes")
MAX_STREAMS = 3
"""Streams inside streams."""


@dataclass
class CheckpointMeanings:
    """What names mean in a checkpoint.

    allowed: modules whose names are never refused as harmful. storage: finds what a reference to a
    storage means: (key, type, number of elements, bytes of one). stream: reads a checkpoint that is
    held as bytes inside of this one. depth, budget, harmful, streams: of this stream and those that
    it is in, see `inside`; what was read of streams by their place.
    """

    file: MappedFile
    allowed: Collection[str] = ()
    storage: Callable[[str, DType | None, int, int], Storage] | None = None
    stream: Callable[[MappedFile, CheckpointMeanings], object] | None = None
    depth: int = 0
    budget: Budget = field(default_factory=Budget)
    harmful: dict[str, None] = field(default_factory=dict)
    streams: dict[object, object] = field(default_factory=dict)

    def find_class(self, name: Name) -> Name:
        """The name itself; one that only serves to do harm is noted for `check`."""
        if is_harmful(name) and not _is_below(name, self.allowed):
            self.harmful[str(name)] = None
        return name

    def check(self) -> None:
        """Refuse a pickle with names that only serve to do harm, all of them at once.

        Raises:
            InputError: there are some.
        """
        if self.harmful:
            more = len(self.harmful) - _LISTED
            raise self.file.error(
                expected="a pickle of tensors, arrays and objects",
                got=", ".join(list(self.harmful)[:_LISTED]) + (f" and {more} more" * (more > 0)),
                where="names in the pickle that run code or reach files, programs or the network",
                next_step="nothing was run; weights-convert scan shows what it would do. Get the "
                "file from those who made it",
            )

    def inside(self, file: MappedFile) -> CheckpointMeanings:
        """What names mean in a stream inside of this one, which counts against its budget."""
        return CheckpointMeanings(
            file,
            self.allowed,
            stream=self.stream,
            depth=self.depth + 1,
            budget=self.budget,
            harmful=self.harmful,
        )

    def reduce(self, function: Name, arguments: tuple[object, ...]) -> object:
        """What a call of a name gives: data, or an object that stands for it. `Refused`, where the
        arguments are not what a checkpoint has."""
        meaning = _CALLS.get((function.module, function.name))
        if meaning is None and rebuilds_tensor(function):
            return rebuilt(function, arguments, self.file)
        if meaning is None:
            return Instance(function, arguments)
        refused = next((one for one in arguments if isinstance(one, Refused)), None)
        if refused is not None and meaning in _OF_TENSORS:
            return refused
        try:
            return meaning(self, arguments)
        except (TypeError, ValueError, IndexError, OverflowError) as problem:
            error = self.file.error(
                expected=f"arguments of {function}",
                got=f"others ({quoted(str(problem))})",
                where="pickle",
            )
            return Refused(function, arguments, problem=error)

    def set_state(self, target: object, state: object) -> None:
        """Let arrays, element types and inert objects take their state.

        Raises:
            InputError: the state is not one of theirs.
        """
        if isinstance(target, Instance):
            target.state = state
        elif isinstance(target, Array):
            self._fill(target, state)
        elif isinstance(target, ArrayType):
            self._give_order(target, state)
        elif not isinstance(target, dict | TensorView):  # attributes are not needed
            raise self.file.error(
                expected="a state for an object", got=f"one for {type(target).__name__}"
            )

    def persistent_load(self, reference: object) -> object:
        """The storage or, in old files, the class that a reference means.

        Raises:
            InputError: it is no reference of PyTorch.
        """
        if isinstance(reference, tuple) and len(reference) >= 2:
            if reference[0] == "module" and isinstance(reference[1], Name):
                return reference[1]
            if reference[0] == "storage" and len(reference) >= 5 and self.storage:
                return self._storage(reference)
        raise self.file.error(
            expected="a reference to a storage of PyTorch", got="another one", where="pickle"
        )

    def _storage(self, reference: tuple[object, ...]) -> Storage | Refused:
        _, kind, key, _, count, *view_of = reference
        if not isinstance(kind, Name) or not (kind.name in _STORAGES or kind.name == _UNTYPED):
            named = kind if isinstance(kind, Name) else Name("torch", "storage")
            if named.name in _OTHER_ITEMSIZES and isinstance(count, int) and self.storage:
                self.storage(str(key), None, count, _OTHER_ITEMSIZES[named.name])
            return self.refused_type(named)
        if (
            not isinstance(key, str | int)
            or not isinstance(count, int)
            or count < 0
            or not self.storage
            or any(view_of)
        ):
            raise self.file.error(
                expected="a key and a number of elements", got="something else", where="a storage"
            )
        dtype = _STORAGES.get(kind.name)
        return self.storage(str(key), dtype, count, dtype.itemsize if dtype else 1)

    def refused_type(self, kind: Name) -> Refused:
        """Stands for a tensor of a type that no other format has."""
        error = self.file.error(
            expected="a tensor of " + ", ".join(DTYPES),
            got=str(kind),
            where="pickle",
            next_step="in PyTorch, give the tensors one of these types and save them again",
        )
        return Refused(kind, problem=error)

    def _fill(self, array: Array, state: object) -> None:
        if not isinstance(state, tuple) or not 4 <= len(state) <= 5:
            raise self.file.error(expected="the state of an array", got="something else")
        shape, kind, is_column_major, content = state[-4:]
        if not isinstance(kind, ArrayType):
            raise self.file.error(expected="the element type of an array", got="something else")
        array.shape = _shape(shape)
        array.type, array.content = kind, content
        array.is_column_major = bool(is_column_major)

    def _give_order(self, kind: ArrayType, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise self.file.error(expected="the state of an element type", got="something else")
        is_plain = state[2] is None and state[3] is None and state[4] is None
        kind.order = str(state[1])
        if not is_plain:
            kind.code = "structured " + kind.code


def is_listed(name: Name, allowed: Collection[str] = ()) -> bool:
    """Whether checkpoints are expected to hold this name."""
    full = f"{name.module}.{name.name}"
    return (
        (name.module, name.name) in _CALLS
        or full in INERT_NAMES
        or (name.module in _STORAGE_MODULES and (name.name in _STORAGES or name.name == _UNTYPED))
        or _is_below(name, (*INERT_PACKAGES, *allowed))
    )


def _is_below(name: Name, packages: Collection[str]) -> bool:
    return any(
        name.module == package or name.module.startswith(package + ".") for package in packages
    )


def builds_data(name: Name) -> bool:
    """Whether a call of this name stands for data that is built, as a tensor or a dictionary."""
    return (name.module, name.name) in _CALLS


# What calls give. Each takes the meanings and the arguments.

_Arguments = tuple[object, ...]


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple | list) or len(value) > limits.MAX_AXES:
        raise ValueError("no shape")
    for length in value:
        if not isinstance(length, int) or isinstance(length, bool) or not 0 <= length < 1 << 62:
            raise ValueError("a length that is no count")
    return tuple(value)


def _dictionary(_: CheckpointMeanings, arguments: _Arguments) -> dict[object, object]:
    """An ordered, default or counting dictionary; old protocols give its pairs."""
    pairs = arguments[-1] if arguments and not isinstance(arguments[-1], Name) else ()
    if isinstance(pairs, Mapping):
        return dict(pairs)
    result: dict[object, object] = {}
    for pair in pairs if isinstance(pairs, list | tuple) else ():
        key, value = pair
        is_plain = isinstance(key, str) or (isinstance(key, int) and key.bit_length() <= 60)
        result[key if is_plain else Key(key)] = value
    return result


def _sequence(kind: type) -> Callable[[CheckpointMeanings, _Arguments], object]:
    def build(_: CheckpointMeanings, arguments: _Arguments) -> object:
        (items,) = arguments or ((),)
        if not isinstance(items, list | tuple | set):
            raise TypeError("no list of items")
        if kind is set:
            return {item if isinstance(item, str | Name) else Key(item) for item in items}
        return kind(items)

    return build


def _bytes(_: CheckpointMeanings, arguments: _Arguments) -> object:
    """`_codecs.encode(text, "latin1")` and `bytearray(...)`: bytes, in old protocols."""
    if not arguments:
        return b""
    text = arguments[0]
    if not isinstance(text, str):
        if isinstance(text, bytes | Blob):
            return text
        raise TypeError("no text")
    return text.encode("latin-1")


def _reconstructed(_: CheckpointMeanings, arguments: _Arguments) -> object:
    cls = arguments[0]
    if not isinstance(cls, Name):
        raise TypeError("no class")
    return Instance(cls)


def _array(meanings: CheckpointMeanings, arguments: _Arguments) -> Array:
    return Array(file=meanings.file)


def _array_from_buffer(meanings: CheckpointMeanings, arguments: _Arguments) -> Array:
    content, kind, shape, order = arguments
    if not isinstance(kind, ArrayType):
        raise TypeError("no element type")
    return Array(_shape(shape), kind, order == "F", content, file=meanings.file)


def _number(meanings: CheckpointMeanings, arguments: _Arguments) -> Array:
    kind, content = arguments
    if not isinstance(kind, ArrayType):
        raise TypeError("no element type")
    return Array((), kind, False, content, file=meanings.file)


def _array_type(_: CheckpointMeanings, arguments: _Arguments) -> ArrayType:
    code = arguments[0]
    if not isinstance(code, str):
        raise TypeError("no code")
    return ArrayType(code)


def _variable(_: CheckpointMeanings, arguments: _Arguments) -> object:
    """A variable of Jittor, which pickles as the array it holds."""
    if not isinstance(arguments[0], Array):
        raise TypeError("no array")
    return arguments[0]


def _tensor(_: CheckpointMeanings, arguments: _Arguments) -> TensorView:
    """`_rebuild_tensor`, `_rebuild_tensor_v2`: storage, offset, shape, strides, and what a network
    needs beyond its values."""
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Storage) or storage.dtype is None or not isinstance(offset, int):
        raise TypeError("no storage of a type")
    if len(arguments) > 6 and arguments[6]:
        raise ValueError("a negated or conjugated view")
    return _checked_view(storage, storage.dtype, offset, shape, strides)


def _tensor_of_bytes(meanings: CheckpointMeanings, arguments: _Arguments) -> object:
    """`_rebuild_tensor_v3`: as v2, of bytes, with the type given."""
    storage, offset, shape, strides = arguments[:4]
    kind = arguments[6]
    if not isinstance(storage, Storage) or not isinstance(offset, int):
        raise TypeError("no storage")
    if not isinstance(kind, Name) or kind.module != "torch":
        raise TypeError("no element type")
    if kind.name not in DTYPES:
        return meanings.refused_type(kind)
    return _checked_view(storage, DTYPES[kind.name], offset, shape, strides)


def _checked_view(
    storage: Storage, dtype: DType, offset: int, shape: object, strides: object
) -> TensorView:
    checked = TensorView(storage, dtype, offset, _shape(shape), _shape(strides))
    if len(checked.shape) != len(checked.strides):
        raise ValueError("as many strides as axes")
    return checked


def _parameter(_: CheckpointMeanings, arguments: _Arguments) -> object:
    """A parameter, or a tensor of a class of its own, whose attributes may hold tensors too."""
    if not isinstance(arguments[0], TensorView | Array):
        raise TypeError("no tensor")
    if holds_data(arguments[1:]):
        raise TypeError("a tensor whose attributes hold others, as quantized ones have")
    return arguments[0]


def _subclass(meanings: CheckpointMeanings, arguments: _Arguments) -> object:
    """`_rebuild_from_type_v2(function, type, arguments, state)`: a tensor with attributes."""
    function, _, inner, *state = arguments
    if not isinstance(function, Name) or not isinstance(inner, tuple):
        raise TypeError("no function and arguments")
    found = meanings.reduce(function, inner)
    if isinstance(found, TensorView | Array):
        return _parameter(meanings, (found, *state))
    if isinstance(found, Refused):
        return found
    raise TypeError(f"{function} gives no tensor")


def holds_data(value: object) -> bool:
    """Whether tensors, arrays or long bytes are somewhere in an object."""
    waiting, seen, budget = [value], set(), 10_000
    while waiting:
        item = waiting.pop()
        if isinstance(item, TensorView | Array | Storage | Blob | Refused):
            return True
        if not isinstance(item, dict | list | tuple | Instance) or id(item) in seen:
            continue
        seen.add(id(item))
        budget -= 1
        if not budget:
            return True  # nobody knows
        if isinstance(item, Instance):
            waiting += [item.arguments, item.state, item.items, item.elements]
        else:
            waiting += item.values() if isinstance(item, dict) else item
    return False


def held_file(file: MappedFile, content: Blob | bytes) -> MappedFile:
    """Bytes that a pickle holds, as a file of their own."""
    if isinstance(content, bytes):
        return file.holding(content, "a stream")
    name = f"the stream at byte {content.start}"
    if content.is_text:
        text = str(file.view[content.start : content.stop], "utf-8")
        return file.holding(text.encode("latin-1"), name)
    return file.part(content.start, content.stop, name)


def _stream(meanings: CheckpointMeanings, arguments: _Arguments) -> object:
    """`torch.storage._load_from_bytes(content)`: a file of PyTorch, held as bytes."""
    (content,) = arguments
    key = (content.start, content.stop) if isinstance(content, Blob) else content
    if not isinstance(content, Blob | bytes) or not meanings.stream:
        raise TypeError("no bytes")
    if meanings.depth >= MAX_STREAMS:
        raise TypeError(f"more than {MAX_STREAMS} streams inside each other")
    if key not in meanings.streams:
        file = held_file(meanings.file, content)
        meanings.streams[key] = meanings.stream(file, meanings.inside(file))
    return meanings.streams[key]


_Meaning = Callable[[CheckpointMeanings, _Arguments], object]
_CALLS: dict[tuple[str, str], _Meaning] = {
    ("collections", "OrderedDict"): _dictionary,
    ("collections", "defaultdict"): _dictionary,
    ("collections", "Counter"): _dictionary,
    ("torch", "Size"): _sequence(tuple),
    ("_codecs", "encode"): _bytes,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("copy_reg", "_reconstructor"): _reconstructed,
    ("numpy", "dtype"): _array_type,
    ("numpy", "ndarray"): _array,
    ("jittor", "jittor_core.Var"): _variable,
    ("jittor_core", "Var"): _variable,
    ("jittor", "Var"): _variable,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_bytes,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch.nn.parameter", "Parameter"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _subclass,
    (LOAD_FROM_BYTES.module, LOAD_FROM_BYTES.name): _stream,
}
_OF_TENSORS = (_tensor, _tensor_of_bytes, _parameter, _variable)
for _module in ("builtins", "__builtin__"):
    _CALLS |= {
        (_module, "dict"): _dictionary,
        (_module, "list"): _sequence(list),
        (_module, "tuple"): _sequence(tuple),
        (_module, "set"): _sequence(set),
        (_module, "frozenset"): _sequence(set),
        (_module, "bytes"): _bytes,
        (_module, "bytearray"): _bytes,
    }
for _module in ("numpy.core", "numpy._core"):
    _CALLS |= {
        (f"{_module}.multiarray", "_reconstruct"): _array,
        (f"{_module}.multiarray", "scalar"): _number,
        (f"{_module}.numeric", "_frombuffer"): _array_from_buffer,
    }
