"""Tensors that a device's own function rebuilds. The bytes are ordinary, whatever the device.

PyTorch lets each backend name the function by which its tensors are loaded. They have one of two
forms: a storage with offset, shape and strides, as all tensors have, or a whole tensor or array;
then come plain facts (the element type, the device, a number of its memory layout).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

from weights_convert import limits
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import DTYPES, DType
from weights_convert.pickles.objects import Name, Refused
from weights_convert.pickles.stubs import Array, Storage, TensorView

_REBUILDS = re.compile(r"_?(rebuild|reconstruct|restore)_?(\w*_)?(tensor|parameter)(_\w+)?", re.I)
_IS_OTHER = re.compile(r"qtensor|quant|sparse|nested|meta|subclass|packed|complex", re.I)


def rebuilds_tensor(function: Name) -> bool:
    """Whether a function's name says that it makes an ordinary tensor again."""
    leaf = function.name.rpartition(".")[2]
    return bool(_REBUILDS.fullmatch(leaf)) and not _IS_OTHER.search(leaf)


def rebuilt(function: Name, arguments: tuple[object, ...], file: MappedFile) -> object:
    """The tensor that such a function makes; `Refused` if its arguments have another form."""
    refused = next((one for one in arguments[:1] if isinstance(one, Refused)), None)
    if refused is not None:
        return refused
    try:
        return _view(arguments) or _whole(arguments)
    except (TypeError, ValueError) as problem:
        error = file.error(
            expected="tensors that are rebuilt from ordinary bytes",
            got=f"{function} with other arguments ({problem})",
            where="pickle",
            next_step="load the file where it was made, move the tensors to the CPU (.cpu()), and "
            "save their dictionary",
        )
        return Refused(function, arguments, problem=error)


def _view(arguments: tuple[object, ...]) -> TensorView | None:
    """Of a storage, offset, shape and strides."""
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        return None
    storage = arguments[0]
    _, offset, shape, strides, *facts = arguments
    dtype = _element_type(facts) or storage.dtype
    if dtype is None or (storage.dtype is not None and dtype != storage.dtype):
        raise ValueError("an element type that its bytes do not have")
    if not isinstance(offset, int) or not (_is_shape(shape) and _is_shape(strides)):
        raise TypeError("no offset, shape and strides")
    if len(shape) != len(strides):
        raise ValueError("as many strides as axes")
    return TensorView(storage, dtype, offset, tuple(shape), tuple(strides))


def _whole(arguments: tuple[object, ...]) -> TensorView | Array:
    """Of a tensor or array, and the element type that it had on the device."""
    if not arguments or not isinstance(arguments[0], TensorView | Array):
        raise TypeError("neither a storage nor a tensor")
    found, dtype = arguments[0], _element_type(arguments[1:])
    if dtype is None:
        return found
    if isinstance(found, TensorView):
        if found.dtype != dtype:
            raise ValueError(f"{found.dtype.name} for {dtype.name}")
        return found
    return replace(found, stands_for=dtype)


def _element_type(facts: Sequence[object]) -> DType | None:
    """The type among facts that change no value."""
    found = None
    for fact in facts:
        if isinstance(fact, Name) and fact.module == "torch" and fact.name in DTYPES and not found:
            found = DTYPES[fact.name]
        elif not (fact is None or fact == {} or isinstance(fact, bool | int | str)):
            raise TypeError("facts of an unknown kind")
    return found


def _is_shape(value: object) -> TypeGuard[tuple[int, ...] | list[int]]:
    return (
        isinstance(value, tuple | list)
        and len(value) <= limits.MAX_AXES
        and all(type(one) is int and 0 <= one < 1 << 62 for one in value)
    )
