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
    archives,
    foreign,
    mindspore_ckpt,
    npz,
    plain_pickle,
    safetensors_file,
    streams,
    torch_legacy,
    torch_zip,
)
from weights_convert.formats.archives import Inner
from weights_convert.formats.contents import Contents, PickleRun
from weights_convert.formats.zips import read_records
from weights_convert.pickles.meanings import CheckpointMeanings

_Read = Callable[[MappedFile, CheckpointMeanings], Contents]
_Write = Callable[[Output, object, Mapping[str, str]], None]


@dataclass(frozen=True)
class Format:
    """A file format.

    read_with: reads a file, with what names in its pickles mean. nests: whether it holds
    dictionaries in dictionaries and plain values, or only tensors by name. suffixes: of files that
    are written in it unless another format is asked for. pickles: where a file holds pickles, None
    if the format has none. write: None if it is only read. objection: why a tensor of a name cannot
    be written, None if it can. stores: a tensor as the format holds it, where that is another type
    with the same numbers.
    """

    name: str
    title: str
    read_with: _Read
    write: _Write | None = None
    pickles: Callable[[MappedFile], Iterator[PickleRun]] | None = None
    objection: Callable[[str, Tensor], str | None] = lambda name, tensor: None
    stores: Callable[[Tensor], Tensor] = lambda tensor: tensor
    nests: bool = False
    suffixes: tuple[str, ...] = ()

    def read(self, file: MappedFile, allowed: Collection[str] = ()) -> Contents:
        """All that a file holds; names of modules in `allowed` are never refused.

        Raises:
            InputError: the file is damaged or hostile.
        """
        return self.read_with(file, CheckpointMeanings(file, allowed, stream=streams.read))


def _flat(read: Callable[[MappedFile], Contents]) -> _Read:
    """A reader of a format without pickles."""
    return lambda file, meanings: read(file)


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
            stores=plain_pickle.stores,
            nests=True,
            suffixes=(".pkl",),
        ),
        Format("pickle", "pickle", plain_pickle.read, pickles=plain_pickle.pickles, nests=True),
        Format(
            "npz",
            "NumPy archive",
            npz.read,
            npz.write,
            npz.pickles,
            npz.objection,
            suffixes=(".npz",),
        ),
        Format("npy", "NumPy file", npz.read_one, pickles=npz.pickles_of_one, nests=True),
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

_TORCH_RECORD = "data.pkl"
_PICKLE_BEGINS = b"\x80(]}c"  # a protocol, or what protocols 0 and 1 begin with


def identify(file: MappedFile) -> Format:
    """The format of a file.

    Raises:
        InputError: it is none that is known; the text says what it is instead.
    """
    found = _format(file)
    if found is not None:
        return found
    other = foreign.identify(file)
    raise file.error(
        expected=", ".join(found.title for found in FORMATS.values()),
        got=other.what if other else "none of these",
        where="first bytes",
        next_step=other.next_step if other else "check that the file is a checkpoint",
    )


def in_archive(file: MappedFile) -> Inner | None:
    """The checkpoint that a zip or tar holds among other files; None if a file is neither.

    Raises:
        InputError: it is an archive without a checkpoint, or with several.
    """
    if archives.is_tar(file):
        return archives.only_checkpoint(file, _is_sure)
    if not _is_zip(file):
        return None
    names = list(read_records(file))
    other = foreign.in_zip(names)
    if other:
        raise file.error(
            expected="weights", got=other.what, where="names in the zip", next_step=other.next_step
        )
    if any(name.endswith((_TORCH_RECORD, ".npy")) for name in names):
        return None
    return archives.only_checkpoint(file, _is_sure)


def _format(file: MappedFile) -> Format | None:
    name = None
    if _is_zip(file):
        is_torch = any(name.endswith(_TORCH_RECORD) for name in read_records(file))
        name = "torch" if is_torch else "npz"
    elif safetensors_file.is_safetensors(file):
        name = "safetensors"
    elif torch_legacy.is_legacy(file):
        name = "torch-legacy"
    elif npz.is_array(file):
        name = "npy"
    elif file.view[0] in _PICKLE_BEGINS and not _is_text(file):
        name = "jittor" if plain_pickle.is_jittor(file) else "pickle"
    elif foreign.identify(file) is None and mindspore_ckpt.is_checkpoint(file):
        name = "mindspore"
    return FORMATS[name] if name else None


def _is_zip(file: MappedFile) -> bool:
    return file.read(0, 4) == b"PK\3\4"


def _is_text(file: MappedFile) -> bool:
    """Whether what may be a pickle of protocol 0 is a text in words: a pickle ends with a dot."""
    return file.view[0] in b"(]}c" and file.read(file.size - 1, file.size) != b"."


def _is_sure(file: MappedFile) -> bool:
    """Whether a file among others is a checkpoint; what only may be one does not count."""
    if _is_zip(file):
        names = list(read_records(file))
        return any(name.endswith((_TORCH_RECORD, ".npy")) for name in names)
    found = _format(file)
    return found is not None and (found.pickles is None or file.view[0] in b"\x80\x93")


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
