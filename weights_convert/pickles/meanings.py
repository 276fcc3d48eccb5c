"""The names that a checkpoint's pickle may hold, and what each stands for. No others are accepted.

Names of data (tensors, arrays, dictionaries) are built. Names of classes whose objects only carry
data (layers, optimizers, options) become an inert `Instance`. Any other name is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import DTYPES, DType
from weights_convert.pickles.objects import Blob, Instance, Name
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
"""Modules whose classes are read as inert data, with all that is in them."""

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


@dataclass
class CheckpointMeanings:
    """What names mean in a checkpoint.

    allowed: further modules whose classes are read as inert data. storage: finds what a reference
    to a storage means: (key, type, number of elements).
    """

    file: MappedFile
    allowed: Collection[str] = ()
    storage: Callable[[str, DType | None, int], Storage] | None = None
    _known: dict[tuple[str, tuple[int, int]], Storage] = field(default_factory=dict)

    def find_class(self, name: Name) -> Name:
        """Accept a name that is listed.

        Raises:
            InputError: it is not.
        """
        if is_listed(name, self.allowed):
            return name
        raise self.file.error(
            expected="a pickle that only refers to tensors, arrays and known classes",
            got=str(name),
            where="a name in the pickle",
            next_step="nothing was run; weights-convert scan shows what it would do. If it is a "
            f"class of your own model, --allow {quoted(name.module)} reads its objects as data",
        )

    def reduce(self, function: Name, arguments: tuple[object, ...]) -> object:
        """What a call of a listed name gives.

        Raises:
            InputError: the arguments are not what a checkpoint has.
        """
        meaning = _CALLS.get((function.module, function.name))
        if meaning is None:
            return Instance(function, arguments)
        try:
            return meaning(self, arguments)
        except (TypeError, ValueError, IndexError, OverflowError) as problem:
            raise self.file.error(
                expected=f"arguments of {function}",
                got=f"others ({quoted(str(problem))})",
                where="pickle",
            ) from None

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
        elif not isinstance(target, dict):  # attributes of an ordered dictionary are not needed
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

    def _storage(self, reference: tuple[object, ...]) -> Storage:
        _, kind, key, _, count, *view_of = reference
        if (
            not isinstance(kind, Name)
            or kind.module not in _STORAGE_MODULES
            or not (kind.name in _STORAGES or kind.name == _UNTYPED)
        ):
            raise self.file.error(
                expected="a storage of " + ", ".join(DTYPES),
                got=quoted(kind),
                where="pickle",
                next_step="convert it with PyTorch to one of these",
            )
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
        return self.storage(str(key), _STORAGES.get(kind.name), count)

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
    """Whether a checkpoint may hold this name."""
    full = f"{name.module}.{name.name}"
    return (
        (name.module, name.name) in _CALLS
        or full in INERT_NAMES
        or (name.module in _STORAGE_MODULES and (name.name in _STORAGES or name.name == _UNTYPED))
        or any(
            name.module == package or name.module.startswith(package + ".")
            for package in (*INERT_PACKAGES, *allowed)
        )
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
        if not isinstance(key, str) and not (isinstance(key, int) and key.bit_length() <= 60):
            raise TypeError("a key that is neither text nor a number")
        result[key] = value
    return result


def _sequence(kind: type) -> Callable[[CheckpointMeanings, _Arguments], object]:
    def build(_: CheckpointMeanings, arguments: _Arguments) -> object:
        (items,) = arguments or ((),)
        if not isinstance(items, list | tuple | set):
            raise TypeError("no list of items")
        if kind is set and not all(isinstance(item, str | Name) for item in items):
            raise TypeError("a set of other things than names")
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


def _array(_: CheckpointMeanings, arguments: _Arguments) -> Array:
    return Array()


def _array_from_buffer(_: CheckpointMeanings, arguments: _Arguments) -> Array:
    content, kind, shape, order = arguments
    if not isinstance(kind, ArrayType):
        raise TypeError("no element type")
    return Array(_shape(shape), kind, order == "F", content)


def _number(_: CheckpointMeanings, arguments: _Arguments) -> Array:
    kind, content = arguments
    if not isinstance(kind, ArrayType):
        raise TypeError("no element type")
    return Array((), kind, False, content)


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


def _tensor_of_bytes(_: CheckpointMeanings, arguments: _Arguments) -> TensorView:
    """`_rebuild_tensor_v3`: as v2, of bytes, with the type given."""
    storage, offset, shape, strides = arguments[:4]
    kind = arguments[6]
    if not isinstance(storage, Storage) or not isinstance(offset, int):
        raise TypeError("no storage")
    if not isinstance(kind, Name) or kind.module != "torch" or kind.name not in DTYPES:
        raise TypeError("no element type")
    return _checked_view(storage, DTYPES[kind.name], offset, shape, strides)


def _checked_view(
    storage: Storage, dtype: DType, offset: int, shape: object, strides: object
) -> TensorView:
    checked = TensorView(storage, dtype, offset, _shape(shape), _shape(strides))
    if len(checked.shape) != len(checked.strides):
        raise ValueError("as many strides as axes")
    return checked


def _parameter(_: CheckpointMeanings, arguments: _Arguments) -> object:
    if not isinstance(arguments[0], TensorView):
        raise TypeError("no tensor")
    return arguments[0]


def _subclass(meanings: CheckpointMeanings, arguments: _Arguments) -> object:
    """`_rebuild_from_type_v2(function, type, arguments, state)`: a tensor with attributes."""
    function, _, inner, *_ = arguments
    if not isinstance(function, Name) or not isinstance(inner, tuple):
        raise TypeError("no function and arguments")
    if _CALLS.get((function.module, function.name)) not in (_tensor, _tensor_of_bytes):
        raise TypeError("no tensor")
    return meanings.reduce(function, inner)


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
}
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
