"""Deblurring samples in `.npy` files: one pickled dictionary of arrays.

Unpickling can run any code. Here a pickle may hold nothing but NumPy arrays and plain containers.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restoration import images
from restoration.errors import InputError

BLURRED = "img_blur"
"""The key of the blurred image, (h, w, 3) uint8; those of the true one and the mask follow."""

TRUE = "img_gt"
MASK = "blur_mask"

_FORMAT: Any = np.lib.format  # what is used of it has no types
# The functions by which NumPy pickles are private and move between its versions: it names them.
_ALLOWED = {
    "_reconstruct": np.empty(0).__reduce__()[0],
    "scalar": np.float32(0).__reduce__()[0],
    "_frombuffer": np.empty(1).__reduce_ex__(5)[0],
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}
_MODULES = {"numpy"} | {
    f"numpy.{core}.{module}" for core in ("core", "_core") for module in ("multiarray", "numeric")
}


def read_blurred(path: str | os.PathLike[str]) -> images.Image:
    """The blurred image of a sample, or an image file; see `images.read_image`."""
    if Path(path).suffix.lower() != ".npy":
        return images.read_image(path)
    sample = read_sample(path)
    if BLURRED not in sample:
        raise _error(path, f"an entry {BLURRED!r}", ", ".join(sample) or "no entries")
    return images.from_array(sample[BLURRED], where=str(path))


def read_sample(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a sample by name. A file that holds one array gives it as "img_blur".

    Raises:
        InputError: the file is missing or damaged, or holds something else than arrays.
    """
    try:
        with open(path, "rb") as file:
            content = _read(file)
    except Exception as problem:  # a damaged pickle can raise anything
        reason = (str(problem).splitlines() or [""])[0]
        got = f"{type(problem).__name__}: {reason}"
        raise _error(path, "a .npy file with a dictionary of arrays", got) from problem
    if isinstance(content, np.ndarray) and content.dtype != object:
        return {BLURRED: content}
    content = content.item() if isinstance(content, np.ndarray) and content.ndim == 0 else content
    if not isinstance(content, dict):
        raise _error(path, "a dictionary of arrays", type(content).__name__)
    for name, value in content.items():
        is_numbers = isinstance(value, np.ndarray | np.generic | float | int)
        if not is_numbers or np.asarray(value).dtype == object:
            raise _error(path, "arrays of numbers", f"{type(value).__name__} under {name!r}")
    return {str(name): np.asarray(value) for name, value in content.items()}


class _ArrayUnpickler(pickle.Unpickler):
    """Knows NumPy's arrays, dtypes and scalars, and nothing else that could be called."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _MODULES and name in _ALLOWED:
            return _ALLOWED[name]
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which is not an array")


def _read(file: BinaryIO) -> Any:
    version = _FORMAT.read_magic(file)
    read_header = {
        (1, 0): _FORMAT.read_array_header_1_0,
        (2, 0): _FORMAT.read_array_header_2_0,
    }[version]
    _, _, dtype = read_header(file)
    if dtype.hasobject:
        return _ArrayUnpickler(file).load()
    file.seek(0)
    return np.load(file, allow_pickle=False)


def _error(path: str | os.PathLike[str], expected: str, got: str) -> InputError:
    return InputError(
        "sample",
        expected=expected,
        got=got,
        where=str(path),
        next_step=f'save one with numpy.save(path, {{"{BLURRED}": image}}), or give an image file',
    )
