"""TIFF of the kinds that the world has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image as Pillow

from tests.zoo import picture_bytes as by_definition
from tests.zoo.picture_base import (
    DEEP,
    DEEP_GRAY,
    DEEP_GRAY_ALPHA,
    DEEP_RGBA,
    GRAY,
    GRAY_ALPHA,
    NEAR,
    PALETTE,
    RGB,
    RGBA,
    SMOOTH,
    H,
    Picture,
    W,
    lab_of,
    lzw_deep,
    noise,
    printed_inks,
    saved,
    split,
    tiff_saved,
)


def tiffs() -> Iterator[Picture]:
    for photometric, name in ((1, "gray"), (0, "white_is_zero")):
        for depth in (1, 2, 4, 8, 16):
            samples = noise(50 + depth, 1, depth)[..., 0]
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
            yield Picture(f"{name}_{depth}.tif", what, content, *split(samples), bits=depth)
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
                *split(samples), bits=depth,
            )  # fmt: skip
        pages = np.stack([samples, np.iinfo(samples.dtype).max - samples])
        yield Picture(
            f"pages_{depth}.tif", f"2 pages of RGB, {depth} bits",
            tiff_saved(pages, photometric="rgb"), *split(samples), bits=depth,
        )  # fmt: skip
        extra = samples[..., :1].copy()
        yield Picture(
            f"extra_{depth}.tif", f"RGB and a channel that is no alpha, {depth} bits",
            by_definition.tiff(np.dstack([samples, extra]), depth, 2, tags={338: ("H", [0])}),
            *split(samples), bits=depth,
        )  # fmt: skip
    for samples, depth in ((GRAY, 8), (DEEP_GRAY, 16)):
        pages = np.stack([samples, samples // 2, samples // 3])
        content = tiff_saved(pages, photometric="minisblack")
        yield Picture(f"pages_gray_{depth}.tif", "3 gray pages", content, *split(samples), depth)
    with_alpha = ((GRAY_ALPHA, 8), (DEEP_GRAY_ALPHA, 16), (RGBA, 8), (DEEP_RGBA, 16))
    for samples, depth in with_alpha:
        photometric = 1 if samples.shape[2] == 2 else 2
        name = {1: "gray_alpha", 2: "rgba"}[photometric]
        content = by_definition.tiff(samples, depth, photometric, tags={338: ("H", [2])})
        yield Picture(
            f"{name}_{depth}.tif", f"{name}, {depth} bits", content, *split(samples), depth
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
    right, opaque = split(np.dstack([samples[..., :-1], alpha]))
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
            yield Picture(f"{name}_{model}.tif", f"{model}, {name}", content, *split(samples))
    content = saved(SMOOTH, "TIFF", compression="jpeg", quality=98)
    yield Picture("jpeg.tif", "JPEG inside", content, SMOOTH / 255, bound=NEAR)
    ink = Pillow.fromarray(GRAY > 100)
    for kind in ("group3", "group4", "tiff_lzw"):
        yield Picture(
            f"fax_{kind}.tif", f"1 bit, {kind}",
            saved(ink, "TIFF", compression=kind), (GRAY > 100).astype(float),
        )  # fmt: skip
    for samples, model in ((DEEP, "rgb"), (DEEP_GRAY, "gray"), (DEEP_RGBA, "rgba")):
        what = f"{model}, 16 bits, LZW of differences"
        yield Picture(f"lzw_{model}_16.tif", what, lzw_deep(samples), *split(samples), bits=16)
    white_is_zero = by_definition.with_short(lzw_deep(DEEP_GRAY), 262, 0)
    right = 1 - DEEP_GRAY / 65535
    yield Picture("lzw_white_16.tif", "white is zero, 16 bits, LZW", white_is_zero, right, bits=16)
    content = by_definition.with_short(lzw_deep(DEEP_RGBA), 338, 0)
    what = "RGB and a channel that is no alpha, 16 bits, LZW"
    yield Picture("lzw_extra_16.tif", what, content, DEEP_RGBA[..., :3] / 65535, bits=16)
    content = by_definition.with_short(lzw_deep(DEEP), 284, 2)
    yield Picture("lzw_planes_16.tif", "planes, 16 bits, LZW", content, error="compressed by LZW")


def _other_models() -> Iterator[Picture]:
    index = noise(60, 1, 8)[..., 0]
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
    samples, seen, profile = printed_inks()
    content = saved(Pillow.fromarray(samples, "CMYK"), "TIFF", icc_profile=profile)
    yield Picture("cmyk_profile.tif", "CMYK with a printer's profile", content, seen, bound=NEAR)
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
    twelve = noise(62, 1, 12)[..., 0]
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
