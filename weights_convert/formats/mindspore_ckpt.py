"""MindSpore's checkpoints: one protocol-buffers message, read and written without its library.

    Checkpoint  { repeated Value value = 1; }
    Value       { string tag = 1; TensorProto tensor = 2; }
    TensorProto { repeated int64 dims = 1; string tensor_type = 2; bytes tensor_content = 3; }

Tensors over 512 MiB are several Values with the same tag in a row. With a checksum the file ends
with "crc_num" and 10 bytes, the CRC-32 of all before as a big-endian number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.integrity import Checksum
from weights_convert.files.mapped import MappedFile
from weights_convert.files.output import Output
from weights_convert.files.tensors import BLOCK, DTYPES, Extents, Tensor
from weights_convert.formats.contents import Contents

_LENGTH_DELIMITED, _VARINT = 2, 0
_SLICE_BYTES = 512 << 20
_CRC_MARK = b"crc_num"
_CRC_BYTES = 10
_BY_TYPE = {dtype.mindspore: dtype for dtype in DTYPES.values()}
_TEXT = "str"
_OPTIMIZER_PREFIXES = ("moment1.", "moment2.", "moments.", "accum.", "stat.")
_OPTIMIZER_NUMBERS = frozenset(
    {
        "beta1_power",
        "beta2_power",
        "current_iterator_step",
        "epoch_num",
        "global_step",
        "last_overflow_iterator_step",
        "learning_rate",
        "loss_scale",
        "momentum",
        "scale_sense",
        "step_num",
    }
)


def is_checkpoint(file: MappedFile) -> bool:
    """Whether the file begins with a Value whose first field is a tag."""
    begin = file.read(0, 11)
    length = next((place for place in range(1, len(begin)) if begin[place] < 0x80), len(begin))
    return begin[:1] == b"\x0a" and begin[length + 1 : length + 2] == b"\x0a"


def read(file: MappedFile) -> Contents:
    """The tensors by name.

    Raises:
        InputError: the message is damaged, or its tensors are.
    """
    end, checksums = _checked_part(file)
    tree: dict[str, object] = {}
    last = ""
    for tag, dims, kind, place in _values(file, end):
        dtype = _BY_TYPE.get(kind)
        if dtype is None and kind != _TEXT:
            raise file.error(
                expected="a tensor of " + ", ".join(_BY_TYPE),
                got=quoted(kind),
                where=f"tensor {quoted(tag)}",
            )
        if tag in tree and tag != last:
            raise file.error(expected="a name once", got=f"{quoted(tag)} twice", where="tags")
        if len(tree) >= limits.MAX_ENTRIES:
            raise file.error(expected=f"at most {limits.MAX_ENTRIES} tensors", got="more")
        if dtype is None:
            stop = min(place[1], place[0] + limits.MAX_NAME_BYTES)
            tree[tag] = str(file.view[place[0] : stop], "utf-32-le", "replace")
            continue
        known = tree.get(tag)
        ranges: tuple[tuple[int, int], ...] = (place,)
        if isinstance(known, Tensor) and isinstance(known.source, Extents):
            if (known.dtype, known.shape) != (dtype, dims):
                raise file.error(
                    expected="slices of one tensor", got="of several", where=quoted(tag)
                )
            ranges = (*known.source.ranges, place)
        tree[tag] = Tensor(dtype, dims, Extents(file, ranges))
        last = tag
    for tag, tensor in tree.items():
        _check_size(file, tag, tensor)
    return Contents(file, tree, checksums)


def write(output: Output, document: object, metadata: Mapping[str, str]) -> None:
    """Write tensors by name, byte for byte as MindSpore does."""
    assert isinstance(document, Mapping)
    for name, tensor in document.items():
        if tensor.nbytes <= _SLICE_BYTES:
            output.write(_value_header(name, tensor, tensor.nbytes))
            output.copy(tensor)
            continue
        for number, block in enumerate(tensor.blocks()):
            start = number * BLOCK
            if start % _SLICE_BYTES == 0:
                size = min(_SLICE_BYTES, tensor.nbytes - start)
                output.write(_value_header(name, tensor, size))
            output.write(block)


def objection(name: str, tensor: Tensor) -> str | None:
    """Why MindSpore could not read a tensor back."""
    if tensor.shape == (0,):
        return "MindSpore reads an empty row as a number"
    if _is_optimizer_number(name, tensor):
        return "a name that MindSpore's optimizers use"
    return None


def optimizer_entries(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of what MindSpore's optimizers keep among the weights."""
    return [
        name
        for name, tensor in tensors.items()
        if _is_optimizer_number(name, tensor)
        or any(
            name.startswith(prefix)
            and (weight := tensors.get(name.removeprefix(prefix))) is not None
            and weight.shape == tensor.shape
            for prefix in _OPTIMIZER_PREFIXES
        )
    ]


def _is_optimizer_number(name: str, tensor: Tensor) -> bool:
    return name in _OPTIMIZER_NUMBERS and tensor.size == 1


