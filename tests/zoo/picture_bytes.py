"""Picture files by the definitions of their formats, without a library that reads them.

And what a file says beside its pixels, found the same way.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tifffile

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_ADAM7 += ((0, 1, 1, 2),)  # first column and row, steps between columns and rows


def png(
    samples: np.ndarray,
    color_type: int,
    depth: int,
    *,
    interlaced: bool = False,
    before: Sequence[tuple[bytes, bytes]] = (),
    after: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """Samples (h, w, c) of `depth` bits; before, after: other chunks around the pixels."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    passes = [samples.reshape(height, width, _CHANNELS[color_type])]
    if interlaced:
        passes = [passes[0][y::dy, x::dx] for x, y, dx, dy in _ADAM7]
    rows = b"".join(b"\0" + packed(row, depth) for one in passes for row in one if row.size)
    middle = [(b"IDAT", zlib.compress(rows))]
    chunks = [(b"IHDR", header), *before, *middle, *after, (b"IEND", b"")]
    return PNG_HEAD + b"".join(chunk(kind, content) for kind, content in chunks)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def packed(row: np.ndarray, depth: int, order: str = ">") -> bytes:
    """A row of samples, the first in the highest bits of a byte; 12 bits cross bytes."""
    if depth in (1, 2, 4, 12):
        shifts = np.arange(depth)[::-1]
        bits = (row.reshape(-1, 1).astype(np.uint16) >> shifts.astype(np.uint16)) & 1
        return np.packbits(bits.astype(np.uint8)).tobytes()
    return row.astype(row.dtype.newbyteorder(order)).tobytes()


Entries = Mapping[int, tuple[str, Any]]
"""Tags of a TIFF: ("H", 16 bits), ("I", 32 bits), ("R", pairs), ("s", text) or ("b", bytes)."""


def tiff(
    samples: np.ndarray,
    depth: int,
    photometric: int,
    *,
    order: str = "<",
    tags: Entries | None = None,
    blocks: Mapping[int, Entries] | None = None,
) -> bytes:
    """A TIFF of one uncompressed strip; blocks: directories to which a tag points."""
    height, width = samples.shape[:2]
    channels = samples.size // (height * width)
    strip = b"".join(packed(row, depth, order) for row in samples)
    entries = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [depth] * channels),
        259: ("H", [1]),
        262: ("H", [photometric]),
        273: ("I", [8]),
        277: ("H", [channels]),
        278: ("I", [height]),
        279: ("I", [len(strip)]),
        **(tags or {}),
    }
    return _directories(strip, entries, blocks or {}, order=order)


def exif(tags: Entries, blocks: Mapping[int, Entries], *, thumbnail: bytes) -> bytes:
    """An EXIF block as JPEG has it, with a preview in a second directory."""
    second = {259: ("H", [6]), 513: ("I", [8]), 514: ("I", [len(thumbnail)])}
    return b"Exif\0\0" + _directories(thumbnail, tags, blocks, second=second)


def _directories(
    content: bytes,
    entries: Entries,
    blocks: Mapping[int, Entries],
    *,
    order: str = "<",
    second: Entries | None = None,
) -> bytes:
    """A TIFF of directories; content lies at byte 8, before them."""
    body = content + b"\0" * (len(content) % 2)
    pointers: dict[int, tuple[str, Any]] = {}
    for code, block in blocks.items():
        pointers[code] = ("I", [8 + len(body)])
        body += _directory(block, 8 + len(body), order)
    following = 0
    if second:
        following = 8 + len(body)
        body += _directory(second, following, order)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return head + body + _directory({**entries, **pointers}, 8 + len(body), order, following)


def _directory(entries: Entries, at: int, order: str, following: int = 0) -> bytes:
    """Entries of 12 bytes, then what does not fit into them."""
    rest_at = at + 2 + 12 * len(entries) + 4
    directory, rest = struct.pack(order + "H", len(entries)), b""
    for code, (kind, value) in sorted(entries.items()):
        letter = "I" if kind == "R" else kind
        content = value if kind in "sb" else struct.pack(f"{order}{len(value)}{letter}", *value)
        number = {"s": 2, "H": 3, "I": 4, "R": 5, "b": 7}[kind]
        count = len(value) // 2 if kind == "R" else len(value)
        directory += struct.pack(order + "HHI", code, number, count)
        if len(content) > 4:
            directory += struct.pack(order + "I", rest_at + len(rest))
            rest += content + b"\0" * (len(content) % 2)
        else:
            directory += content.ljust(4, b"\0")
    return directory + struct.pack(order + "I", following) + rest


