"""PNG, JPEG, WebP, GIF and BMP of the kinds that the world has, turned ones and damaged ones."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile
from PIL import Image as Pillow

from tests.zoo import picture_bytes as by_definition
from tests.zoo.picture_base import (
    DEEP,
    DEEP_GRAY_ALPHA,
    DEEP_RGBA,
    GRAY_ALPHA,
    NEAR,
    NEAR_HALF,
    ORIENTATION,
    PALETTE,
    RGB,
    RGBA,
    SIDES,
    SMOOTH,
    H,
    Picture,
    W,
    lzw_deep,
    noise,
    orientation_exif,
    printed_inks,
    saved,
    split,
    swapped_profile,
    tiff_saved,
    turned,
)


def pngs() -> Iterator[Picture]:
    for depth in (1, 2, 4, 8, 16):
        top, bits = 2**depth - 1, max(depth, 8)
        gray = noise(10 + depth, 1, depth)
        right = gray[..., 0] / top
        yield Picture(
            f"gray_{depth}.png", f"gray, {depth} bits",
            by_definition.png(gray, 0, depth), right, bits=bits,
        )  # fmt: skip
        key = int(gray[3, 4, 0])
        number = key.to_bytes(2, "big")
        yield Picture(
            f"gray_{depth}_key.png", f"gray, {depth} bits, one gray transparent (tRNS)",
            by_definition.png(gray, 0, depth, before=[(b"tRNS", number)]), right,
            alpha=np.where(gray[..., 0] == key, 0.0, 1.0), bits=bits,
        )  # fmt: skip
        if depth > 8:
            continue
        index, colors = noise(20 + depth, 1, depth), PALETTE[: 2**depth]
        shown = colors[index[..., 0]] / 255
        plte = (b"PLTE", colors.tobytes())
        yield Picture(
            f"palette_{depth}.png", f"palette, {depth} bits",
            by_definition.png(index, 3, depth, before=[plte]), shown,
        )  # fmt: skip
        alphas = np.linspace(0, 255, 2**depth).astype(np.uint8)
        yield Picture(
            f"palette_{depth}_alpha.png", f"palette, {depth} bits, with alphas (tRNS)",
            by_definition.png(index, 3, depth, before=[plte, (b"tRNS", alphas.tobytes())]), shown,
            alpha=alphas[index[..., 0]] / 255,
        )  # fmt: skip
    kinds = ((GRAY_ALPHA, DEEP_GRAY_ALPHA, 4), (RGB, DEEP, 2), (RGBA, DEEP_RGBA, 6))
    for *both, color_type in kinds:
        name = {4: "gray_alpha", 2: "rgb", 6: "rgba"}[color_type]
        for samples, depth in zip(both, (8, 16), strict=True):
            colors, alpha = split(samples)
            for interlaced in (False, True):
                yield Picture(
                    f"{name}_{depth}{'_interlaced' * interlaced}.png",
                    f"{name.replace('_', ' + ')}, {depth} bits{', interlaced' * interlaced}",
                    by_definition.png(samples, color_type, depth, interlaced=interlaced),
                    colors, alpha, depth,
                )  # fmt: skip
    for samples, depth in ((RGB, 8), (DEEP, 16)):
        key_bytes = samples[2, 3].astype(">u2").tobytes()
        yield Picture(
            f"rgb_{depth}_key.png", f"RGB, {depth} bits, one color transparent (tRNS)",
            by_definition.png(samples, 2, depth, before=[(b"tRNS", key_bytes)]),
            split(samples)[0], np.where((samples == samples[2, 3]).all(2), 0.0, 1.0), depth,
        )  # fmt: skip
    exif = (b"eXIf", orientation_exif(6)[6:])
    stored = turned(RGB, 6)
    yield Picture(
        "exif_behind.png", "orientation in EXIF behind the pixels",
        by_definition.png(stored, 2, 8, after=[exif]), RGB / 255,
    )  # fmt: skip
    frames = [Pillow.fromarray(255 - RGB)]
    yield Picture(
        "animated.png", "APNG of 2 frames",
        saved(RGB, "PNG", save_all=True, append_images=frames), RGB / 255,
    )  # fmt: skip
    yield Picture(
        "linear.png", "gamma of 1 (gAMA)",
        by_definition.png(RGB, 2, 8, before=[(b"gAMA", (100000).to_bytes(4, "big"))]), RGB / 255,
    )  # fmt: skip


def jpegs() -> Iterator[Picture]:
    shown = SMOOTH / 255
    plans: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("plain", "YCbCr 4:4:4", {"subsampling": 0}),
        ("subsampled", "YCbCr 4:2:0", {"subsampling": 2}),
        ("half", "YCbCr 4:2:2", {"subsampling": 1}),
        ("progressive", "progressive", {"progressive": True, "subsampling": 0}),
        ("rgb", "RGB, not YCbCr (Adobe's marker)", {"keep_rgb": True, "subsampling": 0}),
        ("restart", "with restart markers", {"restart_marker_rows": 1, "subsampling": 0}),
        ("profile", "with a profile", {"icc_profile": swapped_profile(), "subsampling": 0}),
        ("damaged_exif", "EXIF that is damaged", {"exif": b"Exif\0\0garbage!", "subsampling": 0}),
    )
    for name, what, options in plans:
        content = saved(SMOOTH, "JPEG", quality=98, **options)
        near = NEAR_HALF if options.get("subsampling") in (1, 2) else NEAR
        yield Picture(f"{name}.jpg", what, content, shown, bound=near)
    gray = SMOOTH[..., 0]
    yield Picture("gray.jpg", "gray", saved(gray, "JPEG", quality=98), gray / 255, bound=NEAR)
    both = {"save_all": True, "append_images": [Pillow.fromarray(255 - SMOOTH)]}
    yield Picture(
        "phone.jpg", "2 pictures of a phone (MPO)",
        saved(SMOOTH, "MPO", quality=98, subsampling=0, **both), shown, bound=NEAR,
    )  # fmt: skip
    inks = Pillow.merge(
        "CMYK", [*(Pillow.fromarray(255 - SMOOTH).split()), Pillow.new("L", (W, H))]
    )
    cmyk = saved(inks, "JPEG", quality=98, subsampling=0)
    yield Picture("cmyk.jpg", "CMYK, inverted as Adobe does", cmyk, shown, bound=NEAR)
    samples, seen, profile = printed_inks()
    yield Picture(
        "cmyk_profile.jpg", "CMYK with a printer's profile",
        saved(Pillow.fromarray(samples, "CMYK"), "JPEG", quality=100, subsampling=0,
              icc_profile=profile), seen, bound=NEAR,
    )  # fmt: skip
    deep = bytearray(saved(SMOOTH, "JPEG"))
    deep[deep.index(b"\xff\xc0") + 4] = 12
    yield Picture("deep.jpg", "12 bits", bytes(deep), error="12-bit")


def webps_and_gifs() -> Iterator[Picture]:
    shown = SMOOTH / 255
    yield Picture("lossy.webp", "lossy", saved(SMOOTH, "WEBP", quality=98), shown, bound=NEAR_HALF)
    lossless = {"lossless": True, "exact": True}
    yield Picture("lossless.webp", "lossless", saved(RGB, "WEBP", **lossless), RGB / 255)
    yield Picture(
        "lossless_alpha.webp", "lossless, alpha",
        saved(RGBA, "WEBP", **lossless), *split(RGBA),
    )  # fmt: skip
    alpha = np.full((H, W), 255, np.uint8)
    alpha[:8] = 128
    yield Picture(
        "lossy_alpha.webp", "lossy, alpha",
        saved(np.dstack([SMOOTH, alpha]), "WEBP", quality=98, exact=True), shown, alpha / 255,
        bound=NEAR_HALF,
    )  # fmt: skip
    more = {"save_all": True, "append_images": [Pillow.fromarray(255 - RGB)], "duration": 100}
    yield Picture(
        "animated.webp", "animation of 2 frames", saved(RGB, "WEBP", **lossless, **more), RGB / 255
    )
    index = noise(31, 1, 5)[..., 0]
    colors = PALETTE[:32]
    palette = Pillow.fromarray(index, "P")
    palette.putpalette(colors.tobytes())
    shown = colors[index] / 255
    yield Picture("plain.gif", "palette", saved(palette, "GIF"), shown)
    yield Picture("interlaced.gif", "interlaced", saved(palette, "GIF", interlace=1), shown)
    opaque = np.where(index == 7, 0.0, 1.0)
    yield Picture(
        "transparent.gif", "one color transparent",
        saved(palette, "GIF", transparency=7), shown, opaque,
    )  # fmt: skip
    second = palette.copy()
    second.putpalette(PALETTE[32:64].tobytes())
    yield Picture(
        "animated.gif", "animation of 2 frames",
        saved(palette, "GIF", save_all=True, append_images=[second]), shown,
    )  # fmt: skip


def bmps() -> Iterator[Picture]:
    bgr = RGB[..., ::-1]
    lines = [row.tobytes() for row in bgr]
    yield Picture("rgb.bmp", "24 bits", by_definition.bmp(lines, W, 24), RGB / 255)
    yield Picture(
        "top_down.bmp", "24 bits, from the top",
        by_definition.bmp(lines, W, 24, top_down=True), RGB / 255,
    )  # fmt: skip
    yield Picture("os2.bmp", "OS/2", by_definition.bmp(lines, W, 24, core=True), RGB / 255)
    unused = [np.dstack([row[None], np.zeros((1, W, 1), np.uint8)]).tobytes() for row in bgr]
    yield Picture(
        "rgb_32.bmp", "32 bits, the fourth unused", by_definition.bmp(unused, W, 32), RGB / 255
    )
    bgra = [row.tobytes() for row in RGBA[..., [2, 1, 0, 3]]]
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    yield Picture(
        "rgba.bmp", "32 bits with alpha (version 4)",
        by_definition.bmp(bgra, W, 32, masks=masks, compression=3), *split(RGBA),
    )  # fmt: skip
    for depth in (1, 4, 8):
        index, colors = noise(40 + depth, 1, depth)[..., 0], PALETTE[: 2**depth]
        rows = [by_definition.packed(row, depth) for row in index]
        content = by_definition.bmp(rows, W, depth, palette=colors)
        yield Picture(
            f"palette_{depth}.bmp", f"palette, {depth} bits", content, colors[index] / 255
        )
    rows = [by_definition.run_length(row) for row in index]
    content = by_definition.bmp(rows, W, 8, palette=PALETTE, compression=1)
    yield Picture("rle.bmp", "palette, run lengths", content, PALETTE[index] / 255)
    levels = np.random.default_rng(41).integers(0, [32, 64, 32], (H, W, 3))
    words = (levels[..., 0] << 11 | levels[..., 1] << 5 | levels[..., 2]).astype("<u2")
    content = by_definition.bmp(
        [row.tobytes() for row in words], W, 16, masks=(0xF800, 0x7E0, 0x1F), compression=3
    )
    yield Picture("565.bmp", "16 bits, 5 + 6 + 5", content, levels / [31, 63, 31])
    levels = levels % 32
    words = (levels[..., 0] << 10 | levels[..., 1] << 5 | levels[..., 2]).astype("<u2")
    content = by_definition.bmp([row.tobytes() for row in words], W, 16)
    yield Picture("555.bmp", "16 bits, 5 + 5 + 5", content, levels / 31)


def orientations() -> Iterator[Picture]:
    for value in SIDES:
        exif = orientation_exif(value)
        what = f"orientation {value}"
        stored, deep = turned(RGB, value), turned(DEEP, value)
        chunk = [(b"eXIf", exif[6:])]
        tag = {274: ("H", [value])}
        yield Picture(
            f"turned_{value}.png", what, by_definition.png(stored, 2, 8, before=chunk), RGB / 255
        )
        yield Picture(
            f"turned_{value}_16.png", what, by_definition.png(deep, 2, 16, before=chunk),
            DEEP / 65535, bits=16,
        )  # fmt: skip
        content = saved(turned(SMOOTH, value), "JPEG", quality=98, subsampling=0, exif=exif)
        yield Picture(f"turned_{value}.jpg", what, content, SMOOTH / 255, bound=NEAR)
        content = saved(stored, "WEBP", lossless=True, exif=exif)
        yield Picture(f"turned_{value}.webp", what, content, RGB / 255)
        content = by_definition.tiff(stored, 8, 2, tags=tag)
        yield Picture(f"turned_{value}.tif", what, content, RGB / 255)
        content = by_definition.tiff(deep, 16, 2, tags=tag)
        yield Picture(f"turned_{value}_16.tif", what, content, DEEP / 65535, bits=16)
        content = by_definition.with_short(lzw_deep(deep), 274, value)
        yield Picture(f"turned_{value}_lzw_16.tif", f"{what}, LZW", content, DEEP / 65535, bits=16)
        block = Pillow.Exif()
        block[ORIENTATION] = value
        content = saved(stored, "TIFF", compression="tiff_lzw", exif=block)
        yield Picture(f"turned_{value}_lzw.tif", f"{what}, LZW", content, RGB / 255)


def damaged() -> Iterator[Picture]:
    yield Picture("empty.png", "empty", b"", error="the file is empty")
    yield Picture("text.jpg", "text", b"this is no image", error="begins with b'this is '")
    heic = b"\0\0\0\x18ftypheic" + bytes(40)
    yield Picture("phone.heic", "HEIC", heic, error="one of .png, .*begins with b.*ftyp")
    drawing = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    yield Picture("drawing.eps", "EPS", drawing, error="EPS, which is a program")
    yield Picture(
        "renamed.jpg", "a PNG that is called .jpg", by_definition.png(RGB, 2, 8), RGB / 255
    )
    yield Picture("renamed.png", "a TIFF that is called .png", tiff_saved(RGB), RGB / 255)
    noise = np.random.default_rng(70).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    deep = np.random.default_rng(71).integers(0, 65536, (64, 64, 3), dtype=np.uint16)
    whole = {
        "png": (saved(noise, "PNG"), "truncated"),
        "jpg": (saved(noise, "JPEG"), "truncated"),
        "webp": (saved(noise, "WEBP"), "decode|truncated"),
        "gif": (saved(Pillow.fromarray(noise).quantize(), "GIF"), "truncated"),
        "bmp": (saved(noise, "BMP"), "truncated"),
        "tif": (by_definition.tiff(noise, 8, 2), "the file was cut off"),
    }
    for kind, (content, text) in whole.items():
        half = content[: len(content) // 2]
        yield Picture(f"cut.{kind}", "cut off in the middle", half, error=text)
    content = by_definition.png(deep, 2, 16)
    yield Picture("cut_16.png", "16 bits, cut off", content[: len(content) // 2], error="truncated")
    for kind in ("zlib", None):
        content = tiff_saved(deep, photometric="rgb", compression=kind, rowsperstrip=8)
        half = content[: len(content) * 3 // 4]
        yield Picture(f"cut_16_{kind}.tif", "16 bits, cut off", half, error="the file was cut off")
    content = saved(noise, "TIFF", compression="tiff_lzw")
    name = "cut_lzw.tif"
    yield Picture(name, "LZW, cut off behind the tags", _tags_first(content), error="was cut off")
    early = saved(noise, "JPEG")[:500]
    yield Picture(
        "cut_early.jpg", "cut off before the pixels", early, error="[Tt]runcated|identify"
    )
    wrong = bytearray(by_definition.png(noise, 2, 8))
    wrong[len(wrong) // 2] ^= 255
    yield Picture(
        "wrong.png", "a wrong byte among the pixels", bytes(wrong), error="broken|CRC|check"
    )
    header = np.array([40000, 40000], ">u4").tobytes() + b"\x08\0\0\0\0"
    huge = by_definition.PNG_HEAD + by_definition.chunk(b"IHDR", header)
    huge += by_definition.chunk(b"IDAT", zlib.compress(b"")) + by_definition.chunk(b"IEND", b"")
    yield Picture("huge.png", "1600 megapixels", huge, error="1600 megapixels.*max_megapixels=")


def _tags_first(content: bytes) -> bytes:
    """A TIFF whose pixels begin one kilobyte further on than the file goes."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        tag = file.pages.first.tags[273]
        at, size = tag.valueoffset, 4
    return content[:at] + (len(content) + 1024).to_bytes(size, "little") + content[at + size :]
