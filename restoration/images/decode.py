"""Image files to upright samples: what a viewer shows, with the depth that the file has.

Pillow decodes what has up to 8 bits, OpenCV PNG of 16 bits in color, which Pillow reduces, tifffile
deeper TIFF, and OpenCV that where tifffile lacks the codec. A color model that is neither gray nor
RGB is converted by the file's profile, or as Pillow does without one; what would need a guess is
refused by name.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms, UnidentifiedImageError

from restoration.images import tags
from restoration.images.metadata import ORIENTATION, Metadata

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH_AT, _PNG_COLOR_AT = 24, 25  # byte offsets in the first chunk
_PNG_GRAY, _PNG_GRAY_ALPHA = 0, 4
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEAD_BYTES = 32
_UNSIGNED = (tifffile.SAMPLEFORMAT.UINT, tifffile.SAMPLEFORMAT.VOID)
_UNSPECIFIED, _ASSOCIATED = 0, 1  # what a channel beside the colors of a TIFF means
_COLORS: dict[int, int] = {
    tifffile.PHOTOMETRIC.MINISWHITE: 1,
    tifffile.PHOTOMETRIC.MINISBLACK: 1,
    tifffile.PHOTOMETRIC.RGB: 3,
}
_SAME_COLORS = {"P": "RGB", "PA": "RGBA", "La": "LA", "YCbCr": "RGB", "HSV": "RGB"}
"""Modes of Pillow that write gray or RGB in another way, so that a profile goes on to hold."""

_FLOAT_SLACK = 1e-4

# What it logs is raised below, or harms nothing.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_TURNS = {
    2: lambda samples: samples[:, ::-1],
    3: lambda samples: samples[::-1, ::-1],
    4: lambda samples: samples[::-1],
    5: lambda samples: samples.swapaxes(0, 1),
    6: lambda samples: samples.swapaxes(0, 1)[:, ::-1],
    7: lambda samples: samples.swapaxes(0, 1)[::-1, ::-1],
    8: lambda samples: samples.swapaxes(0, 1)[::-1],
}
"""What makes a picture of an orientation upright."""


@dataclass(frozen=True)
class Decoded:
    """Samples (h, w) or (h, w, 1 to 4), upright, the last of 2 or 4 is alpha; and what is said."""

    samples: np.ndarray
    metadata: Metadata


class UnsupportedError(ValueError):
    """The file is sound, but means something that is not served; the text names it."""

    def __init__(
        self,
        text: str,
        *,
        expected: str = "gray or RGB of up to 8 or of 16 bits, or floats from 0 to 1",
        next_step: str = "save it as a PNG in RGB with the program that made it",
    ):
        super().__init__(text)
        self.expected, self.next_step = expected, next_step


def decode(path: Path, *, max_megapixels: float) -> Decoded:
    """The first picture of a file.

    Raises:
        Exception: whatever the decoder found, in its own words.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_TIFF_SIGNATURES):
        found = _decode_tiff(path, head, max_megapixels)
    else:
        with _pixel_limit(), _opened(path, head) as picture:
            _check_size(picture.size, max_megapixels)
            if picture.format == "EPS":  # Pillow would run it
                raise UnsupportedError("EPS, which is a program and no pixels")
            left_out = ("the frames after the first",) * getattr(picture, "is_animated", False)
            is_png = head.startswith(_PNG_SIGNATURE)
            if is_png and head[_PNG_DEPTH_AT] == 16 and head[_PNG_COLOR_AT] != _PNG_GRAY:
                found = _decode_deep_png(path, picture, head[_PNG_COLOR_AT])
            else:
                found = _from_pillow(picture, bits=head[_PNG_DEPTH_AT] if is_png else 8)
        found = _also_without(found, left_out)
    if found.samples.dtype.kind == "f":
        return replace(found, samples=_within_one(found.samples))
    return found


@contextlib.contextmanager
def _pixel_limit() -> Iterator[None]:
    """Let our limit count, not Pillow's, of which nobody can say where to raise it."""
    before, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Pillow.MAX_IMAGE_PIXELS = before


def _opened(path: Path, head: bytes) -> Pillow.Image:
    """The picture, or the reason of the decoder that knows its first bytes: Pillow hides it."""
    if not head:
        raise ValueError("the file is empty")
    try:
        return Pillow.open(path)
    except UnidentifiedImageError:
        for factory, accept in Pillow.OPEN.values():
            if accept and accept(head) is True:
                with open(path, "rb") as file:
                    factory(file, str(path))
        raise ValueError(f"no known kind of picture, it begins with {head[:8]!r}") from None