def with_short(content: bytes, code: int, value: int) -> bytes:
    """A little-endian TIFF with a tag set to one number; its directory moves to the end."""
    (at,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, at)
    start, stop = at + 2, at + 2 + 12 * count
    entries = {content[i : i + 2]: content[i : i + 12] for i in range(start, stop, 12)}
    entries[struct.pack("<H", code)] = struct.pack("<HHIHH", code, 3, 1, value, 0)
    ordered = [entries[key] for key in sorted(entries, key=lambda key: key[::-1])]
    body = content + b"\0" * (len(content) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(ordered) + b"\0\0\0\0"
    return body[:4] + struct.pack("<I", len(body)) + body[8:] + directory


def bmp(
    rows: Sequence[bytes],
    width: int,
    depth: int,
    *,
    palette: np.ndarray | None = None,
    masks: Sequence[int] = (),
    compression: int = 0,
    top_down: bool = False,
    core: bool = False,
) -> bytes:
    """A BMP of rows of bytes, from the top; core: the header of OS/2; four masks: version 4."""
    height = len(rows)
    lines = [row + b"\0" * (-len(row) % 4) if compression != 1 else row for row in rows]
    pixels = b"".join(lines if top_down else lines[::-1])
    colors = b"" if palette is None else _bmp_palette(palette, depth, core=core)
    if core:
        header = struct.pack("<IHHHH", 12, width, height, 1, depth)
    else:
        size = 108 if len(masks) == 4 else 40
        signed = -height if top_down else height
        fields = (size, width, signed, 1, depth, compression, len(pixels), 2835, 2835, 0, 0)
        header = struct.pack("<IiiHHIIiiII", *fields)
        header += struct.pack(f"<{len(masks)}I", *masks)
        header = header.ljust(size, b"\0") if len(masks) == 4 else header
    start = 14 + len(header) + len(colors)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + colors + pixels


def _bmp_palette(palette: np.ndarray, depth: int, *, core: bool) -> bytes:
    """All 2^depth colors, blue first, in three bytes or four."""
    colors = np.zeros((2**depth, 3 if core else 4), np.uint8)
    colors[: len(palette), :3] = palette[:, ::-1]
    return colors.tobytes()


def run_length(row: np.ndarray) -> bytes:
    """A row of a BMP in pairs of count and value, with the end of a line."""
    return b"".join(bytes([1, value]) for value in row.tolist()) + b"\0\0"


def profile(space: bytes, tags: Mapping[bytes, bytes], *, kind: bytes, pcs: bytes) -> bytes:
    """An ICC profile of version 2."""
    table, content, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        padded = value + b"\0" * (-len(value) % 4)
        table += name + struct.pack(">II", at + len(content), len(value))
        content += padded
    head = bytearray(128)
    struct.pack_into(
        ">I4sI4s4s4s", head, 0, at + len(content), b"lcms", 0x02200000, kind, space, pcs
    )
    struct.pack_into(">6H", head, 24, 2024, 1, 1, 0, 0, 0)
    head[36:40] = b"acsp"
    struct.pack_into(">3I", head, 68, 0xF6D6, 0x10000, 0xD32D)  # D50
    return bytes(head) + struct.pack(">I", len(tags)) + table + content


def _text_tags() -> dict[bytes, bytes]:
    text = b"zoo\0"
    named = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    white = b"XYZ \0\0\0\0" + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    return {b"desc": named, b"cprt": b"text\0\0\0\0none\0", b"wtpt": white}


def gray_profile() -> bytes:
    """Gray by a gamma of 1.8."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256))
    return profile(b"GRAY", {**_text_tags(), b"kTRC": curve}, kind=b"mntr", pcs=b"XYZ ")


def ink_profile(corners_lab: np.ndarray) -> bytes:
    """A printer of four inks, by the Lab colors (2, 2, 2, 2, 3) of none and all of each."""
    lab = corners_lab.reshape(-1, 3)
    levels = np.stack([lab[:, 0] * 2.55, lab[:, 1] + 128, lab[:, 2] + 128], 1).round()
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0])
    table += struct.pack(">9I", *(0x10000 if i % 4 == 0 else 0 for i in range(9)))
    straight = bytes(range(256))
    table += straight * 4 + levels.clip(0, 255).astype(np.uint8).tobytes() + straight * 3
    tags = {**_text_tags(), b"A2B0": table}
    return profile(b"CMYK", tags, kind=b"prtr", pcs=b"Lab ")


def said_by(content: bytes) -> dict[str, Any]:
    """What a PNG, JPEG, WebP or TIFF says beside its pixels: icc, exif, xmp, dpi."""
    if content.startswith(PNG_HEAD):
        return _said_by_png(content)
    if content.startswith(b"\xff\xd8"):
        return _said_by_jpeg(content)
    if content.startswith(b"RIFF"):
        found = dict(_riff_chunks(content))
        icc, xmp = found.get(b"ICCP", b""), found.get(b"XMP ", b"")
        return _with_exif(found.get(b"EXIF", b""), icc=icc, xmp=xmp)
    return _with_exif(content)


def _said_by_png(content: bytes) -> dict[str, Any]:
    found, at = {}, 8
    while at < len(content):
        (size,) = struct.unpack_from(">I", content, at)
        found[content[at + 4 : at + 8]] = content[at + 8 : at + 8 + size]
        at += 12 + size
    icc, text = found.get(b"iCCP", b""), found.get(b"iTXt", b"")
    said = _with_exif(
        found.get(b"eXIf", b""),
        icc=zlib.decompress(icc.split(b"\0", 1)[1][1:]) if icc else b"",
        xmp=text.split(b"\0\0\0\0\0", 1)[1] if text.startswith(b"XML:com.adobe.xmp") else b"",
    )
    if b"pHYs" in found:
        said["dpi"] = tuple(dots * 0.0254 for dots in struct.unpack(">II", found[b"pHYs"][:8]))
    return said


def _said_by_jpeg(content: bytes) -> dict[str, Any]:
    parts: dict[bytes, bytes] = {}
    heads = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"JFIF\0")
    at, dpi = 2, None
    while content[at + 1] != 0xDA:
        (size,) = struct.unpack_from(">H", content, at + 2)
        segment = content[at + 4 : at + 2 + size]
        for head in heads:
            if content[at + 1] >= 0xE0 and segment.startswith(head):
                parts[head] = parts.get(head, b"") + segment[len(head) :]
        at += 2 + size
    if heads[3] in parts and parts[heads[3]][2] == 1:  # dots per inch
        dpi = struct.unpack(">HH", parts[heads[3]][3:7])
    said = _with_exif(
        parts.get(heads[0], b""), icc=parts.get(heads[2], b"")[2:], xmp=parts.get(heads[1], b"")
    )
    return said | {"dpi": dpi or said["dpi"]}


def _riff_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(content):
        (size,) = struct.unpack_from("<I", content, at + 4)
        yield content[at : at + 4], content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _with_exif(block: bytes, *, icc: bytes = b"", xmp: bytes = b"") -> dict[str, Any]:
    """The block, which is a TIFF, by tifffile: tags by number, those of the camera by name."""
    said: dict[str, Any] = {"icc": icc, "xmp": xmp, "exif": {}, "dpi": None, "pages": 0}
    block = block.removeprefix(b"Exif\0\0")
    if not block:
        return said
    with tifffile.TiffFile(io.BytesIO(block)) as file:
        tags = {tag.code: tag.value for tag in file.pages.first.tags}
        said["pages"] = len(file.pages)
    said["exif"] = tags
    said["icc"], said["xmp"] = icc or bytes(tags.get(34675, b"")), xmp or bytes(tags.get(700, b""))
    if 282 in tags:
        said["dpi"] = tuple(tags[code][0] / tags[code][1] for code in (282, 283))
    return said
