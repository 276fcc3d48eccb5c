"""`.npy` samples are read as arrays only; a pickle that calls something is refused, not run."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from restoration import images
from restoration.data import npy
from restoration.errors import InputError

RNG = np.random.default_rng(0)
BLURRED = RNG.integers(0, 255, (7, 9, 3), dtype=np.uint8)
MASK = RNG.random((7, 9))


def _write(path: Path, content: Any, *, protocol: int = 3) -> Path:
    """An object file as numpy.save writes it, with any protocol."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    array = np.empty((), object)
    array[()] = content
    path.write_bytes(header.getvalue() + pickle.dumps(array, protocol=protocol))
    return path


def test_a_sample_as_numpy_saves_it(tmp_path: Path) -> None:
    path = tmp_path / "sample.npy"
    stored: Any = {"img_blur": BLURRED, "img_gt": BLURRED[::-1], "blur_mask": MASK}
    np.save(path, stored)
    sample = npy.read_sample(path)
    assert sample.keys() == stored.keys()
    for name, array in sample.items():
        assert array.dtype == stored[name].dtype
        assert np.array_equal(array, stored[name])
    image = npy.read_blurred(path)
    np.testing.assert_array_equal(image.pixels[0], BLURRED.transpose(2, 0, 1) / np.float32(255))


@pytest.mark.parametrize("protocol", range(3, pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = _write(tmp_path / "a.npy", {"img_blur": BLURRED, "n": np.float64(3)}, protocol=protocol)
    sample = npy.read_sample(path)
    assert np.array_equal(sample["img_blur"], BLURRED)
    assert sample["n"] == 3


def test_names_of_the_other_numpy(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.npy", {"img_blur": BLURRED})
    content = path.read_bytes()
    ours, other = b"numpy.core.multiarray", b"numpy._core.multiarray"
    if ours not in content:
        ours, other = other, ours
    assert ours in content
    path.write_bytes(content.replace(ours, other))
    assert np.array_equal(npy.read_sample(path)["img_blur"], BLURRED)


def test_a_bare_array_and_an_image_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", BLURRED)
    images.write_image(tmp_path / "a.png", images.from_array(BLURRED))
    one, other = (npy.read_blurred(tmp_path / name) for name in ("a.npy", "a.png"))
    assert np.array_equal(one.pixels, other.pixels)


class _Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path):
        self._target = str(target)

    def __reduce__(self) -> Any:
        return os.mkdir, (self._target,)


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "made"
    path = _write(tmp_path / "trap.npy", {"img_blur": BLURRED, "x": _Trap(target)})
    with pytest.raises(InputError, match=r"asks for posix\.mkdir, which is not an array"):
        npy.read_sample(path)
    assert not target.exists()
    # The same file does its work where pickles are trusted.
    np.load(path, allow_pickle=True)
    assert target.exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([1, 2], "expected a dictionary of arrays, got list"),
        ({"img_gt": BLURRED}, "expected an entry 'img_blur', got img_gt"),
        ({"img_blur": [BLURRED, "text", None]}, "got list under 'img_blur'"),
        ({"img_blur": np.array([None])}, "got ndarray under 'img_blur'"),
    ],
)
def test_other_contents_are_explained(tmp_path: Path, content: Any, text: str) -> None:
    path = _write(tmp_path / "a.npy", content)
    with pytest.raises(InputError) as caught:
        npy.read_blurred(path)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY\x01\x00", b"no array at all", b"\x93NUMPY\x09\x00"]
)
def test_damaged_files_are_explained(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"sample: expected a \.npy file"):
        npy.read_blurred(path)


def test_every_cut_of_a_sample_is_explained(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.npy", {"img_blur": BLURRED})
    content = path.read_bytes()
    for length in range(0, len(content) - 1, 7):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            npy.read_sample(path)


def test_a_missing_sample(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"FileNotFoundError.*none\.npy"):
        npy.read_blurred(tmp_path / "none.npy")