def _check_size(size: tuple[int, int], max_megapixels: float) -> None:
    megapixels = size[0] * size[1] / 1e6
    if megapixels > max_megapixels:
        raise UnsupportedError(
            f"{megapixels:.0f} megapixels",
            expected=f"at most {max_megapixels:g} megapixels",
            next_step="read_image(..., max_megapixels=) allows more",
        )


def _within_one(samples: np.ndarray) -> np.ndarray:
    """Floating-point samples, of which nothing but their values says what is white."""
    low, high = float(samples.min()), float(samples.max())
    if not (low >= -_FLOAT_SLACK and high <= 1 + _FLOAT_SLACK):  # NaN too
        raise UnsupportedError(
            f"floating-point samples from {low:g} to {high:g}",
            expected="floating-point samples from 0 to 1",
            next_step="divide them by the value that is white, or save it as a PNG of 16 bits",
        )
    return samples.clip(0, 1)


def _decode_deep_png(path: Path, picture: Pillow.Image, color_type: int) -> Decoded:
    """Pillow hands 16-bit color out as 8 bits without a word; it reads what the file says."""
    picture.load()  # says what is wrong with the data, which OpenCV does not
    samples = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise ValueError("OpenCV cannot decode this PNG of 16 bits")
    # OpenCV makes color of gray with alpha.
    is_gray = color_type == _PNG_GRAY_ALPHA
    samples = samples[..., [0, 3]] if is_gray else _swap_red_and_blue(samples)
    orientation, metadata = tags.of_picture(picture)
    return Decoded(_turned(samples, orientation), metadata)


def _from_pillow(picture: Pillow.Image, *, bits: int) -> Decoded:
    """A picture of up to 8 bits, or of one channel. bits: in the file."""
    picture.load()
    orientation, metadata = tags.of_picture(picture)
    mode, key = picture.mode, picture.info.get("transparency")
    if mode == "I;16" and key is not None:
        gray = np.asarray(picture)
        alpha = np.where(gray == key, 0, 65535).astype(np.uint16)
        return Decoded(_turned(np.dstack([gray, alpha]), orientation), metadata)
    if mode in ("P", "PA", "RGB", "L", "1") and key is not None:
        if mode == "L" and bits < 8:  # Pillow scales the samples, but not this one
            picture.info["transparency"] = key * 255 // (2**bits - 1)
        picture = picture.convert("LA" if mode in ("L", "1") else "RGBA")
    elif mode in _SAME_COLORS:
        picture = picture.convert(_SAME_COLORS[mode])
    elif mode in ("CMYK", "LAB"):
        picture, metadata = _to_rgb(picture, metadata)
    elif mode not in ("1", "L", "LA", "RGB", "RGBA", "I;16", "I;16L", "I;16B", "F"):
        raise UnsupportedError(f"{picture.format} with samples of Pillow's mode {mode!r}")
    return Decoded(_turned(np.asarray(picture), orientation), metadata)


def _to_rgb(picture: Pillow.Image, metadata: Metadata) -> tuple[Pillow.Image, Metadata]:
    """Another color model as sRGB: by the file's profile where there is one."""
    kept = replace(metadata, icc_profile=b"")
    lab = picture.mode == "LAB"
    if metadata.icc_profile or lab:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # damaged, or of another model
            source: Any = ImageCms.createProfile("LAB")
            if not lab:
                source = ImageCms.ImageCmsProfile(io.BytesIO(metadata.icc_profile))
            target = ImageCms.createProfile("sRGB")
            found = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
            if found is not None:
                return found, kept
    return picture.convert("RGB"), kept


def _decode_tiff(path: Path, head: bytes, max_megapixels: float) -> Decoded:
    """The first page of a TIFF."""
    with tifffile.TiffFile(path) as file:
        try:
            page = file.pages.first
        except IndexError:
            raise ValueError("the file was cut off: it ends before its first page") from None
        _check_size((page.imagewidth, page.imagelength), max_megapixels)
        _require_whole(page, path)
        if page.is_reduced:
            raise UnsupportedError("a preview of another picture, as in the raw file of a camera")
        deep = np.max(page.bitspersample) > 8
        bands = _COLORS.get(int(page.photometric)) == 1 and page.samplesperpixel > 2
        if bands or not (deep or page.sampleformat in _UNSIGNED):
            raise _unsupported_tiff(page)
        left_out = ("the pages after the first",) * (len(file.pages) > 1)
        left_out += ("a channel that is no alpha",) * (_UNSPECIFIED in page.extrasamples)
        if deep:
            samples = _deep_samples(page, path)
            orientation, metadata = tags.of_page(file, page)
            if samples.dtype.kind == "f":
                left_out += ("floating-point samples",)
            found = Decoded(_turned(samples, orientation), metadata)
        else:
            with _pixel_limit(), _opened(path, head) as picture:
                found = _from_pillow(picture, bits=8)
    return _also_without(found, left_out)


