"""Files of PyTorch that a pickle holds as bytes: what `pickle.dump` makes of tensors."""

from __future__ import annotations

from collections.abc import Iterator

from weights_convert.files.mapped import MappedFile
from weights_convert.formats import torch_legacy, torch_zip
from weights_convert.formats.contents import PickleRun
from weights_convert.pickles.meanings import CheckpointMeanings


def read(file: MappedFile, meanings: CheckpointMeanings) -> object:
    """What such a file holds, by the reader of its format and within the limits of the whole.

    Raises:
        InputError: it is damaged, or of another format.
    """
    if torch_legacy.is_legacy(file):
        return torch_legacy.read_with(file, meanings)
    if file.read(0, 4) == b"PK\3\4":
        return torch_zip.read_with(file, meanings)
    raise _unknown(file)


def pickles(file: MappedFile) -> Iterator[PickleRun]:
    """Where the pickles of such a file are.

    Raises:
        InputError: it is of another format.
    """
    if torch_legacy.is_legacy(file):
        return torch_legacy.pickles(file)
    if file.read(0, 4) == b"PK\3\4":
        return torch_zip.pickles(file)
    raise _unknown(file)


def _unknown(file: MappedFile) -> Exception:
    return file.error(
        expected="a tensor as PyTorch saves it",
        got="bytes of another kind",
        where="bytes that torch.storage._load_from_bytes would load",
        next_step="nothing was run; weights-convert scan shows what it would do",
    )
