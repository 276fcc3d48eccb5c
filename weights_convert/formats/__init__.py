"""File formats: which one a file has is seen from its content, never from its name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from restoration.errors import InputError, unknown_name
from weights_convert.files.mapped import MappedFile
from weights_convert.files.output import Output
from weights_convert.files.tensors import Tensor
from weights_convert.formats import (
    mindspore_ckpt,
    npz,
    plain_pickle,
    safetensors_file,
    torch_legacy,
    torch_zip,
)
from weights_convert.formats.contents import Contents, PickleRun
from weights_convert.formats.zips import read_records

_Read = Callable[[MappedFile, Collection[str]], Contents]
_Write = Callable[[Output, object, Mapping[str, str]], None]


@dataclass(frozen=True)
class Format:
    """A file format.

    nests: whether it holds dictionaries in dictionaries and plain values, or only tensors by name.
    suffixes: of files that are written in it unless another format is asked for. pickles: where a
    file holds pickles, None if the format has none. write: None if it is only read. objection: why
    a tensor of a name cannot be written, None if it can.
    """

    name: str
    title: str
    read: _Read
    write: _Write | None = None
    pickles: Callable[[MappedFile], Iterator[PickleRun]] | None = None
    objection: Callable[[str, Tensor], str | None] = lambda name, tensor: None
    nests: bool = False
    suffixes: tuple[str, ...] = ()


def _flat(read: Callable[[MappedFile], Contents]) -> _Read:
    """A reader of a format without pickles, to which allowed classes mean nothing."""
    return lambda file, allowed: read(file)


FORMATS: Mapping[str, Format] = {
    found.name: found
    for found in (
        Format(
            "torch",
            "PyTorch zip",
            torch_zip.read,
            torch_zip.write,
            torch_zip.pickles,
            nests=True,
            suffixes=(".pth", ".pt", ".bin"),
        ),
        Format(
            "torch-legacy",
            "PyTorch before 1.6",
            torch_legacy.read,
            pickles=torch_legacy.pickles,
            nests=True,
        ),
        Format(
            "jittor",
            "Jittor pickle",
            plain_pickle.read,
            plain_pickle.write,
            plain_pickle.pickles,
            nests=True,
            suffixes=(".pkl",),
        ),
        Format("pickle", "pickle", plain_pickle.read, pickles=plain_pickle.pickles, nests=True),
        Format(
            "npz",
            "NumPy archive",
            _flat(npz.read),
            npz.write,
            npz.pickles,
            npz.objection,
            suffixes=(".npz",),
        ),
        Format(
            "mindspore",
            "MindSpore checkpoint",
            _flat(mindspore_ckpt.read),
            mindspore_ckpt.write,
            objection=mindspore_ckpt.objection,
            suffixes=(".ckpt",),
        ),
        Format(
            "safetensors",
            "safetensors",
            _flat(safetensors_file.read),
            safetensors_file.write,
            objection=safetensors_file.objection,
            suffixes=(".safetensors",),
        ),
    )
}
WRITABLE: Mapping[str, Format] = {name: found for name, found in FORMATS.items() if found.write}

_PICKLE_BEGINS = b"\x80(]}c"  # a protocol, or what protocols 0 and 1 begin with
_OTHERS = (
    (b"version https://git-lfs", "a pointer of Git LFS instead of the file", "run git lfs pull"),
    (b"<", "a web page or XML instead of the file", "download the file itself"),
    (b"\x1f\x8b", "a compressed file", "unpack it first (gzip -d)"),
    (b"BZh", "a compressed file", "unpack it first (bzip2 -d)"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"\x89HDF", "HDF5", "save the weights in another format with the library that wrote it"),
    (b"\x93NUMPY", "a single NumPy array", "save a dictionary, np.savez(FILE, **state)"),
)
_TAR_MARK = slice(257, 262)


def identify(file: MappedFile) -> Format:
    """The format of a file.

    Raises:
        InputError: it is none that is known.
    """
    begin = file.read(0, 32)
    if begin.startswith(b"PK\3\4"):
        is_torch = any(name.endswith("data.pkl") for name in read_records(file))
        return FORMATS["torch" if is_torch else "npz"]
    if safetensors_file.is_safetensors(file):
        return FORMATS["safetensors"]
    if torch_legacy.is_legacy(file):
        return FORMATS["torch-legacy"]
    if begin[0] in _PICKLE_BEGINS:
        return FORMATS["jittor" if plain_pickle.is_jittor(file) else "pickle"]
    if mindspore_ckpt.is_checkpoint(file):
        return FORMATS["mindspore"]
    got, next_step = "none of these", "check that the file is a checkpoint"
    for mark, meaning, advice in _OTHERS:
        if begin.lstrip().startswith(mark):
            got, next_step = meaning, advice
    if bytes(file.view[_TAR_MARK]) == b"ustar":
        got, next_step = "a tar archive", "unpack it, or save it again with PyTorch 0.2 or later"
    raise file.error(
        expected=", ".join(found.title for found in FORMATS.values()),
        got=got,
        where="first bytes",
        next_step=next_step,
    )


def format_to_write(path: Path, name: str | None) -> Format:
    """The format for a new file: the one that is named, or the one its suffix stands for.

    Raises:
        InputError: there is none of that name, or the suffix stands for none.
    """
    if name is not None:
        if name not in WRITABLE:
            raise unknown_name("format", name, WRITABLE, where="--format")
        return WRITABLE[name]
    for found in WRITABLE.values():
        if path.suffix.lower() in found.suffixes:
            return found
    known = ", ".join(suffix for found in WRITABLE.values() for suffix in found.suffixes)
    raise InputError(
        "format of the output",
        expected=f"a suffix of {known}",
        got=repr(path.suffix),
        where=str(path),
        next_step=f"name it: --format {'|'.join(WRITABLE)}",
    )