def _also_without(found: Decoded, left_out: tuple[str, ...]) -> Decoded:
    metadata = found.metadata
    return replace(found, metadata=replace(metadata, left_out=metadata.left_out + left_out))


def _require_whole(page: tifffile.TiffPage, path: Path) -> None:
    """Some decoders fill what is missing with zeros."""
    size = path.stat().st_size
    end = max(
        (at + count for at, count in zip(page.dataoffsets, page.databytecounts, strict=False)),
        default=0,
    )
    if end > size:
        raise ValueError(f"the file was cut off: {size} bytes, its pixels end at {end}")


def _deep_samples(page: tifffile.TiffPage, path: Path) -> np.ndarray:
    """Gray or RGB samples (h, w, c) of more than 8 bits."""
    kind, dtype = page.photometric, page.dtype
    whole = dtype is not None and page.bitspersample == 8 * dtype.itemsize
    if int(kind) not in _COLORS or not whole or dtype not in (np.uint16, "f2", "f4", "f8"):
        raise _unsupported_tiff(page)
    try:
        samples = np.asarray(page.asarray())
        if page.axes.startswith("S"):
            samples = samples.transpose(1, 2, 0)
    except ValueError as problem:
        if "imagecodecs" not in str(problem):
            raise
        samples = _deep_samples_by_opencv(page, path)
    samples = samples.reshape(*samples.shape[:2], -1)
    colors = _COLORS[int(kind)]
    if kind == tifffile.PHOTOMETRIC.MINISWHITE:
        samples[..., 0] = (1 if dtype.kind == "f" else 65535) - samples[..., 0]
    extra = page.extrasamples
    if samples.shape[2] == colors or (extra and extra[0] == _UNSPECIFIED):
        return samples[..., :colors]
    if extra and extra[0] == _ASSOCIATED:
        return _divided_by_alpha(samples[..., : colors + 1])
    return samples[..., : colors + 1]


def _unsupported_tiff(page: tifffile.TiffPage) -> UnsupportedError:
    name = getattr(page.photometric, "name", page.photometric)
    channels = f"{page.samplesperpixel} x {page.bitspersample} bits"
    return UnsupportedError(f"a TIFF in {name}, {channels}, {page.dtype}")


def _deep_samples_by_opencv(page: tifffile.TiffPage, path: Path) -> np.ndarray:
    """Samples (h, w) or (h, w, 3 or 4) of a compression for which tifffile has no codec."""
    name = getattr(page.compression, "name", page.compression)
    refused = UnsupportedError(
        f"a TIFF of {page.samplesperpixel} channels of {page.bitspersample} bits, {page.axes}, "
        f"compressed by {name}",
        next_step="save it without compression, or install imagecodecs",
    )
    if page.axes not in ("YX", "YXS"):  # OpenCV takes planes for pixels
        raise refused
    content, orientation = np.fromfile(path, dtype=np.uint8), page.tags.get(ORIENTATION)
    if orientation is not None:  # OpenCV turns TIFF, whatever its flags say: call it upright
        size = orientation.valuebytecount
        upright = (1).to_bytes(size, "little" if page.parent.byteorder == "<" else "big")
        content[orientation.valueoffset :][:size] = np.frombuffer(upright, np.uint8)
    found = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if found is None or found.shape != page.shape or found.dtype != page.dtype:
        raise refused
    return _swap_red_and_blue(found)


def _divided_by_alpha(samples: np.ndarray) -> np.ndarray:
    """Colors as they are without alpha, of those that were multiplied by it."""
    alpha = samples[..., -1:].astype(np.float64)
    top = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    colors = samples[..., :-1] * top
    colors = np.divide(colors, alpha, out=np.zeros_like(colors), where=alpha > 0)
    whole = np.concatenate([colors.clip(0, top), alpha], axis=2)
    return (whole if samples.dtype.kind == "f" else np.rint(whole)).astype(samples.dtype)


def _turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Samples as they are seen upright."""
    turn = _TURNS.get(orientation)
    return np.ascontiguousarray(turn(samples)) if turn else samples


def _swap_red_and_blue(samples: np.ndarray) -> np.ndarray:
    """From OpenCV's blue-first order, (h, w) or (h, w, 3 or 4)."""
    if samples.ndim == 2:
        return samples
    return samples[..., [2, 1, 0, 3][: samples.shape[2]]]
