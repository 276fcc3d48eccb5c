"""Image files to upright samples: what a viewer shows, with the depth that the file has.

Pillow decodes what has 8 bits, OpenCV PNG of 16 bits, which Pillow reduces, tifffile TIFF; where it
lacks a codec, Pillow or OpenCV stand in. A color model that is neither gray nor RGB is converted by
the file's profile, or as Pillow does without one; what would need a guess is refused by name.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms, JpegImagePlugin

from restoration.images.metadata import ORIENTATION, Metadata, upright_xmp

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH_AT = 24  # byte offset of the bit depth in the first chunk
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ASSOCIATED_ALPHA = 1
_ICC, _XMP = 34675, 700
_PLAIN = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB)
_TIFF_TEXTS = (270, 271, 272, 305, 306, 315, 316, 33432)
"""Description, make, model, software, date, artist, host, copyright: EXIF has them as TIFF does."""

_DPI_PER_UNIT = {2: 1.0, 3: 2.54}  # per inch, per centimeter
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


def decode(path: Path, *, max_megapixels: float) -> Decoded:
    """The first picture of a file.

    Raises:
        Exception: whatever the decoder found, in its own words.
    """
    with open(path, "rb") as file:
        head = file.read(_PNG_DEPTH_AT + 1)
    if head.startswith(_TIFF_SIGNATURES):
        return _decode_tiff(path, max_megapixels)
    with _pixel_limit(), Pillow.open(path) as picture:
        _check_size(picture.size, max_megapixels)
        if head.startswith(_PNG_SIGNATURE) and head[-1] == 16:
            return _decode_deep_png(path, picture)
        return _from_pillow(picture)


@contextlib.contextmanager
def _pixel_limit() -> Iterator[None]:
    """Let our limit count, not Pillow's, of which nobody can say where to raise it."""
    before, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Pillow.MAX_IMAGE_PIXELS = before


def _check_size(size: tuple[int, int], max_megapixels: float) -> None:
    megapixels = size[0] * size[1] / 1e6
    if megapixels > max_megapixels:
        raise UnsupportedError(
            f"{megapixels:.0f} megapixels, more than {max_megapixels:g}; "
            "read_image(..., max_megapixels=) allows more"
        )


def _decode_deep_png(path: Path, picture: Pillow.Image) -> Decoded:
    """Pillow hands 16-bit color out as 8 bits without a word; it reads what the file says."""
    samples = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        picture.load()  # says what is wrong with the data
        raise ValueError("the PNG data is damaged")
    # Chunks behind the pixels are read with them, which may fail without harm.
    with contextlib.suppress(OSError, SyntaxError):
        picture.load()
    orientation = picture.getexif().get(ORIENTATION, 1)
    return Decoded(_turned(_swap_red_and_blue(samples), orientation), _metadata(picture))


def _from_pillow(picture: Pillow.Image) -> Decoded:
    """A picture of 8 bits, or of one channel."""
    picture.load()
    orientation, mode = picture.getexif().get(ORIENTATION, 1), picture.mode
    metadata = _metadata(picture)
    if mode in ("P", "PA", "RGB", "L", "1") and "transparency" in picture.info:
        picture = picture.convert("LA" if mode in ("L", "1") else "RGBA")
    elif mode in ("P", "PA"):
        picture = picture.convert("RGB" if mode == "P" else "RGBA")
    elif mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        picture, metadata = _to_rgb(picture, metadata)
    elif mode not in ("1", "L", "LA", "RGB", "RGBA", "I;16", "I;16L", "I;16B", "F"):
        raise UnsupportedError(f"the color model {mode!r}")
    return Decoded(_turned(np.asarray(picture), orientation), metadata)


def _to_rgb(picture: Pillow.Image, metadata: Metadata) -> tuple[Pillow.Image, Metadata]:
    """Another color model as sRGB: by the file's profile where there is one."""
    kept = Metadata(exif=metadata.exif, xmp=metadata.xmp, dpi=metadata.dpi)
    lab = picture.mode == "LAB"
    if metadata.icc_profile or lab:
        source: Any = ImageCms.createProfile("LAB")
        if metadata.icc_profile and not lab:
            source = ImageCms.ImageCmsProfile(io.BytesIO(metadata.icc_profile))
        target = ImageCms.createProfile("sRGB")
        with contextlib.suppress(ImageCms.PyCMSError):  # a profile of another color model
            found = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
            if found is not None:
                return found, kept
    return picture.convert("RGB"), kept


