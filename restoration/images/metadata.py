"""What an image file says about its pixels beside their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held, 1 to 8; 1 is upright."""

CAMERA, GPS = 0x8769, 0x8825
"""The EXIF tags that point to blocks of their own."""

_INTEROPERABILITY = 0xA005  # a block within that of the camera
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[2-8]")
_XMP_SIZES = rb"(?:tiff:Image(?:Width|Length)|exif:Pixel[XY]Dimension)"
_XMP_STALE = re.compile(
    rb"\s" + _XMP_SIZES + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')"
    rb"|<(" + _XMP_SIZES + rb"|xmp:Thumbnails|xap:Thumbnails)\b[^>]*>.*?</\1>",
    re.DOTALL,
)
"""Sizes and previews of the picture that was read: they do not fit one that was restored."""


@dataclass(frozen=True)
class Metadata:
    """What is kept from the file that is read to the file that is written.

    icc_profile: the color profile. exif: a block as JPEG has it, with "Exif\\0\\0". xmp: a packet
    of XML. dpi: dots per inch, across and down. jpeg_tables: how a JPEG was quantized, lossless:
    that a WebP was not, so that each is written no worse. left_out: what else the file holds, in
    words.

    The pixels of an `Image` are upright, and neither EXIF nor XMP says otherwise, nor do they tell
    a size or hold a preview.
    """

    icc_profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    jpeg_tables: Mapping[int, list[int]] | None = None
    lossless: bool = False
    left_out: tuple[str, ...] = ()


def upright_xmp(packet: bytes) -> bytes:
    """An XMP packet that says that the picture is upright, and nothing of its size."""
    return _XMP_STALE.sub(b"", _XMP_ORIENTATION.sub(rb"\g<1>1", packet))


def blocks_within(exif: Any) -> dict[int, dict[int, Any]]:
    """The blocks of the camera and of GPS in a `PIL.Image.Exif`, where there are any.

    In the place of offsets into the file that was read stand the blocks themselves.
    """
    blocks = {code: dict(exif.get_ifd(code)) for code in (CAMERA, GPS)}
    if _INTEROPERABILITY in blocks[CAMERA]:
        blocks[CAMERA][_INTEROPERABILITY] = dict(exif.get_ifd(_INTEROPERABILITY))
    return {code: block for code, block in blocks.items() if block}
