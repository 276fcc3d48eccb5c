"""PyTorch's checkpoints since 1.6: a zip with a pickle and a record per storage."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from weights_convert.errors import quoted
from weights_convert.files.integrity import Checksum
from weights_convert.files.mapped import MappedFile
from weights_convert.files.output import Output
from weights_convert.files.tensors import DType, Extents, Tensor, row_major
from weights_convert.formats.contents import Contents, PickleRun
from weights_convert.formats.zips import Record, ZipWriter, read_records
from weights_convert.pickles.machine import Pickle
from weights_convert.pickles.meanings import CheckpointMeanings
from weights_convert.pickles.objects import Name
from weights_convert.pickles.stubs import Storage
from weights_convert.pickles.writer import PickleWriter

_ALIGNMENT = 64  # as PyTorch aligns storages, so that it can map them
_PROTOCOL = 2
_UNTYPED = Name("torch.storage", "UntypedStorage")


def read(file: MappedFile, meanings: CheckpointMeanings) -> Contents:
    """The object that `torch.save` wrote.

    Raises:
        InputError: the file is damaged or hostile, or holds what only PyTorch can read.
    """
    tree = read_with(file, meanings)
    meanings.check()
    checksums = (
        Checksum(f"record {quoted(record.name)}", record.start, record.stop, record.crc32)
        for record in read_records(file).values()
        if not record.is_deflated
    )
    return Contents(file, tree, tuple(checksums))


def read_with(file: MappedFile, meanings: CheckpointMeanings) -> object:
    """The object that `torch.save` wrote, before the names in it are judged."""
    records = read_records(file)
    prefix = _prefix(file, records)
    byte_order = records.get(prefix + "byteorder")
    if byte_order and file.read(byte_order.start, byte_order.stop) != b"little":
        raise file.error(
            expected="little-endian numbers",
            got="another byte order",
            where="record byteorder",
            next_step="save the file again on a little-endian machine",
        )

    def storage(key: str, dtype: DType | None, count: int, itemsize: int) -> Storage:
        record = _stored(file, records, f"{prefix}data/{key}")
        nbytes = count * itemsize
        if record.size != nbytes:
            raise file.error(
                expected=f"{nbytes} bytes",
                got=f"{record.size}",
                where=f"record {quoted(record.name)}",
            )
        return Storage(dtype, count, lambda: Extents(file, ((record.start, record.stop),)))

    pickled = _stored(file, records, prefix + "data.pkl")
    meanings.storage = storage
    return Pickle(file, pickled.start, pickled.stop, meanings, meanings.budget).load()


def pickles(file: MappedFile) -> Iterator[PickleRun]:
    """Where the pickles are."""
    for record in read_records(file).values():
        if record.name.endswith(".pkl"):
            stored = _stored(file, {record.name: record}, record.name)
            yield PickleRun(record.name, stored.start, stored.stop)


def write(output: Output, document: object, metadata: Mapping[str, str]) -> None:
    """Write plain data with tensors in it as `torch.save` would."""
    tensors: list[Tensor] = []
    pickled = io.BytesIO()

    def put_tensor(writer: PickleWriter, tensor: Tensor) -> None:
        # v2 takes a storage of a type; types that have none are bytes, and v3 names the type.
        dtype, key = tensor.dtype, str(len(tensors))
        tensors.append(tensor)
        kind = Name("torch", dtype.torch) if dtype.torch else _UNTYPED
        count = tensor.size if dtype.torch else tensor.nbytes
        function = "_rebuild_tensor_v2" if dtype.torch else "_rebuild_tensor_v3"
        writer.put(Name("torch._utils", function))
        writer.begin_tuple()
        writer.refer(("storage", kind, key, "cpu", count))
        for argument in (0, tensor.shape, row_major(tensor.shape), False):
            writer.put(argument)
        writer.call("collections", "OrderedDict")
        if not dtype.torch:
            writer.put(Name("torch", dtype.name))
        writer.end_tuple_and_call()

    PickleWriter(pickled, protocol=_PROTOCOL, put_tensor=put_tensor).dump(document)
    with ZipWriter(output) as archive:
        archive.put("archive/data.pkl", pickled.getvalue())
        archive.put("archive/byteorder", b"little")
        for key, tensor in enumerate(tensors):
            name = f"archive/data/{key}"
            with archive.record(name, size=tensor.nbytes, alignment=_ALIGNMENT) as record:
                output.copy(tensor, through=record)
        archive.put("archive/version", b"3\n")


def _prefix(file: MappedFile, records: Mapping[str, Record]) -> str:
    found = [name for name in records if name.rpartition("/")[2] == "data.pkl"]
    if len(found) != 1:
        raise file.error(
            expected="one record data.pkl",
            got=f"{len(found)}",
            where="table of contents of the zip",
        )
    return found[0].removesuffix("data.pkl")


def _stored(file: MappedFile, records: Mapping[str, Record], name: str) -> Record:
    record = records.get(name)
    if record is None or record.is_deflated:
        raise file.error(
            expected=f"a record {quoted(name)} that is stored",
            got="a compressed one" if record else "none",
            where="table of contents of the zip",
            next_step="unpack it and pack it again without compression (zip -0 -r)"
            if record
            else "get the file again",
        )
    return record
