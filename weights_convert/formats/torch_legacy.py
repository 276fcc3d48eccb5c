"""PyTorch's checkpoints before 1.6: five pickles in a row, then the storages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import DType, Extents
from weights_convert.formats.contents import Contents, PickleRun
from weights_convert.pickles.machine import Pickle
from weights_convert.pickles.meanings import CheckpointMeanings
from weights_convert.pickles.stubs import Storage

_MAGIC = 0x1950A86A20F9469CFC6C
_PICKLED_MAGIC = b"\x8a\x0a" + _MAGIC.to_bytes(10, "little")
_PROTOCOL = 1001
_PICKLES = ("magic number", "protocol", "system", "object", "keys of storages")


@dataclass
class _Found:
    """A storage: how many elements of how many bytes, and where once that is known."""

    itemsize: int
    count: int
    place: Extents | None = None


def is_legacy(file: MappedFile) -> bool:
    """Whether the file begins with the magic number."""
    return _PICKLED_MAGIC in file.read(0, 16)


def read(file: MappedFile, meanings: CheckpointMeanings) -> Contents:
    """The object that `torch.save` wrote.

    Raises:
        InputError: the file is damaged or hostile.
    """
    tree = read_with(file, meanings)
    meanings.check()
    return Contents(file, tree)


def read_with(file: MappedFile, meanings: CheckpointMeanings) -> object:
    """The object that `torch.save` wrote, before the names in it are judged."""
    storages: dict[str, _Found] = {}

    def storage(key: str, dtype: DType | None, count: int, itemsize: int) -> Storage:
        found = storages.setdefault(key, _Found(itemsize, count))
        return Storage(dtype, found.count, lambda: _place(file, found))

    meanings.storage = storage
    loaded, position = [], 0
    for _ in _PICKLES:
        machine = Pickle(file, position, file.size, meanings, meanings.budget)
        loaded.append(machine.load())
        position = machine.position
    _, protocol, system, tree, keys = loaded
    if protocol != _PROTOCOL or not isinstance(system, dict) or not system.get("little_endian"):
        raise file.error(
            expected=f"protocol {_PROTOCOL} and little-endian numbers",
            got=f"protocol {quoted(protocol)}, or another byte order",
            where="third pickle",
            next_step="save the file again on a little-endian machine",
        )
    if not isinstance(keys, list) or set(map(str, keys)) != storages.keys():
        raise file.error(
            expected="the keys of all storages, each once", got="others", where="fifth pickle"
        )
    for key in keys:
        position = _locate(file, storages[str(key)], position)
    if position != file.size:
        raise file.error(
            expected=f"the end of the file at byte {position}", got=f"{file.size} bytes"
        )
    return tree


def pickles(file: MappedFile) -> Iterator[PickleRun]:
    """Where the pickles are."""
    yield PickleRun(", ".join(_PICKLES), 0, file.size, count=len(_PICKLES))


def _place(file: MappedFile, found: _Found) -> Extents:
    if found.place is None:
        raise file.error(expected="the bytes of a storage", got="none")
    return found.place


def _locate(file: MappedFile, found: _Found, position: int) -> int:
    """Find the bytes of a storage, which begin with its number of elements; where they end."""
    start = position + 8
    stop = start + found.count * found.itemsize
    count = int.from_bytes(file.view[position:start], "little")
    if stop > file.size or count != found.count:
        raise file.error(
            expected=f"a storage of {found.count} elements",
            got=f"{file.size - start} bytes to the end" if stop > file.size else f"{count}",
            where=f"byte {position}",
        )
    found.place = Extents(file, ((start, stop),))
    return stop
