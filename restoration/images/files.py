"""Reading and writing image files, without losing what they hold.

Pixels are float32 RGB in [0, 1] with shape (1, 3, h, w), whatever the file holds: gray images are
repeated to three channels, alpha is kept beside the colors, and the bit depth is remembered so
that a restored image can be written as deep as its source.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restoration.errors import InputError, UnavailableError, picture_packages

READABLE = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_DEEP = (".png", ".tif", ".tiff")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH_AT = 24  # byte offset of the bit depth in the first chunk


@dataclass(frozen=True)
class Image:
    """An image file's content.

    pixels: (1, 3, h, w) float32 in [0, 1]. alpha: (h, w) float32 in [0, 1], or None.
    bits: bits per channel in the file, 8 or 16.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read an 8- or 16-bit gray, color or palette image, with or without alpha.

    An orientation written by a camera is applied. Of an animation the first frame is read.

    Raises:
        InputError: the file is missing, is no image, is damaged, or holds no pixels.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            "image file",
            expected="an existing file",
            got="a folder" if path.is_dir() else "nothing",
            where=str(path),
            next_step="check the path",
        )
    try:
        raw = _decode(path)
    except UnavailableError:
        raise
    except Exception as problem:  # every decoder raises its own types on damaged files
        raise InputError(
            "image file",
            expected=f"one of {', '.join(READABLE)}",
            got=f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}",
            where=str(path),
            next_step="check that it opens in an image viewer, or convert it to PNG",
        ) from problem
    return from_array(raw, where=str(path))


def from_array(raw: np.ndarray, *, where: str = "array") -> Image:
    """An `Image` from decoded samples: (h, w) or (h, w, 1 to 4), uint8, uint16, bool or float.

    Float samples are taken as [0, 1] already.

    Raises:
        InputError: another shape or dtype.
    """
    if raw.ndim == 2:
        raw = raw[..., None]
    if raw.ndim != 3 or raw.shape[2] not in (1, 2, 3, 4) or 0 in raw.shape:
        raise InputError(
            "image",
            expected="(h, w) or (h, w, 1..4) samples",
            got=str(raw.shape),
            where=where,
            next_step="give a single gray or color image",
        )
    if raw.dtype == np.bool_:
        samples, bits = raw.astype(np.float32), 8
    elif raw.dtype in (np.uint8, np.uint16):
        bits = 8 * raw.dtype.itemsize
        samples = raw.astype(np.float32) / np.float32(np.iinfo(raw.dtype).max)
    elif np.issubdtype(raw.dtype, np.floating):
        samples, bits = raw.astype(np.float32), 16
    else:
        raise InputError(
            "image",
            expected="8-bit, 16-bit or floating-point samples",
            got=str(raw.dtype),
            where=where,
            next_step="convert it to PNG",
        )
    has_alpha = samples.shape[2] in (2, 4)
    colors = samples[..., :-1] if has_alpha else samples
    colors = np.repeat(colors, 3, axis=2) if colors.shape[2] == 1 else colors
    pixels = np.ascontiguousarray(colors.transpose(2, 0, 1))[None]
    return Image(pixels, samples[..., -1].copy() if has_alpha else None, bits)


def to_array(image: Image) -> np.ndarray:
    """Samples for a file: (h, w, 3 or 4), uint8 or uint16, clipped and rounded to nearest."""
    planes = image.pixels[0].transpose(1, 2, 0)
    if image.alpha is not None:
        planes = np.concatenate([planes, image.alpha[..., None]], axis=2)
    top = 2**image.bits - 1
    samples = np.rint(np.clip(planes, 0, 1).astype(np.float64) * top)
    return samples.astype(np.uint16 if image.bits == 16 else np.uint8)


def write_image(path: str | os.PathLike[str], image: Image) -> None:
    """Write an image; the target appears complete or not at all.

    Formats that hold only 8 bits or no alpha get what they can hold.

    Raises:
        InputError: the format is unknown, the folder is missing, or the disk is full.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in READABLE:
        raise InputError(
            "image format",
            expected=", ".join(READABLE),
            got=repr(path.suffix),
            where=str(path),
            next_step="choose another file name",
        )
    if suffix not in _DEEP and image.bits != 8:
        image = Image(image.pixels, image.alpha, 8)
    if suffix in (".jpg", ".jpeg", ".bmp"):
        image = Image(image.pixels, None, image.bits)
    samples = to_array(image)
    with picture_packages():
        import cv2
        import imageio.v3 as iio

    try:
        if suffix == ".png" and samples.dtype == np.uint16:
            content = cv2.imencode(".png", _swap_red_and_blue(samples))[1].tobytes()
        else:
            content = iio.imwrite("<bytes>", samples, extension=suffix)
        _replace(path, content)
    except OSError as problem:
        raise InputError(
            "image file",
            expected="a place that can be written",
            got=str(problem.strerror or problem),
            where=str(path),
            next_step="check the folder and the space left on the disk",
        ) from problem


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside its target, then rename it over the target."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _decode(path: Path) -> np.ndarray:
    """File content as (h, w) or (h, w, c) samples."""
    with picture_packages():
        import cv2
        import imageio.v3 as iio

    if _is_deep_png(path):
        # Pillow hands 16-bit color out as 8 bits without a word.
        content = np.fromfile(path, dtype=np.uint8)
        flags = cv2.IMREAD_UNCHANGED
        samples = cv2.imdecode(content, flags)
        if samples is None:
            raise ValueError("the PNG data is damaged")
        return _swap_red_and_blue(samples)
    if path.suffix.lower() in (".tif", ".tiff"):
        return np.asarray(iio.imread(path, index=0))
    return np.asarray(iio.imread(path, plugin="pillow", index=0, rotate=True))


def _is_deep_png(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(_PNG_DEPTH_AT + 1)
    return head.startswith(_PNG_SIGNATURE) and len(head) > _PNG_DEPTH_AT and head[-1] == 16


def _swap_red_and_blue(samples: np.ndarray) -> np.ndarray:
    """Between OpenCV's blue-first order and red-first, (h, w) or (h, w, 3 or 4)."""
    if samples.ndim == 2:
        return samples
    order = [2, 1, 0, 3][: samples.shape[2]]
    return np.ascontiguousarray(samples[..., order])