def _metadata(picture: Pillow.Image) -> Metadata:
    """What Pillow read of a file beside its pixels; takes the orientation off its EXIF."""
    exif = picture.getexif()
    exif.pop(ORIENTATION, None)
    xmp = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or b""
    tables, subsampling = None, 0
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        tables = {number: list(table) for number, table in picture.quantization.items()}
        subsampling = JpegImagePlugin.get_sampling(picture)
    dpi = picture.info.get("dpi")
    return Metadata(
        icc_profile=picture.info.get("icc_profile") or b"",
        exif=exif.tobytes() if len(exif) else b"",
        xmp=upright_xmp(xmp.encode() if isinstance(xmp, str) else xmp),
        dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
        jpeg_tables=tables,
        jpeg_subsampling=subsampling if subsampling in (0, 1, 2) else 0,
    )


def _decode_tiff(path: Path, max_megapixels: float) -> Decoded:
    """The first page of a TIFF."""
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        _check_size((page.imagewidth, page.imagelength), max_megapixels)
        kind, bits = page.photometric, page.bitspersample
        if kind not in _PLAIN and bits != 8 and kind != tifffile.PHOTOMETRIC.MINISWHITE:
            name = getattr(kind, "name", kind)
            raise UnsupportedError(f"TIFF of the color model {name} with {bits} bits")
        samples = None
        if kind in _PLAIN and bits in (8, 16, 32):
            with contextlib.suppress(ValueError):  # it lacks a codec
                samples = _plain_samples(page)
        if samples is not None:
            return Decoded(_turned(samples, _tag(page, ORIENTATION, 1)), _tiff_metadata(page))
        deep_metadata = _tiff_metadata(page)
        orientation = _tag(page, ORIENTATION, 1)
    if bits == 16:
        content = np.fromfile(path, dtype=np.uint8)
        flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
        found = cv2.imdecode(content, flags)
        if found is None:
            raise UnsupportedError("a TIFF compression for which no decoder is installed")
        return Decoded(_turned(_swap_red_and_blue(found), orientation), deep_metadata)
    with _pixel_limit(), Pillow.open(path) as picture:
        return _from_pillow(picture)


def _plain_samples(page: tifffile.TiffPage) -> np.ndarray:
    """Gray or RGB samples (h, w) or (h, w, c) of a page."""
    samples = np.asarray(page.asarray())
    if samples.ndim == 3 and page.axes.startswith("S"):
        samples = samples.transpose(1, 2, 0)
    extra = tuple(page.extrasamples)
    if extra and int(extra[0]) == _ASSOCIATED_ALPHA and samples.ndim == 3:
        return _divided_by_alpha(samples)
    return samples


def _divided_by_alpha(samples: np.ndarray) -> np.ndarray:
    """Colors as they are without alpha, of those that were multiplied by it."""
    alpha = samples[..., -1:].astype(np.float64)
    top = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    colors = samples[..., :-1] * top
    colors = np.divide(colors, alpha, out=np.zeros_like(colors), where=alpha > 0)
    whole = np.concatenate([colors.clip(0, top), alpha], axis=2)
    return (whole if samples.dtype.kind == "f" else np.rint(whole)).astype(samples.dtype)


def _tiff_metadata(page: tifffile.TiffPage) -> Metadata:
    """What the tags of a page say beside its pixels."""
    exif = Pillow.Exif()
    for code in _TIFF_TEXTS:
        text = _tag(page, code, "")
        if text:
            exif[code] = str(text)
    dpi = None
    across, down = _tag(page, 282, None), _tag(page, 283, None)
    factor = _DPI_PER_UNIT.get(int(_tag(page, 296, 2)))
    if across and down and factor and across[1] and down[1]:
        dpi = (factor * across[0] / across[1], factor * down[0] / down[1])
    xmp = _tag(page, _XMP, b"")
    return Metadata(
        icc_profile=bytes(_tag(page, _ICC, b"")),
        exif=exif.tobytes() if len(exif) else b"",
        xmp=upright_xmp(xmp.encode() if isinstance(xmp, str) else bytes(xmp)),
        dpi=dpi,
    )


def _tag(page: tifffile.TiffPage, code: int, default: Any) -> Any:
    tag = page.tags.get(code)
    return default if tag is None else tag.value


def _turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Samples as they are seen upright."""
    turn = _TURNS.get(orientation)
    return np.ascontiguousarray(turn(samples)) if turn else samples


def _swap_red_and_blue(samples: np.ndarray) -> np.ndarray:
    """From OpenCV's blue-first order, (h, w) or (h, w, 3 or 4)."""
    if samples.ndim == 2:
        return samples
    return samples[..., [2, 1, 0, 3][: samples.shape[2]]]
