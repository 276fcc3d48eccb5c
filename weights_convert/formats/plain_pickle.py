"""Pickled arrays: `jt.save` of Jittor, with a checksum at the end, and `pickle.dump`, without."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from weights_convert.files.integrity import Checksum
from weights_convert.files.mapped import MappedFile
from weights_convert.files.output import Output
from weights_convert.files.tensors import DTYPES, Tensor, Widened, numpy_code
from weights_convert.formats.contents import Contents, PickleRun
from weights_convert.pickles.machine import Pickle
from weights_convert.pickles.meanings import CheckpointMeanings
from weights_convert.pickles.writer import PickleWriter

JITTOR_END = b"HCAJSLHD"
_SHA1_BYTES = 20
_PROTOCOL = 4


def is_jittor(file: MappedFile) -> bool:
    """Whether the file ends as Jittor's do."""
    return bytes(file.view[-len(JITTOR_END) :]) == JITTOR_END


def read(file: MappedFile, meanings: CheckpointMeanings) -> Contents:
    """The object that was pickled.

    Raises:
        InputError: the file is damaged or hostile.
    """
    stop = _stop(file)
    machine = Pickle(file, 0, stop, meanings, meanings.budget)
    tree = machine.load()
    meanings.check()
    if machine.position != stop:
        raise file.error(
            expected="one pickle", got=f"{stop - machine.position} bytes after it", where="end"
        )
    if not is_jittor(file):
        return Contents(file, tree)
    sha1 = file.read(stop, stop + _SHA1_BYTES)
    return Contents(file, tree, (Checksum("pickle", 0, stop, sha1=sha1),))


def pickles(file: MappedFile) -> Iterator[PickleRun]:
    """Where the pickle is."""
    yield PickleRun("pickle", 0, _stop(file))


def write(output: Output, document: object, metadata: Mapping[str, str]) -> None:
    """Write plain data with tensors in it as `jt.save` would; tensors become NumPy arrays."""
    sha1 = hashlib.sha1(usedforsecurity=False)

    class Hashed:
        def write(self, content: bytes | memoryview) -> None:
            sha1.update(content)
            output.write(content)

    hashed = Hashed()

    def put_tensor(writer: PickleWriter, tensor: Tensor) -> None:
        code, itemsize = numpy_code(tensor.dtype), tensor.dtype.itemsize
        with writer.array(tensor.shape, code, itemsize=itemsize, nbytes=tensor.nbytes):
            output.copy(tensor, through=hashed)

    PickleWriter(hashed, protocol=_PROTOCOL, put_tensor=put_tensor).dump(document)
    output.write(sha1.digest() + JITTOR_END)


def stores(tensor: Tensor) -> Tensor:
    """What Jittor can load: it takes arrays of NumPy, which has no bfloat16."""
    if tensor.dtype.name != "bfloat16":
        return tensor
    return Tensor(DTYPES["float32"], tensor.shape, Widened(tensor), "widened to float32, exactly")


def _stop(file: MappedFile) -> int:
    return file.size - _SHA1_BYTES - len(JITTOR_END) if is_jittor(file) else file.size
