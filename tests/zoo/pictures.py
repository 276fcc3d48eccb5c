"""Pictures of the kinds that the world has, each with what a viewer shows of it.

Files are made by seeded code: by the definition of their format (`picture_bytes.py`), or by a
library. The right answer is the array that was written, never what our readers make of the file.

    python -m tests.zoo.pictures           # the table of docs/images.md
    python -m tests.zoo.pictures FOLDER    # writes the files
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from restoration import images
from restoration.errors import InputError
from tests.zoo import picture_bytes as by_definition

H, W = 21, 29
ORIENTATION = 0x0112
_NEAR = 4 / 255  # of JPEG at quality 98, on a smooth picture
_NEAR_HALF = 9 / 255  # of color at half the resolution: WebP, most JPEG

SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
"""Which sides of the picture the first row and the first column of a file are, as EXIF defines."""


@dataclass(frozen=True)
class Picture:
    """A file, and what reading it has to give.

    right: (h, w), (h, w, 3) numbers in [0, 1]; alpha: (h, w) likewise. bound: how far a color may
    be off, by default one step of the depth. error: a pattern of the text, where it is refused.
    """

    name: str
    what: str
    content: bytes
    right: np.ndarray | None = None
    alpha: np.ndarray | None = None
    bits: int = 8
    bound: float | None = None
    error: str = ""

    @property
    def is_gray(self) -> bool:
        return self.right is not None and self.right.ndim == 2

    @property
    def pixels(self) -> np.ndarray:
        """The right answer, (1, 3, h, w)."""
        assert self.right is not None, f"{self.name} is refused"
        color = np.repeat(self.right[..., None], 3, 2) if self.is_gray else self.right
        return color.transpose(2, 0, 1)[None]


def _noise(seed: int, channels: int, depth: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    dtype = np.uint16 if depth > 8 else np.uint8
    samples = rng.integers(0, 2**depth, (H, W, channels), dtype=dtype)
    samples[0, 0], samples[0, 1] = 0, 2**depth - 1
    return samples


def _smooth(dtype: Any = np.uint8) -> np.ndarray:
    """A colored gradient, which a lossy format holds well."""
    y, x = np.mgrid[0:H, 0:W] / np.array([H, W]).reshape(2, 1, 1)
    color = np.stack([0.2 + 0.6 * x, 0.8 - 0.5 * y, 0.3 + 0.4 * x * y], axis=2)
    return np.rint(color * np.iinfo(dtype).max).astype(dtype)


RGB, RGBA, DEEP, DEEP_RGBA = _noise(1, 3, 8), _noise(2, 4, 8), _noise(3, 3, 16), _noise(4, 4, 16)
GRAY, DEEP_GRAY = _noise(5, 1, 8)[..., 0], _noise(6, 1, 16)[..., 0]
GRAY_ALPHA, DEEP_GRAY_ALPHA = _noise(7, 2, 8), _noise(8, 2, 16)
SMOOTH = _smooth()
PALETTE = np.random.default_rng(9).integers(0, 256, (256, 3), dtype=np.uint8)


def saved(samples: np.ndarray | Pillow.Image, kind: str, **options: Any) -> bytes:
    """A file by Pillow."""
    sink = io.BytesIO()
    picture = samples if isinstance(samples, Pillow.Image) else Pillow.fromarray(samples)
    picture.save(sink, format=kind, **options)
    return sink.getvalue()


def tiff_saved(samples: np.ndarray, **options: Any) -> bytes:
    """A file by tifffile."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        tifffile.imwrite(path, samples, **options)
        return path.read_bytes()


def swapped_profile() -> bytes:
    """SRGB with red and green exchanged, so that losing it cannot be overlooked."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for i in range(int.from_bytes(profile[128:132], "big")):
        at = 132 + 12 * i
        other = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(bytes(profile[at : at + 4]))
        if other:
            profile[at : at + 4] = other
    return bytes(profile)


def turned(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Samples as a camera stores them that was held so."""
    rows, columns = SIDES[orientation]
    if rows in ("left", "right"):
        stored = upright.swapaxes(0, 1)
        stored = stored[::-1] if rows == "right" else stored
        return np.ascontiguousarray(stored[:, ::-1] if columns == "bottom" else stored)
    stored = upright[::-1] if rows == "bottom" else upright
    return np.ascontiguousarray(stored[:, ::-1] if columns == "right" else stored)


