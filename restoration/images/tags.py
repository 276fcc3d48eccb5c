"""What decoders read of a file beside its pixels, as `Metadata`.

Whatever stands beside the pixels never keeps a picture from being read: what is damaged is left
out and named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import tifffile
from PIL import Image as Pillow
from PIL import JpegImagePlugin

from restoration.images.metadata import (
    CAMERA,
    GPS,
    ORIENTATION,
    Metadata,
    blocks_within,
    upright_xmp,
)

_TEXTS = (270, 271, 272, 305, 306, 315, 316, 33432)
"""Description, make, model, software, date, artist, host, copyright."""

_LAST_OF_LAYOUT = 532
"""Up to it, tags other than texts say how a TIFF stores its pixels, or are kept as dpi."""

_ELSEWHERE = (330, 700, 33723, 34377, 34675, 37724)
"""Other pages, XMP, IPTC, Photoshop's blocks and layers, profile: no EXIF, or kept beside it."""

_SIZES = (0xA002, 0xA003)  # of the camera's block
_ICC, _XMP = 34675, 700
_DPI_PER_UNIT = {2: 1.0, 3: 2.54}  # per inch, per centimeter
_SRGB_GAMMA = 0.45455
_SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)


def of_picture(picture: Pillow.Image) -> tuple[int, Metadata]:
    """Orientation 1 to 8 of a picture that Pillow has loaded, and what else its file says."""
    info = picture.info
    orientation, exif, dpi = 1, b"", None
    left_out: tuple[str, ...] = ()
    try:
        block = picture.getexif()
        if info.get("exif") and not len(block):
            raise ValueError("Pillow raises at the first call only")
        orientation = int(block.get(ORIENTATION, 1))
        dpi = _dpi(block)
        exif = _kept(block)
    except Exception:  # a damaged block raises anything
        left_out = ("EXIF, which is damaged",)
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    tables = None
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        tables = {number: list(table) for number, table in picture.quantization.items()}
    return orientation, Metadata(
        icc_profile=_bytes(info.get("icc_profile")),
        exif=exif,
        xmp=upright_xmp(_bytes(xmp)),
        dpi=_usable(info.get("dpi")) or dpi,
        jpeg_tables=tables,
        lossless=_is_lossless_webp(picture),
        left_out=left_out + _gamma_left_out(info),
    )


def of_page(file: tifffile.TiffFile, page: tifffile.TiffPage) -> tuple[int, Metadata]:
    """Orientation 1 to 8 of a page of a TIFF, and what else its tags say."""
    block = Pillow.Exif()
    block.endian, block.bigtiff = file.byteorder, file.is_bigtiff
    exif = b""
    left_out: tuple[str, ...] = ()
    try:
        block.load_from_fp(file.filehandle, page.offset)  # type: ignore[arg-type]
        exif = _kept(block)
    except Exception:
        left_out = ("EXIF, which is damaged",)
    xmp = _tag(page, _XMP, b"")
    return int(_tag(page, ORIENTATION, 1)), Metadata(
        icc_profile=_bytes(_tag(page, _ICC, b"")),
        exif=exif,
        xmp=upright_xmp(_bytes(xmp)),
        dpi=_dpi(block),
        left_out=left_out,
    )


def _bytes(content: Any) -> bytes:
    """A profile or an XMP packet, whatever type its tag has."""
    return content.encode() if isinstance(content, str) else bytes(content or b"")


def _tag(page: tifffile.TiffPage, code: int, default: Any) -> Any:
    tag = page.tags.get(code)
    return default if tag is None else tag.value


def _is_lossless_webp(picture: Pillow.Image) -> bool:
    """Whether the first frame of a WebP is a chunk VP8L; Pillow does not say."""
    if picture.format != "WEBP":
        return False
    with open(picture.filename, "rb") as file:  # type: ignore[attr-defined]
        file.seek(12)
        while len(head := file.read(8)) == 8:
            kind, size = head[:4], int.from_bytes(head[4:], "little")
            if kind in (b"VP8L", b"VP8 "):
                return kind == b"VP8L"
            # A frame of an animation has chunks of its own behind 16 bytes.
            file.seek(16 if kind == b"ANMF" else size + size % 2, 1)
    return False


def _kept(block: Pillow.Exif) -> bytes:
    """A block that tells of the photograph: nothing of layout, sizes, orientation and preview."""
    kept = Pillow.Exif()
    for code in block:
        if code in _TEXTS or (code > _LAST_OF_LAYOUT and code not in (*_ELSEWHERE, CAMERA, GPS)):
            kept[code] = block[code]
    for code, content in blocks_within(block).items():
        kept[code] = {key: value for key, value in content.items() if key not in _SIZES}
    return kept.tobytes() if len(kept) else b""


def _dpi(block: Pillow.Exif) -> tuple[float, float] | None:
    """Dots per inch by the tags of a TIFF or of EXIF."""
    factor = _DPI_PER_UNIT.get(block.get(296, 2))
    across, down = block.get(282), block.get(283)
    return _usable((factor * across, factor * down)) if factor and across and down else None


def _usable(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    """Dots per inch that are numbers: files hold 0 and 0/0 too."""
    if dpi is None or not all(math.isfinite(dots) and dots > 0 for dots in dpi):
        return None
    return float(dpi[0]), float(dpi[1])


def _gamma_left_out(info: Mapping[Any, Any]) -> tuple[str, ...]:
    """Colors that a PNG describes by numbers, which few viewers heed and no other format has."""
    if "icc_profile" in info or "srgb" in info:
        return ()
    numbers = (info.get("gamma", _SRGB_GAMMA), *info.get("chromaticity", _SRGB_PRIMARIES))
    usual = (_SRGB_GAMMA, *_SRGB_PRIMARIES)
    is_usual = all(abs(a - b) < 0.01 for a, b in zip(numbers, usual, strict=True))
    return () if is_usual else ("the gamma and primaries of its PNG",)
