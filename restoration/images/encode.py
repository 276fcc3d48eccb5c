"""Upright samples to the bytes of an image file, with all that the format can hold of what is said.

The quality of lossy formats is chosen: `QUALITY`, or as the source was if that was finer.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import PngImagePlugin, TiffImagePlugin

from restoration.images.metadata import Metadata, blocks_within

QUALITY = 95
_XMP_KEY = "XML:com.adobe.xmp"
_INCH_M = 0.0254
_EXIF_HEAD = b"Exif\0\0"
_STRIP_BYTES = 1 << 20
_JPEG_SEGMENT_BYTES = 65533 - 64  # less what introduces EXIF or XMP in it
_ICC_TAG, _XMP_TAG = 34675, 700


def encode(samples: np.ndarray, metadata: Metadata, suffix: str, quality: int | None) -> bytes:
    """The content of a file, for samples (h, w) or (h, w, 2 to 4), uint8 or uint16.

    suffix: of the file, in lower case. quality: 1 to 100, of lossy formats.
    """
    return _ENCODERS[suffix](samples, metadata, quality)


def fitting(metadata: Metadata, suffix: str, *, is_gray: bool) -> tuple[Metadata, list[str]]:
    """What a format can hold of it, and what it cannot, in words."""
    limits = {".jpg": _JPEG_SEGMENT_BYTES, ".jpeg": _JPEG_SEGMENT_BYTES, ".bmp": 0}
    limit = limits.get(suffix)
    lost: list[str] = []
    if limit is not None and len(metadata.exif) > limit:
        metadata, lost = replace(metadata, exif=b""), [*lost, "EXIF"]
    if limit is not None and len(metadata.xmp) > limit:
        metadata, lost = replace(metadata, xmp=b""), [*lost, "XMP"]
    of_gray = metadata.icc_profile[16:20] == b"GRAY"
    if of_gray and (not is_gray or suffix == ".webp"):  # WebP has no gray
        metadata, lost = replace(metadata, icc_profile=b""), [*lost, "a profile of gray in color"]
    if metadata.icc_profile and suffix == ".bmp":
        metadata, lost = replace(metadata, icc_profile=b""), [*lost, "a color profile"]
    return metadata, lost


def _png(samples: np.ndarray, metadata: Metadata, _quality: int | None) -> bytes:
    if samples.dtype == np.uint16:
        return _deep_png(samples, metadata)
    info = PngImagePlugin.PngInfo()
    if metadata.xmp:
        info.add_itxt(_XMP_KEY, metadata.xmp.decode(errors="replace"))
    return _saved(samples, "PNG", _said(metadata) | {"pnginfo": info})


def _deep_png(samples: np.ndarray, metadata: Metadata) -> bytes:
    """By the standard: Pillow cannot write 16-bit color, and OpenCV no gray with alpha."""
    height, width = samples.shape[:2]
    channels = samples.size // (height * width)
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))]
    if metadata.icc_profile:
        chunks.append((b"iCCP", b"profile\0\0" + zlib.compress(metadata.icc_profile)))
    if metadata.dpi:
        across, down = (round(dots / _INCH_M) for dots in metadata.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if metadata.exif:
        chunks.append((b"eXIf", _exif(metadata).removeprefix(_EXIF_HEAD)))
    if metadata.xmp:
        chunks.append((b"iTXt", _XMP_KEY.encode() + b"\0\0\0\0\0" + metadata.xmp))
    chunks += [(b"IDAT", strip) for strip in _filtered(samples, 2 * channels)]
    chunks.append((b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _filtered(samples: np.ndarray, pixel_bytes: int) -> Iterator[bytes]:
    """Compressed differences of the bytes of neighbors, filter 1 of PNG, strip by strip."""
    compressor = _compressor(samples)
    for strip in _strips(samples):
        rows = strip.astype(">u2").view(np.uint8).reshape(len(strip), -1)
        filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
        filtered[:, 0], filtered[:, 1:] = 1, rows
        filtered[:, 1 + pixel_bytes :] -= rows[:, :-pixel_bytes]
        yield compressor.compress(filtered.tobytes())
    yield compressor.flush()


def _compressor(samples: np.ndarray) -> Any:
    """Deflate. The low bytes of 16 bits are noise, where looking for repetitions finds none."""
    strategy = zlib.Z_RLE if samples.itemsize == 2 else zlib.Z_DEFAULT_STRATEGY
    return zlib.compressobj(strategy=strategy)


def _strips(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of samples, some at a time, so that copies of them stay small."""
    rows = max(_STRIP_BYTES // samples[0].nbytes, 1)
    for top in range(0, len(samples), rows):
        yield np.ascontiguousarray(samples[top : top + rows])


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _jpeg(samples: np.ndarray, metadata: Metadata, quality: int | None) -> bytes:
    """No color is subsampled: what was read so loses nothing, and what was restored keeps it."""
    options: dict[str, Any] = {"quality": quality or QUALITY, "subsampling": 0}
    own = metadata.jpeg_tables
    if quality is None and own:
        usual = Pillow.open(io.BytesIO(_saved(np.zeros((8, 8), np.uint8), "JPEG", options)))
        if sum(own[0]) < sum(usual.quantization[0]):  # type: ignore[attr-defined]
            options = {"qtables": own, "subsampling": 0}
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    return _saved(samples, "JPEG", _said(metadata) | options)


def _webp(samples: np.ndarray, metadata: Metadata, quality: int | None) -> bytes:
    options: dict[str, Any] = {"quality": quality or QUALITY, "exact": True}
    if quality is None and metadata.lossless:
        options = {"lossless": True, "exact": True}
    if metadata.dpi:  # WebP has no other place for a resolution
        options["exif"] = _exif(metadata)
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    return _saved(samples, "WEBP", _said(replace(metadata, dpi=None)) | options)


def _bmp(samples: np.ndarray, metadata: Metadata, _quality: int | None) -> bytes:
    return _saved(samples, "BMP", _said(metadata))


def _tiff(samples: np.ndarray, metadata: Metadata, _quality: int | None) -> bytes:
    """Strips compressed by deflate, behind all that the file says.

    Pillow writes no 16-bit color, and tifffile no EXIF of the camera.
    """
    height, width = samples.shape[:2]
    channels = samples.size // (height * width)
    strips = []
    for strip in _strips(samples):
        compressor = _compressor(samples)
        strips.append(compressor.compress(_differences(strip)) + compressor.flush())
    sizes = [len(strip) for strip in strips]
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for code, value in exif_of(_exif(metadata)).items():
        tags[code] = value
    said = {_ICC_TAG: metadata.icc_profile, _XMP_TAG: metadata.xmp}
    layout = {
        256: width,
        257: height,
        258: (8 * samples.itemsize,) * channels,
        259: 8,  # deflate
        262: 2 if channels > 2 else 1,  # RGB, or gray with black as zero
        273: tuple(int(at) for at in np.cumsum([0, *sizes[:-1]])),
        277: channels,
        278: len(next(_strips(samples))),
        279: tuple(sizes),
        284: 1,  # channels of a pixel lie side by side
        317: 2,  # differences of neighbors
    }
    if channels in (2, 4):
        layout[338] = 2  # alpha, by which colors are not multiplied
    for code, value in (*((code, value) for code, value in said.items() if value), *layout.items()):
        tags[code] = value
    sink = io.BytesIO()
    tags.save(sink)
    for strip in strips:
        sink.write(strip)
    return sink.getvalue()


def _differences(strip: np.ndarray) -> bytes:
    """Samples as the differences to those of the pixel at the left, little-endian."""
    different = strip.astype(strip.dtype.newbyteorder("<"))
    different[:, 1:] -= strip[:, :-1]
    return different.tobytes()


def exif_of(block: bytes) -> Pillow.Exif:
    """An EXIF block, to be read, with the blocks within it as dictionaries."""
    exif = Pillow.Exif()
    exif.load(block)
    for code, content in blocks_within(exif).items():
        exif[code] = content
    return exif


def _exif(metadata: Metadata) -> bytes:
    """The EXIF block, with the dots per inch in it."""
    exif = exif_of(metadata.exif)
    if metadata.dpi:
        exif[282], exif[283], exif[296] = (*metadata.dpi, 2)
    return exif.tobytes()


def _said(metadata: Metadata) -> dict[str, Any]:
    """What Pillow is to write beside the pixels."""
    options = {
        "icc_profile": metadata.icc_profile,
        "exif": metadata.exif and _exif(metadata),
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
