"""Writes plain data with tensors in it as a pickle, bytes streamed."""

from __future__ import annotations

import pickle  # for the numbers of the operations only
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from weights_convert.files.output import Sink
from weights_convert.files.tensors import Tensor
from weights_convert.pickles.objects import Name

_LEAVES = (Tensor, Name, str, int, float, bool, type(None))

_MOST_ITEMS = 1_000_000  # of what may be written beside weights


def is_plain(value: object) -> bool:
    """Whether a value is made only of what can be written, and is not endless."""
    budget = _MOST_ITEMS
    waiting = [value]
    while waiting and budget:
        budget -= 1
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            waiting += item
        elif not isinstance(item, _LEAVES) or (isinstance(item, int) and item.bit_length() > 512):
            return False
    return not waiting


class PickleWriter:
    """Writes one object. put_tensor: called for each tensor, writes what stands for it."""

    def __init__(
        self, sink: Sink, *, protocol: int, put_tensor: Callable[[PickleWriter, Tensor], None]
    ):
        self._sink, self._protocol, self._put_tensor = sink, protocol, put_tensor

    def dump(self, value: object) -> None:
        """Write a whole pickle."""
        self._sink.write(pickle.PROTO + bytes([self._protocol]))
        self.put(value)
        self._sink.write(pickle.STOP)

    def put(self, value: object) -> None:
        """Write what makes an object: plain data, names of types, or a tensor.

        Raises:
            TypeError: the object is none of these.
        """
        if isinstance(value, Tensor):
            self._put_tensor(self, value)
        elif value is None:
            self._sink.write(pickle.NONE)
        elif isinstance(value, bool):
            self._sink.write(pickle.NEWTRUE if value else pickle.NEWFALSE)
        elif isinstance(value, int):
            content = pickle.encode_long(value)
            self._sink.write(pickle.LONG1 + bytes([len(content)]) + content)
        elif isinstance(value, float):
            self._sink.write(pickle.BINFLOAT + struct.pack(">d", value))
        elif isinstance(value, str):
            content = value.encode("utf-8", "surrogatepass")
            self._sink.write(pickle.BINUNICODE + struct.pack("<I", len(content)) + content)
        elif isinstance(value, Name):
            self._sink.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, tuple | list | dict):
            self._put_container(value)
        else:
            raise TypeError(f"{type(value).__name__} is no plain data")

    def call(self, module: str, name: str, *arguments: object) -> None:
        """Write the call of a function."""
        self.put(Name(module, name))
        self.put(arguments)
        self._sink.write(pickle.REDUCE)

    def begin_tuple(self) -> None:
        """Begin arguments that are written one by one."""
        self._sink.write(pickle.MARK)

    def end_tuple_and_call(self) -> None:
        """End them and call the function written before them."""
        self._sink.write(pickle.TUPLE + pickle.REDUCE)

    def refer(self, reference: tuple[object, ...]) -> None:
        """Write a reference to something outside of the pickle."""
        self.put(reference)
        self._sink.write(pickle.BINPERSID)

    @contextmanager
    def array(
        self, shape: tuple[int, ...], code: str, *, itemsize: int, nbytes: int
    ) -> Iterator[None]:
        """Write a row-major NumPy array; its bytes are written meanwhile. code: as in "<f4"."""
        self.call("numpy.core.multiarray", "_reconstruct", Name("numpy", "ndarray"), (0,), "b")
        self._sink.write(pickle.MARK)
        self.put(1)
        self.put(shape)
        self.call("numpy", "dtype", code[1:], False, True)
        size_and_alignment = (itemsize, 1) if code[1] == "V" else (-1, -1)
        self.put((3, code[0], None, None, None, *size_and_alignment, 0))
        self._sink.write(pickle.BUILD)
        self.put(False)
        self._sink.write(pickle.BINBYTES8 + struct.pack("<Q", nbytes))
        yield
        self._sink.write(pickle.TUPLE + pickle.BUILD)

    def _put_container(self, value: tuple | list | dict) -> None:
        write = self._sink.write
        if isinstance(value, dict):
            write(pickle.EMPTY_DICT + pickle.MARK)
            for key, item in value.items():
                self.put(key)
                self.put(item)
            write(pickle.SETITEMS)
        elif isinstance(value, list):
            write(pickle.EMPTY_LIST + pickle.MARK)
            for item in value:
                self.put(item)
            write(pickle.APPENDS)
        else:
            write(pickle.MARK)
            for item in value:
                self.put(item)
            write(pickle.TUPLE)