def orientation_exif(orientation: int) -> bytes:
    exif = Pillow.Exif()
    exif[ORIENTATION] = orientation
    return exif.tobytes()


def lab_of(srgb: np.ndarray) -> np.ndarray:
    """SRGB in [0, 1] (..., 3) as CIE Lab under D50, by the definitions."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4360747, 0.3850649, 0.1430804],
            [0.2225045, 0.7168786, 0.0606169],
            [0.0139322, 0.0971045, 0.7141733],
        ]
    )
    t = linear @ to_xyz.T / [0.96422, 1.0, 0.82521]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1
    )


def pngs() -> Iterator[Picture]:
    for depth in (1, 2, 4, 8, 16):
        top, bits = 2**depth - 1, max(depth, 8)
        gray = _noise(10 + depth, 1, depth)
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
        index, colors = _noise(20 + depth, 1, depth), PALETTE[: 2**depth]
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
            colors, alpha = _split(samples)
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
            _split(samples)[0], np.where((samples == samples[2, 3]).all(2), 0.0, 1.0), depth,
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


def _split(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Colors and alpha in [0, 1]."""
    scaled = samples / np.iinfo(samples.dtype).max
    if samples.ndim == 2:
        return scaled, None
    alpha = scaled[..., -1] if samples.shape[2] in (2, 4) else None
    colors = scaled if alpha is None else scaled[..., :-1]
    return (colors[..., 0] if colors.shape[2] == 1 else colors), alpha


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
        near = _NEAR_HALF if options.get("subsampling") in (1, 2) else _NEAR
        yield Picture(f"{name}.jpg", what, content, shown, bound=near)
    gray = SMOOTH[..., 0]
    yield Picture("gray.jpg", "gray", saved(gray, "JPEG", quality=98), gray / 255, bound=_NEAR)
    both = {"save_all": True, "append_images": [Pillow.fromarray(255 - SMOOTH)]}
    yield Picture(
        "phone.jpg", "2 pictures of a phone (MPO)",
        saved(SMOOTH, "MPO", quality=98, subsampling=0, **both), shown, bound=_NEAR,
    )  # fmt: skip
    inks = Pillow.merge(
        "CMYK", [*(Pillow.fromarray(255 - SMOOTH).split()), Pillow.new("L", (W, H))]
    )
    cmyk = saved(inks, "JPEG", quality=98, subsampling=0)
    yield Picture("cmyk.jpg", "CMYK, inverted as Adobe does", cmyk, shown, bound=_NEAR)
    samples, seen, profile = _printed()
    yield Picture(
        "cmyk_profile.jpg", "CMYK with a printer's profile",
        saved(Pillow.fromarray(samples, "CMYK"), "JPEG", quality=100, subsampling=0,
              icc_profile=profile), seen, bound=_NEAR,
    )  # fmt: skip
    deep = bytearray(saved(SMOOTH, "JPEG"))
    deep[deep.index(b"\xff\xc0") + 4] = 12
    yield Picture("deep.jpg", "12 bits", bytes(deep), error="12-bit")


def _printed() -> tuple[np.ndarray, np.ndarray, bytes]:
    """Areas of full inks (h, w, 4), the sRGB colors that they print as, and the profile."""
    rng = np.random.default_rng(30)
    corners = rng.integers(70, 190, (2, 2, 2, 2, 3)) / 255
    corners[0, 0, 0, 0], corners[1, 1, 1, 1] = 1.0, 0.05
    on = np.repeat(np.repeat(rng.integers(0, 2, (2, 3, 4)), 16, 0), 16, 1)
    profile = by_definition.ink_profile(lab_of(corners))
    return (255 * on).astype(np.uint8), corners[tuple(on.transpose(2, 0, 1))], profile


