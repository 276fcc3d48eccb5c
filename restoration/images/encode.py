"""Upright samples to the bytes of an image file, with all that the format can hold of what is said.

The quality of lossy formats is chosen: a JPEG that was read is written by its own tables, others
at `QUALITY`.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image as Pillow
from PIL import PngImagePlugin

from restoration.images.metadata import Metadata

QUALITY = 95
_XMP_KEY = "XML:com.adobe.xmp"
_INCH_M = 0.0254
_EXIF_HEAD = b"Exif\0\0"
_HEADER_END = 8 + 25  # of a PNG: signature and first chunk
_XMP_TAG = 700


def encode(samples: np.ndarray, metadata: Metadata, suffix: str, quality: int | None) -> bytes:
    """The content of a file, for samples (h, w) or (h, w, 2 to 4), uint8 or uint16.

    suffix: of the file, in lower case. quality: 1 to 100, of lossy formats.
    """
    return _ENCODERS[suffix](samples, metadata, quality)


def lost(metadata: Metadata, suffix: str, *, is_deep: bool) -> list[str]:
    """What a format cannot hold of it, in words."""
    names = {
        "color profile": metadata.icc_profile,
        "EXIF": metadata.exif,
        "XMP": metadata.xmp,
    }
    if suffix == ".bmp":
        return [name for name, content in names.items() if content]
    if suffix in (".tif", ".tiff") and is_deep and len(exif_of(metadata).get_ifd(0x8769)):
        return ["EXIF of the camera"]
    return []


def exif_of(metadata: Metadata) -> Pillow.Exif:
    """The EXIF block, to be read."""
    exif = Pillow.Exif()
    if metadata.exif:
        exif.load(metadata.exif)
    return exif


def _png(samples: np.ndarray, metadata: Metadata, _quality: int | None) -> bytes:
    if samples.dtype == np.uint16:
        return _deep_png(samples, metadata)
    info = PngImagePlugin.PngInfo()
    if metadata.xmp:
        info.add_itxt(_XMP_KEY, metadata.xmp.decode(errors="replace"))
    return _saved(samples, "PNG", _said(metadata) | {"pnginfo": info})


def _deep_png(samples: np.ndarray, metadata: Metadata) -> bytes:
    """Pillow cannot write 16-bit color; OpenCV can, but says nothing of it."""
    if samples.ndim == 3 and samples.shape[2] == 2:  # it knows no gray with alpha
        samples = samples[..., [0, 0, 0, 1]]
    if samples.ndim == 3:
        samples = np.ascontiguousarray(samples[..., [2, 1, 0, 3][: samples.shape[2]]])
    content: bytes = cv2.imencode(".png", samples)[1].tobytes()
    chunks = b""
    if metadata.icc_profile:
        chunks += _chunk(b"iCCP", b"profile\0\0" + zlib.compress(metadata.icc_profile))
    if metadata.dpi:
        across, down = (round(dots / _INCH_M) for dots in metadata.dpi)
        chunks += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if metadata.exif:
        chunks += _chunk(b"eXIf", metadata.exif.removeprefix(_EXIF_HEAD))
    if metadata.xmp:
        chunks += _chunk(b"iTXt", _XMP_KEY.encode() + b"\0\0\0\0\0" + metadata.xmp)
    return content[:_HEADER_END] + chunks + content[_HEADER_END:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _jpeg(samples: np.ndarray, metadata: Metadata, quality: int | None) -> bytes:
    options: dict[str, Any] = {"quality": quality or QUALITY, "subsampling": 0}
    if quality is None and metadata.jpeg_tables:
        options = {"qtables": metadata.jpeg_tables, "subsampling": metadata.jpeg_subsampling}
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    return _saved(samples, "JPEG", _said(metadata) | options)


def _webp(samples: np.ndarray, metadata: Metadata, quality: int | None) -> bytes:
    said = _said(metadata)
    if said.pop("dpi", None):  # WebP has no other place for a resolution
        said["exif"] = _with_resolution(metadata)
    if metadata.xmp:
        said["xmp"] = metadata.xmp
    return _saved(samples, "WEBP", said | {"quality": quality or QUALITY, "exact": True})


def _with_resolution(metadata: Metadata) -> bytes:
    """The EXIF block, with the dots per inch in it."""
    exif = exif_of(metadata)
    assert metadata.dpi
    exif[0x011A], exif[0x011B], exif[0x0128] = (*metadata.dpi, 2)
    return bytes(exif.tobytes())


def _bmp(samples: np.ndarray, metadata: Metadata, _quality: int | None) -> bytes:
    return _saved(samples, "BMP", {"dpi": metadata.dpi} if metadata.dpi else {})


def _tiff(samples: np.ndarray, metadata: Metadata, _quality: int | None) -> bytes:
    if samples.dtype == np.uint8:
        said = _said(metadata)
        exif = exif_of(metadata)
        if metadata.xmp:
            exif[_XMP_TAG] = metadata.xmp
        return _saved(samples, "TIFF", said | {"exif": exif, "compression": "tiff_adobe_deflate"})
    tags: list[tuple[int, int, int, str | bytes, bool]] = [
        (code, 2, 0, str(value), True)
        for code, value in exif_of(metadata).items()
        if isinstance(value, str)
    ]
    if metadata.xmp:
        tags.append((_XMP_TAG, 7, len(metadata.xmp), metadata.xmp, True))
    sink = io.BytesIO()
    is_color = samples.ndim == 3 and samples.shape[2] >= 3
    has_alpha = samples.ndim == 3 and samples.shape[2] in (2, 4)
    tifffile.imwrite(
        sink,
        samples,
        photometric="rgb" if is_color else "minisblack",
        planarconfig="contig" if samples.ndim == 3 else None,
        extrasamples=["unassalpha"] if has_alpha else None,
        iccprofile=metadata.icc_profile or None,
        resolution=metadata.dpi,
        resolutionunit="INCH" if metadata.dpi else None,
        extratags=tags,
        compression="zlib",
        software=False,
        metadata=None,
    )
    return sink.getvalue()


def _said(metadata: Metadata) -> dict[str, Any]:
    """What Pillow is to write beside the pixels."""
    options = {
        "icc_profile": metadata.icc_profile,
        "exif": metadata.exif,
        "dpi": metadata.dpi,
    }
    return {name: value for name, value in options.items() if value}


def _saved(samples: np.ndarray, kind: str, options: Mapping[str, Any]) -> bytes:
    sink = io.BytesIO()
    Pillow.fromarray(samples).save(sink, format=kind, **options)
    return sink.getvalue()


_ENCODERS: Mapping[str, Callable[[np.ndarray, Metadata, int | None], bytes]] = {
    ".png": _png,
    ".jpg": _jpeg,
    ".jpeg": _jpeg,
    ".bmp": _bmp,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".webp": _webp,
}
