"""Arrays and tensors as pickles describe them, until it is known where their bytes are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import (
    DType,
    Extents,
    Held,
    Latin1,
    Rounded,
    Source,
    Strided,
    Tensor,
    from_numpy_code,
    row_major,
    view,
)
from weights_convert.pickles.objects import Blob


@dataclass(frozen=True)
class Storage:
    """What a tensor of PyTorch views: `count` elements of a type, somewhere in the file.

    dtype: None for bytes of no type. source: found when the storages are read.
    """

    dtype: DType | None
    count: int
    source: Callable[[], Extents]


@dataclass(eq=False, repr=False)
class TensorView:
    """A tensor of PyTorch: elements of a storage."""

    storage: Storage
    dtype: DType
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def tensor(self, file: MappedFile) -> Tensor:
        """The tensor, checked against its storage.

        Raises:
            InputError: it lies outside of its storage.
        """
        itemsize = self.dtype.itemsize
        count = self.storage.count if self.storage.dtype else self.storage.count // itemsize
        last = self.offset + sum(
            (length - 1) * step for length, step in zip(self.shape, self.strides, strict=True)
        )
        if 0 not in self.shape and not 0 <= self.offset <= last < count:
            raise file.error(
                expected=f"a tensor inside its storage of {count} elements",
                got=f"elements {self.offset} to {last}",
                where=f"a tensor of shape {self.shape}",
            )
        return view(self.storage.source(), self.dtype, self.shape, self.offset, self.strides)


@dataclass(eq=False, repr=False)
class ArrayType:
    """An element type of NumPy: its code without byte order, and that."""

    code: str
    order: str = "="


@dataclass(eq=False, repr=False)
class Array:
    """An array of NumPy; filled by its state. content is None until then. file: where its bytes
    are, if not in the file that is read.

    stands_for: the type whose numbers it carries, where that is another: PyTorch's devices save
    bfloat16 as float32, because NumPy has none.
    """

    shape: tuple[int, ...] = ()
    type: ArrayType | None = None
    is_column_major: bool = False
    content: object = None
    stands_for: DType | None = None
    file: MappedFile | None = None

    def tensor(self, file: MappedFile) -> Tensor:
        """The array as a tensor.

        Raises:
            InputError: elements of a type that no other format has, or bytes are missing.
        """
        file = self.file or file
        code = self.type.order + self.type.code if self.type else "nothing"
        found = from_numpy_code(code)
        if found is None:
            raise file.error(
                expected="an array of numbers",
                got=f"elements of type {quoted(code)}",
                where=f"an array of shape {self.shape}",
                next_step="save plain arrays only",
            )
        dtype, is_big_endian = found
        if self.stands_for not in (None, dtype):
            return self._rounded(file)
        source = self._source(file, math.prod(self.shape) * dtype.itemsize)
        if is_big_endian or (self.is_column_major and len(self.shape) > 1):
            strides = row_major(self.shape)
            if self.is_column_major:
                strides = row_major(self.shape[::-1])[::-1]
            moved = "byte order swapped" if is_big_endian else "gathered from column-major order"
            gathered = Strided(source, dtype, self.shape, 0, strides, is_big_endian)
            return Tensor(dtype, self.shape, gathered, moved)
        return Tensor(dtype, self.shape, source)

    def _rounded(self, file: MappedFile) -> Tensor:
        """The numbers in the type that they stand for."""
        whole = replace(self, stands_for=None).tensor(file)
        assert self.stands_for
        if (whole.dtype.name, self.stands_for.name) != ("float32", "bfloat16"):
            raise file.error(
                expected=f"an array of {self.stands_for.name}",
                got=whole.dtype.name,
                where=f"an array of shape {self.shape}",
                next_step="on the CPU, save a dictionary of tensors",
            )
        return Tensor(self.stands_for, whole.shape, Rounded(whole), "rounded to bfloat16")

    def _source(self, file: MappedFile, nbytes: int) -> Source:
        content = self.content.encode() if isinstance(self.content, str) else self.content
        if isinstance(content, Blob) and content.is_text and nbytes <= content.stop - content.start:
            return Latin1(file, content.start, content.stop, nbytes)
        if isinstance(content, Blob) and nbytes == content.stop - content.start:
            return Extents(file, ((content.start, content.stop),))
        if isinstance(content, bytes) and len(content) == nbytes:
            return Held(content)
        raise file.error(
            expected=f"an array with {nbytes} bytes",
            got="another number of them",
            where=f"an array of shape {self.shape}",
        )
