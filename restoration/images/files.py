"""Reading and writing image files, without losing what they hold.

Pixels are upright float32 RGB in [0, 1] with shape (1, 3, h, w), whatever the file holds: gray
images get three equal channels, alpha is kept beside the colors, and what the file says of its
pixels (depth, profile, resolution, EXIF, XMP) goes along, so that a restored image can be written
as its source was.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from restoration.errors import InputError, picture_packages, writing_to
from restoration.images.metadata import Metadata

if TYPE_CHECKING:
    from restoration.images.decode import Decoded

READABLE = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
MAX_MEGAPIXELS = 1000.0
_DEEP = (".png", ".tif", ".tiff")
_WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp")
_GRAY_SPREAD = 0.05


@dataclass(frozen=True)
class Image:
    """An image file's content.

    pixels: (1, 3, h, w) float32 in [0, 1]. alpha: (h, w) float32 in [0, 1], or None.
    bits: bits per channel in the file, 8 or 16. is_gray: the file has no color, and one that is
    written gets none. metadata: what else it says.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8
    is_gray: bool = False
    metadata: Metadata = field(default_factory=Metadata)


def read_image(path: str | os.PathLike[str], *, max_megapixels: float = MAX_MEGAPIXELS) -> Image:
    """Read an 8- or 16-bit gray, color or palette image, with or without alpha.

    It is what a viewer shows: a camera's orientation is applied, CMYK, YCbCr and Lab become RGB. Of
    an animation the first frame is read, of several pages the first.

    Raises:
        InputError: the file is missing, is no image, is damaged, holds no pixels or more than
            `max_megapixels`, or means what is not served.
    """
    found = _decode(Path(path), max_megapixels)
    return replace(from_array(found.samples, where=str(path)), metadata=found.metadata)


def read_samples(path: str | os.PathLike[str]) -> np.ndarray:
    """The samples of an image file as they are in it, (h, w) or (h, w, 1 to 4), upright.

    Raises:
        InputError: as `read_image`.
    """
    return _decode(Path(path), MAX_MEGAPIXELS).samples


def _decode(path: Path, max_megapixels: float) -> Decoded:
    """What the decoder finds; whatever it raises is an error in words."""
    if not path.is_file():
        raise InputError(
            "image file",
            expected="an existing file",
            got="a folder" if path.is_dir() else "nothing",
            where=str(path),
            next_step="check the path",
        )
    with picture_packages():
        from restoration.images import decode
    try:
        return decode.decode(path, max_megapixels=max_megapixels)
    except decode.UnsupportedError as problem:
        raise InputError(
            "image file",
            expected=problem.expected,
            got=str(problem),
            where=str(path),
            next_step=problem.next_step,
        ) from problem
    except Exception as problem:  # every decoder raises its own types on damaged files
        raise InputError(
            "image file",
            expected=f"one of {', '.join(READABLE)}",
            got=_reason(problem),
            where=str(path),
            next_step="check that it is whole and opens in an image viewer, or convert it to PNG",
        ) from problem


def _reason(problem: Exception) -> str:
    """What a library found, in one line: its kind where it says nothing."""
    return " ".join(str(problem).split()) or type(problem).__name__


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
        samples = raw.astype(np.float32)
        samples /= np.float32(np.iinfo(raw.dtype).max)
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
    alpha = samples[..., -1].copy() if has_alpha else None
    return Image(pixels, alpha, bits, is_gray=samples.shape[2] < 3)


def to_array(image: Image) -> np.ndarray:
    """Samples for a file: (h, w, 1 to 4), uint8 or uint16, clipped and rounded to nearest.

    A gray image has one channel, the mean of the three, and alpha.
    """
    planes = [image.pixels[0].mean(0, dtype=np.float64)] if image.is_gray else [*image.pixels[0]]
    if image.alpha is not None:
        planes.append(image.alpha)
    dtype = np.uint16 if image.bits == 16 else np.uint8
    samples = np.empty((*planes[0].shape, len(planes)), dtype)
    for channel, plane in enumerate(planes):  # one by one, to spare memory
        levels = plane.clip(0, 1).astype(np.float64)
        levels *= np.iinfo(dtype).max
        samples[..., channel] = np.rint(levels, out=levels)
    return samples


def write_image(path: str | os.PathLike[str], image: Image, *, quality: int | None = None) -> None:
    """Write an image with all that it says; the target appears complete or not at all.

    What a format cannot hold (16 bits, alpha, a profile), and what reading left out (other pages),
    is named in a warning. quality: 1 to 100, of JPEG and WebP; without, it is 95, or as the source
    was if that was a finer JPEG or a lossless WebP.

    Raises:
        InputError: the format is unknown or cannot hold a picture so large, pixels are not finite,
            the folder is missing, or the disk is full.
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
    if quality is not None and not 1 <= quality <= 100:
        raise InputError(
            "quality",
            expected="1 to 100",
            got=str(quality),
            where=str(path),
            next_step="leave it out to have it chosen",
        )
    _require_finite(image, path)
    with picture_packages():
        from restoration.images import encode
    fitting = image
    if suffix not in _DEEP and image.bits != 8:
        fitting = replace(fitting, bits=8)
    if suffix in _WITHOUT_ALPHA and image.alpha is not None:
        fitting = replace(fitting, alpha=None)
    lost = ["16 bits"] * (fitting.bits != image.bits)
    lost += ["alpha"] * (fitting.alpha is not image.alpha)
    metadata, also_lost = encode.fitting(image.metadata, suffix, is_gray=image.is_gray)
    if lost + also_lost:
        text = f"{path.name}: {suffix} cannot hold {', '.join(lost + also_lost)}"
        warnings.warn(text, stacklevel=2)
    missed = [*image.metadata.left_out, *_colors_of_gray(image)]
    if missed:
        warnings.warn(f"{path.name} is written without {', '.join(missed)}", stacklevel=2)
    samples = to_array(fitting)
    samples = samples[..., 0] if samples.shape[2] == 1 else samples
    try:
        content = encode.encode(samples, metadata, suffix, quality)
    except Exception as problem:  # every encoder raises its own types
        raise InputError(
            "image format",
            expected=f"a picture that {suffix} can hold",
            got=f"{samples.shape[1]}x{samples.shape[0]} pixels: {_reason(problem)}",
            where=str(path),
            next_step="write .png or .tif",
        ) from problem
    next_step = "check the folder and the space left on the disk"
    with writing_to(path, "image file", next_step=next_step):
        _replace(path, content)


def _colors_of_gray(image: Image) -> list[str]:
    """The colors, in words, of a picture that is called gray and is visibly not."""
    if not image.is_gray:
        return []
    spread = float(np.ptp(image.pixels, axis=1).max())
    return [f"its colors, {spread:.2f} apart: is_gray is set"] if spread > _GRAY_SPREAD else []


def _require_finite(image: Image, path: Path) -> None:
    """Raise for a picture with NaN or infinity in it, which no file can show."""
    planes: Iterable[np.ndarray | None] = (image.pixels, image.alpha)
    wrong = sum(int(np.count_nonzero(~np.isfinite(p))) for p in planes if p is not None)
    if wrong:
        raise InputError(
            "picture to write",
            expected="finite numbers",
            got=f"{wrong} that are NaN or infinite",
            where=str(path),
            next_step="look for NaN in the weights and the input, and for half precision",
        )


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
