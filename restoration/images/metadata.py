"""What an image file says about its pixels beside their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held, 1 to 8; 1 is upright."""

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>)\s*)[2-8]")


@dataclass(frozen=True)
class Metadata:
    """What is kept from the file that is read to the file that is written.

    icc_profile: the color profile. exif: a block as JPEG has it, after "Exif\\0\\0". xmp: a packet
    of XML. dpi: dots per inch, across and down. jpeg_tables, jpeg_subsampling: how a JPEG was
    quantized, so that it is written no worse. The pixels of an `Image` are upright, and neither
    EXIF nor XMP says otherwise.
    """

    icc_profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    jpeg_tables: Mapping[int, list[int]] | None = None
    jpeg_subsampling: int = 0


def upright_xmp(packet: bytes) -> bytes:
    """An XMP packet that says that the picture is upright."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", packet)