def _checked_part(file: MappedFile) -> tuple[int, tuple[Checksum, ...]]:
    """Where the message ends, and the checksum of it."""
    stop = file.size - len(_CRC_MARK) - _CRC_BYTES
    if stop < 0 or file.read(stop, stop + len(_CRC_MARK)) != _CRC_MARK:
        return file.size, ()
    crc32 = int.from_bytes(file.view[-_CRC_BYTES:], "big")
    return stop, (Checksum("message", 0, stop, crc32),)


def _values(
    file: MappedFile, stop: int
) -> Iterator[tuple[str, tuple[int, ...], str, tuple[int, int]]]:
    """Tag, shape, type and place of each Value."""
    for number, value in _fields(file, 0, stop):
        if number != 1 or isinstance(value, int):
            raise file.error(expected="a list of tensors", got=f"field {number}", where="message")
        tag, tensor = None, None
        for field_number, field in _fields(file, *value):
            if field_number == 1 and not isinstance(field, int):
                tag = _text(file, field)
            elif field_number == 2 and not isinstance(field, int):
                tensor = field
            else:
                raise file.error(
                    expected="a tensor with a tag",
                    got="a parameter of hash tables" if field_number == 3 else "something else",
                    where=f"byte {value[0]}",
                    next_step="export the parameters without hash tables",
                )
        if tag is None or tensor is None:
            raise file.error(expected="a tag and a tensor", got="less", where=f"byte {value[0]}")
        yield (tag, *_tensor_fields(file, tensor))


def _tensor_fields(
    file: MappedFile, place: tuple[int, int]
) -> tuple[tuple[int, ...], str, tuple[int, int]]:
    dims: list[int] = []
    kind, content = "", (place[1], place[1])
    for number, field in _fields(file, *place):
        if number == 1 and isinstance(field, int):
            dims.append(field)
        elif number == 1 and not isinstance(field, int):  # packed
            position, stop = field
            while position < stop:
                value, position = _varint(file, position, stop)
                dims.append(value)
        elif number == 2 and not isinstance(field, int):
            kind = _text(file, field)
        elif number == 3 and not isinstance(field, int):
            content = field
        else:
            raise file.error(
                expected="dims, type and content", got=f"field {number}", where=f"byte {place[0]}"
            )
        if len(dims) > limits.MAX_AXES or any(length >= 1 << 62 for length in dims[-1:]):
            raise file.error(
                expected=f"at most {limits.MAX_AXES} axes of plausible length",
                got=f"{len(dims)} axes, {dims[-1]}",
                where=f"byte {place[0]}",
            )
    return tuple(dims), kind, content


def _fields(file: MappedFile, start: int, stop: int) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """Number and value of each field of a message; for bytes, their place."""
    position = start
    while position < stop:
        key, position = _varint(file, position, stop)
        if key & 7 == _VARINT:
            value, position = _varint(file, position, stop)
            yield key >> 3, value
            continue
        if key & 7 != _LENGTH_DELIMITED:
            raise file.error(
                expected="a checkpoint of MindSpore",
                got=f"wire type {key & 7}",
                where=f"byte {position}",
                next_step="decrypt it with MindSpore if it is encrypted",
            )
        length, position = _varint(file, position, stop)
        if length > stop - position:
            raise file.error(
                expected=f"{length} bytes",
                got=f"{stop - position} to the end",
                where=f"byte {position}",
            )
        yield key >> 3, (position, position + length)
        position += length


def _varint(file: MappedFile, position: int, stop: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= stop:
            break
        byte = file.view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise file.error(expected="a whole number", got="a cut one", where=f"byte {position}")


def _text(file: MappedFile, place: tuple[int, int]) -> str:
    start, stop = place
    try:
        if stop - start > limits.MAX_NAME_BYTES:
            raise ValueError
        return str(file.view[start:stop], "utf-8")
    except ValueError:
        raise file.error(
            expected=f"a name in UTF-8 of at most {limits.MAX_NAME_BYTES} bytes",
            got=f"{stop - start} bytes",
            where=f"byte {start}",
        ) from None


def _check_size(file: MappedFile, tag: str, tensor: object) -> None:
    if not isinstance(tensor, Tensor) or not isinstance(tensor.source, Extents):
        return
    found = sum(stop - start for start, stop in tensor.source.ranges)
    if found != math.prod(tensor.shape) * tensor.dtype.itemsize:
        raise file.error(
            expected=f"{tensor.nbytes} bytes for shape {tensor.shape}",
            got=f"{found}",
            where=f"tensor {quoted(tag)}",
        )


def _value_header(name: str, tensor: Tensor, size: int) -> bytes:
    """What stands before the bytes of a slice of a tensor."""
    inner = b"".join(b"\x08" + _encoded(length) for length in tensor.shape)
    inner += _delimited(2, tensor.dtype.mindspore.encode()) + b"\x1a" + _encoded(size)
    tensor_size = len(inner) + size
    outer = _delimited(1, name.encode()) + b"\x12" + _encoded(tensor_size)
    return b"\x0a" + _encoded(len(outer) + tensor_size) + outer + inner


def _delimited(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _LENGTH_DELIMITED]) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    result = bytearray()
    while value >= 0x80:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])
