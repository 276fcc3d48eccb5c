"""Images of every kind survive reading and writing; bad ones are explained in one line."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image as PillowImage

from restoration import images
from restoration.errors import InputError

RNG = np.random.default_rng(0)


def _png(path: Path, samples: np.ndarray) -> None:
    """A PNG written by the standard's definition, independent of any library."""
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    depth = 8 * samples.dtype.itemsize
    rows = [b"\0" + row.astype(f">u{samples.dtype.itemsize}").tobytes() for row in samples]

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b""))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (17, 33)])
def test_png_of_every_kind(
    tmp_path: Path, dtype: Any, channels: int, size: tuple[int, int]
) -> None:
    top = np.iinfo(dtype).max
    samples = RNG.integers(0, top, (*size, channels), dtype=dtype, endpoint=True)
    _png(tmp_path / "in.png", samples[..., 0] if channels == 1 else samples)
    image = images.read_image(tmp_path / "in.png")
    assert image.pixels.shape == (1, 3, *size)
    assert image.pixels.dtype == np.float32
    assert image.bits == 8 * samples.dtype.itemsize
    has_alpha = channels in (2, 4)
    colors = samples[..., :-1] if has_alpha else samples
    expected = np.broadcast_to(colors, (*size, 3)).transpose(2, 0, 1)[None] / top
    np.testing.assert_allclose(image.pixels, expected, rtol=1e-6)
    assert (image.alpha is not None) == has_alpha

    images.write_image(tmp_path / "out.png", image)
    again = images.read_image(tmp_path / "out.png")
    assert again.bits == image.bits
    assert np.array_equal(again.pixels, image.pixels)
    if image.alpha is not None:
        assert np.array_equal(again.alpha, image.alpha)


@pytest.mark.parametrize("suffix", [".tif", ".tiff"])
def test_deep_tiff(tmp_path: Path, suffix: str) -> None:
    samples = RNG.integers(0, 65535, (5, 7, 3), dtype=np.uint16)
    path = tmp_path / f"in{suffix}"
    iio.imwrite(path, samples)
    image = images.read_image(path)
    assert image.bits == 16
    images.write_image(path, image)
    assert np.array_equal(iio.imread(path), samples)


def test_orientation_of_a_camera_is_applied(tmp_path: Path) -> None:
    picture = PillowImage.fromarray(RNG.integers(0, 255, (4, 6, 3), dtype=np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6  # turn a quarter to the right
    picture.save(tmp_path / "in.png", exif=exif)
    turned = np.rot90(np.asarray(picture), -1)
    found = images.to_array(images.read_image(tmp_path / "in.png"))
    assert np.array_equal(found, turned)


def test_palette_becomes_colour(tmp_path: Path) -> None:
    colors = np.zeros((2, 2, 3), np.uint8)
    colors[0, 0], colors[1, 1] = (255, 0, 0), (0, 0, 255)
    PillowImage.fromarray(colors).convert("P", palette=1).save(tmp_path / "in.png")
    found = images.to_array(images.read_image(tmp_path / "in.png"))
    assert np.array_equal(found, colors)


def test_writing_rounds_and_clips() -> None:
    pixels = np.float32([-1.0, 0.5 / 255 + 1e-4, 0.999, 7.0]).reshape(1, 1, 2, 2).repeat(3, 1)
    found = images.to_array(images.Image(pixels))
    assert found[..., 0].ravel().tolist() == [0, 1, 255, 255]


def test_formats_without_alpha_or_depth_get_what_they_can_hold(tmp_path: Path) -> None:
    pixels = np.full((1, 3, 8, 8), 0.5, np.float32)
    image = images.Image(pixels, alpha=np.ones((8, 8), np.float32), bits=16)
    for name in ("out.jpg", "out.bmp", "out.webp"):
        images.write_image(tmp_path / name, image)
        found = images.read_image(tmp_path / name)
        assert found.bits == 8
        assert np.abs(found.pixels - pixels).max() < 0.02


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("missing.png", None, "an existing file, got nothing"),
        ("empty.png", b"", "expected one of .png"),
        ("text.jpg", b"this is no image", "expected one of .png"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "expected one of .png"),
        ("cut16.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\0\1" * 2 + b"\x10\2\0\0\0", "PNG"),
    ],
)
def test_unreadable_files_are_explained(
    tmp_path: Path, name: str, content: bytes | None, text: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        images.read_image(tmp_path / name)
    assert text in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got a folder"):
        images.read_image(tmp_path)


def test_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected \.png.*got '\.docx'"):
        images.write_image(tmp_path / "out.docx", images.Image(np.zeros((1, 3, 2, 2), np.float32)))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.png"
    images.write_image(path, images.Image(np.zeros((1, 3, 2, 2), np.float32)))
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="No space left on device"):
        images.write_image(path, images.Image(np.ones((1, 3, 2, 2), np.float32)))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]


def test_strange_arrays_are_refused() -> None:
    for array in (np.zeros((2, 2, 5), np.uint8), np.zeros((0, 2, 3), np.uint8), np.zeros(3)):
        with pytest.raises(InputError, match=r"\(h, w\) or \(h, w, 1\.\.4\)"):
            images.from_array(array)
    with pytest.raises(InputError, match="got int64"):
        images.from_array(np.zeros((2, 2), np.int64))