def webps_and_gifs() -> Iterator[Picture]:
    shown = SMOOTH / 255
    yield Picture("lossy.webp", "lossy", saved(SMOOTH, "WEBP", quality=98), shown, bound=_NEAR_HALF)
    lossless = {"lossless": True, "exact": True}
    yield Picture("lossless.webp", "lossless", saved(RGB, "WEBP", **lossless), RGB / 255)
    yield Picture(
        "lossless_alpha.webp", "lossless, alpha",
        saved(RGBA, "WEBP", **lossless), *_split(RGBA),
    )  # fmt: skip
    alpha = np.full((H, W), 255, np.uint8)
    alpha[:8] = 128
    yield Picture(
        "lossy_alpha.webp", "lossy, alpha",
        saved(np.dstack([SMOOTH, alpha]), "WEBP", quality=98, exact=True), shown, alpha / 255,
        bound=_NEAR_HALF,
    )  # fmt: skip
    more = {"save_all": True, "append_images": [Pillow.fromarray(255 - RGB)], "duration": 100}
    yield Picture(
        "animated.webp", "animation of 2 frames", saved(RGB, "WEBP", **lossless, **more), RGB / 255
    )
    index = _noise(31, 1, 5)[..., 0]
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
        by_definition.bmp(bgra, W, 32, masks=masks, compression=3), *_split(RGBA),
    )  # fmt: skip
    for depth in (1, 4, 8):
        index, colors = _noise(40 + depth, 1, depth)[..., 0], PALETTE[: 2**depth]
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


def tiffs() -> Iterator[Picture]:
    for photometric, name in ((1, "gray"), (0, "white_is_zero")):
        for depth in (1, 2, 4, 8, 16):
            samples = _noise(50 + depth, 1, depth)[..., 0]
            right = samples / (2**depth - 1)
            yield Picture(
                f"{name}_{depth}.tif", f"{name.replace('_', ' ')}, {depth} bits",
                by_definition.tiff(samples, depth, photometric),
                right if photometric else 1 - right, bits=max(depth, 8),
            )  # fmt: skip
    for samples, depth in ((RGB, 8), (DEEP, 16)):
        for order, name in (("<", "little"), (">", "big")):
            content = by_definition.tiff(samples, depth, 2, order=order)
            what = f"RGB, {depth} bits, {name}-endian"
            yield Picture(f"{name}_{depth}.tif", what, content, *_split(samples), bits=depth)
        options: dict[str, dict[str, Any]] = {
            "planes": {"planarconfig": "separate"},
            "tiles": {"tile": (16, 16)},
            "big_tiff": {"bigtiff": True},
            "deflate": {"compression": "zlib"},
            "differences": {"compression": "zlib", "predictor": True},
        }
        for name, option in options.items():
            given = samples.transpose(2, 0, 1) if name == "planes" else samples
            yield Picture(
                f"{name}_{depth}.tif", f"RGB, {depth} bits, {name.replace('_', ' ')}",
                tiff_saved(np.ascontiguousarray(given), photometric="rgb", **option),
                *_split(samples), bits=depth,
            )  # fmt: skip
        pages = np.stack([samples, np.iinfo(samples.dtype).max - samples])
        yield Picture(
            f"pages_{depth}.tif", f"2 pages of RGB, {depth} bits",
            tiff_saved(pages, photometric="rgb"), *_split(samples), bits=depth,
        )  # fmt: skip
        extra = samples[..., :1].copy()
        yield Picture(
            f"extra_{depth}.tif", f"RGB and a channel that is no alpha, {depth} bits",
            by_definition.tiff(np.dstack([samples, extra]), depth, 2, tags={338: ("H", [0])}),
            *_split(samples), bits=depth,
        )  # fmt: skip
    for samples, depth in ((GRAY, 8), (DEEP_GRAY, 16)):
        pages = np.stack([samples, samples // 2, samples // 3])
        content = tiff_saved(pages, photometric="minisblack")
        yield Picture(f"pages_gray_{depth}.tif", "3 gray pages", content, *_split(samples), depth)
    with_alpha = ((GRAY_ALPHA, 8), (DEEP_GRAY_ALPHA, 16), (RGBA, 8), (DEEP_RGBA, 16))
    for samples, depth in with_alpha:
        photometric = 1 if samples.shape[2] == 2 else 2
        name = {1: "gray_alpha", 2: "rgba"}[photometric]
        content = by_definition.tiff(samples, depth, photometric, tags={338: ("H", [2])})
        yield Picture(
            f"{name}_{depth}.tif", f"{name}, {depth} bits", content, *_split(samples), depth
        )
        yield _associated(samples, depth, photometric, name)
    yield from _compressed_tiffs()
    yield from _other_models()
    yield from _floats()
    yield from _refused_tiffs()


def _associated(samples: np.ndarray, depth: int, photometric: int, name: str) -> Picture:
    """Colors multiplied by alpha; where that is small, little of them is left."""
    top = 2**depth - 1
    alpha = samples[..., -1:].clip(top // 2)
    colors = np.rint(samples[..., :-1] / top * alpha).astype(samples.dtype)
    content = by_definition.tiff(
        np.dstack([colors, alpha]), depth, photometric, tags={338: ("H", [1])}
    )
    right, opaque = _split(np.dstack([samples[..., :-1], alpha]))
    what = f"{name}, {depth} bits, multiplied by alpha"
    return Picture(
        f"{name}_{depth}_times.tif", what, content, right, opaque, depth, bound=2.1 / top
    )


def _compressed_tiffs() -> Iterator[Picture]:
    for kind in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "lzma", "zstd"):
        name = kind.removeprefix("tiff_").removeprefix("adobe_")
        for samples, model in ((RGB, "rgb"), (GRAY, "gray"), (RGBA, "rgba")):
            if model != "rgb" and name != "lzw":
                continue
            content = saved(samples, "TIFF", compression=kind)
            yield Picture(f"{name}_{model}.tif", f"{model}, {name}", content, *_split(samples))
    content = saved(SMOOTH, "TIFF", compression="jpeg", quality=98)
    yield Picture("jpeg.tif", "JPEG inside", content, SMOOTH / 255, bound=_NEAR)
    ink = Pillow.fromarray(GRAY > 100)
    for kind in ("group3", "group4", "tiff_lzw"):
        yield Picture(
            f"fax_{kind}.tif", f"1 bit, {kind}",
            saved(ink, "TIFF", compression=kind), (GRAY > 100).astype(float),
        )  # fmt: skip
    for samples, model in ((DEEP, "rgb"), (DEEP_GRAY, "gray"), (DEEP_RGBA, "rgba")):
        what = f"{model}, 16 bits, LZW of differences"
        yield Picture(f"lzw_{model}_16.tif", what, lzw_deep(samples), *_split(samples), bits=16)
    white_is_zero = by_definition.with_short(lzw_deep(DEEP_GRAY), 262, 0)
    right = 1 - DEEP_GRAY / 65535
    yield Picture("lzw_white_16.tif", "white is zero, 16 bits, LZW", white_is_zero, right, bits=16)
    content = by_definition.with_short(lzw_deep(DEEP_RGBA), 338, 0)
    what = "RGB and a channel that is no alpha, 16 bits, LZW"
    yield Picture("lzw_extra_16.tif", what, content, DEEP_RGBA[..., :3] / 65535, bits=16)
    content = by_definition.with_short(lzw_deep(DEEP), 284, 2)
    yield Picture("lzw_planes_16.tif", "planes, 16 bits, LZW", content, error="compressed by LZW")


def lzw_deep(samples: np.ndarray) -> bytes:
    """A TIFF of 16 bits by OpenCV, which compresses differences by LZW."""
    order = samples if samples.ndim == 2 else samples[..., [2, 1, 0, 3][: samples.shape[2]]]
    return cv2.imencode(".tif", np.ascontiguousarray(order))[1].tobytes()


def _other_models() -> Iterator[Picture]:
    index = _noise(60, 1, 8)[..., 0]
    palette = Pillow.fromarray(index, "P")
    palette.putpalette(PALETTE.tobytes())
    yield Picture("palette.tif", "palette", saved(palette, "TIFF"), PALETTE[index] / 255)
    index, colors = index % 16, PALETTE[:16].T.astype(np.uint16) * 257
    content = by_definition.tiff(index, 4, 3, tags={320: ("H", colors.ravel().tolist())})
    yield Picture("palette_4.tif", "palette, 4 bits", content, PALETTE[index] / 255)
    black = 255 - RGB.max(2)
    plates = np.rint(255 * (1 - RGB / np.maximum(RGB.max(2), 1)[..., None])).astype(np.uint8)
    inks = np.dstack([plates, black])
    content = by_definition.tiff(inks, 8, 5)
    yield Picture("cmyk.tif", "CMYK, black plate filled", content, RGB / 255, bound=2.1 / 255)
    samples, seen, profile = _printed()
    content = saved(Pillow.fromarray(samples, "CMYK"), "TIFF", icc_profile=profile)
    yield Picture("cmyk_profile.tif", "CMYK with a printer's profile", content, seen, bound=_NEAR)
    pale = SMOOTH // 2 + 64  # deep colors lie between the steps of 8 bits
    lab = lab_of(pale / 255)
    stored = np.dstack([np.rint(lab[..., 0] * 2.55), np.rint(lab[..., 1:])]).astype(np.int16)
    content = by_definition.tiff(stored.astype(np.uint8), 8, 8)
    yield Picture("lab.tif", "CIE Lab", content, pale / 255, bound=4 / 255)
    weights = np.array(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    )
    ycbcr = np.rint(SMOOTH @ weights.T + [0, 128, 128]).astype(np.uint8)
    content = by_definition.tiff(ycbcr, 8, 6, tags={530: ("H", [1, 1])})
    yield Picture("ycbcr.tif", "YCbCr", content, SMOOTH / 255, bound=3 / 255)


def _floats() -> Iterator[Picture]:
    values = np.random.default_rng(61).random((H, W, 3))
    for dtype in (np.float16, np.float32, np.float64):
        given = values.astype(dtype)
        content, bits = tiff_saved(given, photometric="rgb"), 8 * given.itemsize
        yield Picture(f"float_{bits}.tif", f"RGB, floats of {bits} bits", content, given, bits=16)
    content = saved(values[..., 0].astype(np.float32), "TIFF", compression="tiff_lzw")
    yield Picture("float_lzw.tif", "gray, floats, LZW", content, values[..., 0], bits=16)
    content = tiff_saved((255 * values).astype(np.float32), photometric="rgb")
    yield Picture(
        "float_255.tif", "floats up to 255", content, error=r"from 0\.\d+ to 25\d.*divide"
    )
    holed = values.copy()
    holed[0, 0] = np.nan
    content = tiff_saved(holed.astype(np.float32), photometric="rgb")
    yield Picture("float_nan.tif", "floats, one of them NaN", content, error="from nan to nan")


def _refused_tiffs() -> Iterator[Picture]:
    twelve = _noise(62, 1, 12)[..., 0]
    content = by_definition.tiff(twelve, 12, 1)
    yield Picture("gray_12.tif", "gray, 12 bits", content, error="MINISBLACK, 1 x 12 bits")
    content = tiff_saved(DEEP.astype(np.uint32), photometric="rgb")
    yield Picture(
        "uint32.tif",
        "RGB, integers of 32 bits",
        content,
        error="RGB, 3 x 32 bits, uint32",
    )
    content = tiff_saved(DEEP_GRAY.astype(np.int16), photometric="minisblack")
    yield Picture("int16.tif", "gray, signed", content, error="16 bits, int16")
    content = by_definition.tiff(DEEP_RGBA, 16, 5)
    yield Picture("cmyk_16.tif", "CMYK, 16 bits", content, error="SEPARATED, 4 x 16 bits")
    content = by_definition.tiff(DEEP_GRAY, 16, 32803)
    yield Picture("mosaic.tif", "a sensor's mosaic", content, error="CFA, 1 x 16 bits")
    content = by_definition.tiff(GRAY, 8, 32803)
    yield Picture("mosaic_8.tif", "a sensor's mosaic", content, error="unknown pixel mode")
    content = by_definition.tiff(GRAY, 8, 1, tags={339: ("H", [2])})
    yield Picture("int8.tif", "gray, signed", content, error="8 bits, int8")
    for samples, depth in ((RGB, 8), (DEEP, 16)):
        content = by_definition.tiff(samples, depth, 1, tags={338: ("H", [0, 0])})
        what = f"3 channels without color, {depth} bits"
        yield Picture(f"bands_{depth}.tif", what, content, error="MINISBLACK, 3 x")
    content = by_definition.tiff(RGB, 8, 2, tags={254: ("I", [1])})
    yield Picture("raw.nef", "preview in a camera's raw file", content, error="preview of another")


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
        yield Picture(f"turned_{value}.jpg", what, content, SMOOTH / 255, bound=_NEAR)
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


_FAMILIES: tuple[Callable[[], Iterator[Picture]], ...] = (
    pngs, jpegs, webps_and_gifs, bmps, tiffs, orientations, damaged,
)  # fmt: skip


def zoo() -> list[Picture]:
    """All pictures; their names are different."""
    return [picture for family in _FAMILIES for picture in family()]


def read_as(picture: Picture, folder: Path) -> tuple[str, bool]:
    """What our reader makes of it, in words, and whether that is right."""
    path = folder / picture.name
    path.write_bytes(picture.content)
    try:
        found = images.read_image(path)
    except InputError as problem:
        text = str(problem).replace(f"{path}", picture.name)
        is_right = bool(picture.error) and "\n" not in text and bool(re.search(picture.error, text))
        return "refused: " + text.split(", got ")[-1].split(f" ({picture.name}")[0], is_right
    height, width = found.pixels.shape[2:]
    said = f"{width}x{height} {'gray' if found.is_gray else 'RGB'}, {found.bits} bits"
    said += ", alpha" if found.alpha is not None else ""
    return said, not picture.error and not differences(picture, found)


def differences(picture: Picture, found: images.Image) -> list[str]:
    """In what an image differs from the right answer."""
    step = 1 / (2**picture.bits - 1)
    wrong = []
    if found.pixels.shape != picture.pixels.shape:
        return [f"shape {found.pixels.shape}, not {picture.pixels.shape}"]
    off = float(np.abs(found.pixels - picture.pixels).max())
    if not off <= (picture.bound or step * 1.001):
        wrong.append(f"off by {off:.4f}")
    if (found.alpha is None) != (picture.alpha is None):
        wrong.append(f"alpha {found.alpha is not None}")
    elif found.alpha is not None and not np.abs(found.alpha - picture.alpha).max() <= step * 1.001:
        wrong.append("alpha is off")
    if (found.bits, found.is_gray) != (picture.bits, picture.is_gray):
        wrong.append(f"{found.bits} bits, gray {found.is_gray}")
    return wrong


def main() -> int:
    """Print the table, or write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="where to write the files")
    folder = parser.parse_args().folder
    pictures = zoo()
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            (folder / picture.name).write_bytes(picture.content)
        return 0
    print("| file | what it is | read as | right |\n|---|---|---|---|")
    all_right = True
    with tempfile.TemporaryDirectory() as place:
        for picture in pictures:
            said, is_right = read_as(picture, Path(place))
            all_right &= is_right
            said = said.replace("|", "\\|")
            print(f"| {picture.name} | {picture.what} | {said} | {'yes' if is_right else 'NO'} |")
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
