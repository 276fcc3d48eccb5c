"""Every picture of the zoo is read right, and written so that other libraries read it right."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from restoration import images
from restoration.errors import InputError
from tests.zoo import picture_base as base
from tests.zoo import picture_bytes, pictures
from tests.zoo.picture_base import Picture

ZOO = {picture.name: picture for picture in pictures.zoo()}
READABLE = [picture for picture in ZOO.values() if not picture.error]
THUMBNAIL = b"\xff\xd8THUMBNAIL\xff\xd9"
PROFILE = base.swapped_profile()
DATE = "2024:05:06 07:08:09"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff='
    b'"http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" tiff:Orientation = "6" '
    b'tiff:ImageWidth="21" exif:PixelXDimension="21" xmp:Rating="4">'
    b"<exif:PixelYDimension>29</exif:PixelYDimension><xmp:Thumbnails><rdf:Alt><rdf:li>"
    b"THUMBNAIL</rdf:li></rdf:Alt></xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta>"
)
TAGS: dict[int, tuple[str, Any]] = {
    271: ("s", b"Zoo cameras\0"),
    274: ("H", [6]),
    282: ("R", [300, 1]),
    283: ("R", [300, 1]),
    296: ("H", [2]),
    306: ("s", DATE.encode() + b"\0"),
}
BLOCKS: dict[int, dict[int, tuple[str, Any]]] = {
    0x8769: {
        0x829A: ("R", [1, 250]),
        0x9003: ("s", DATE.encode() + b"\0"),
        0xA002: ("I", [21]),
        0xA003: ("I", [29]),
    },
    0x8825: {1: ("s", b"N\0"), 2: ("R", [52, 1, 31, 1, 12, 1])},
}


def test_the_zoo_is_large_and_its_names_differ() -> None:
    assert len(ZOO) == len(pictures.zoo()) >= 200


def test_the_table_of_the_docs_is_what_the_command_prints() -> None:
    rows = pictures.table()
    assert not [row for row in rows if row.endswith("| NO |")]
    text = (Path(__file__).parents[2] / "docs" / "images.md").read_text(encoding="utf-8")
    assert text.endswith("\n".join(["", *rows, ""]))


@pytest.mark.parametrize("name", ZOO)
def test_reading(tmp_path: Path, name: str) -> None:
    picture, path = ZOO[name], tmp_path / name
    path.write_bytes(picture.content)
    if not picture.error:
        assert pictures.differences(picture, images.read_image(path)) == []
        return
    with pytest.raises(InputError) as caught:
        images.read_image(path)
    text = str(caught.value)
    assert re.search(picture.error, text)
    assert name in text
    assert "\n" not in text


def elsewhere(path: Path) -> np.ndarray:
    """Samples (h, w, c) by a library that did not write the file, all of them upright."""
    if path.suffix == ".tif":
        samples = tifffile.imread(path)
    else:
        samples = _red_first(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED))
    return samples.reshape(*samples.shape[:2], -1)


def _red_first(samples: np.ndarray) -> np.ndarray:
    """OpenCV's samples as (h, w, c)."""
    samples = samples.reshape(*samples.shape[:2], -1)
    return samples[..., [2, 1, 0, 3][: samples.shape[2]]] if samples.shape[2] > 1 else samples


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("picture", READABLE, ids=lambda picture: picture.name)
@pytest.mark.filterwarnings("ignore:.*is written without")
def test_writing_without_loss(tmp_path: Path, picture: Picture, suffix: str) -> None:
    (tmp_path / picture.name).write_bytes(picture.content)
    path = tmp_path / f"written{suffix}"
    images.write_image(path, images.read_image(tmp_path / picture.name))
    found = elsewhere(path)
    top = 2**picture.bits - 1
    assert found.dtype == (np.uint16 if picture.bits == 16 else np.uint8)
    right = picture.pixels[0].transpose(1, 2, 0)
    if picture.is_gray and found.shape[2] < 3:
        right = right[..., :1]
    step = 1 / top
    bound = picture.bound or step * 1.001
    assert np.abs(found[..., : right.shape[2]] / top - right).max() <= bound
    assert found.shape[2] == right.shape[2] + (picture.alpha is not None)
    if picture.alpha is not None:
        assert np.abs(found[..., -1] / top - picture.alpha).max() <= step * 1.001
    if suffix == ".tif" and picture.bits == 8:
        assert np.array_equal(np.asarray(Pillow.open(path)), found.squeeze())
    elif suffix == ".tif" and found.shape[2] != 2:  # OpenCV has no gray with alpha
        by_opencv = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(_red_first(by_opencv), found)
    if suffix == ".png":
        expected = 4 * (picture.alpha is not None) + 2 * (not picture.is_gray)
        assert path.read_bytes()[25] == expected  # color type


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.filterwarnings("ignore:.*cannot hold (16 bits|alpha)")
def test_writing_what_loses(tmp_path: Path, channels: int, dtype: Any, suffix: str) -> None:
    """Formats of 8 bits, most of them without alpha, some without gray."""
    smooth, top = base.smooth(dtype), np.iinfo(dtype).max
    alpha = np.where(np.arange(base.W) < 9, top // 2, top).astype(dtype)
    planes = [smooth[..., channel] for channel in range(1 if channels < 3 else 3)]
    planes += [np.broadcast_to(alpha, smooth.shape[:2])] * (channels in (2, 4))
    path = tmp_path / f"out{suffix}"
    images.write_image(path, images.from_array(np.dstack(planes)))
    found = elsewhere(path) / 255
    colors = min(found.shape[2], 3)
    assert colors == (3 if channels > 2 or suffix == ".webp" else 1)
    right = smooth[..., :1] if channels < 3 else smooth
    bound = {".bmp": 0.51 / 255, ".jpg": 0.02, ".webp": 0.05}[suffix]
    assert np.abs(found[..., :colors] - right / top).max() <= bound + 1 / top
    assert (found.shape[2] == 4) == (suffix == ".webp" and channels in (2, 4))
    if found.shape[2] == 4:
        assert np.abs(found[..., 3] - alpha / top).max() <= 0.51 / 255


def _photographs() -> dict[str, bytes]:
    """A photograph in each format, turned by the camera, with all that a file can say."""
    stored, deep = base.turned(base.SMOOTH, 6), base.turned(base.DEEP, 6)
    block = picture_bytes.exif(TAGS, BLOCKS, thumbnail=THUMBNAIL)
    compressed = b"p\0\0" + zlib.compress(PROFILE)
    chunks = [
        (b"iCCP", compressed),
        (b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
        (b"eXIf", block[6:]),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
    ]
    said = {"icc_profile": PROFILE, "exif": block, "xmp": XMP}
    tags = {**TAGS, 34675: ("b", PROFILE), 700: ("b", XMP)}
    return {
        "photo.png": picture_bytes.png(stored, 2, 8, before=chunks),
        "photo_16.png": picture_bytes.png(deep, 2, 16, before=chunks),
        "photo.jpg": base.saved(stored, "JPEG", quality=98, subsampling=0, dpi=(300, 300), **said),
        "photo.webp": base.saved(stored, "WEBP", lossless=True, **said),
        "photo.tif": picture_bytes.tiff(stored, 8, 2, tags=tags, blocks=BLOCKS),
        "photo_16.tif": picture_bytes.tiff(deep, 16, 2, tags=tags, blocks=BLOCKS),
        "photo_big.tif": picture_bytes.tiff(stored, 8, 2, order=">", tags=tags, blocks=BLOCKS),
        "photo_big_16.tif": picture_bytes.tiff(deep, 16, 2, order=">", tags=tags, blocks=BLOCKS),
    }


PHOTOGRAPHS = _photographs()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.filterwarnings("ignore:.*cannot hold 16 bits$")
def test_what_a_file_says_is_kept(tmp_path: Path, name: str, suffix: str) -> None:
    (tmp_path / name).write_bytes(PHOTOGRAPHS[name])
    path = tmp_path / f"written{suffix}"
    images.write_image(path, images.read_image(tmp_path / name))
    content = path.read_bytes()
    said = picture_bytes.said_by(content)
    assert said["icc"] == PROFILE
    assert said["dpi"] == pytest.approx((300, 300), abs=0.01)
    exif = said["exif"]
    assert (exif[306], exif[271]) == (DATE, "Zoo cameras")
    assert exif[0x8769]["DateTimeOriginal"] == DATE
    assert exif[0x8769]["ExposureTime"] == (1, 250)
    assert exif[0x8825]["GPSLatitude"] == (52, 1, 31, 1, 12, 1)
    assert exif[0x8825]["GPSLatitudeRef"] == "N"
    assert b'xmp:Rating="4"' in said["xmp"]
    # Nothing turns the picture again, tells another size, or shows it as it was.
    assert exif.get(274, 1) == 1
    assert b'tiff:Orientation = "1"' in said["xmp"]
    assert not {"PixelXDimension", "PixelYDimension"} & set(exif[0x8769])
    assert not re.search(b"PixelXDim|PixelYDim|ImageWidth|Thumbnails", said["xmp"])
    assert said["pages"] == 1
    assert b"THUMBNAIL" not in content
    upright = base.DEEP if "16" in name else base.SMOOTH
    right = upright / np.iinfo(upright.dtype).max
    shown = elsewhere(path)
    if suffix in (".png", ".tif") or "16" not in name:
        bound = 0.04 if suffix in (".jpg", ".webp") else 0.02 * name.endswith("jpg") + 1e-6
        assert np.abs(shown / np.iinfo(shown.dtype).max - right).max() <= bound
    assert shown.shape == right.shape


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_blocks_within_blocks_are_kept(tmp_path: Path, suffix: str) -> None:
    """Cameras say Adobe RGB in a block within the block of the camera."""
    exif = Pillow.Exif()
    exif[0x8769] = {0x9003: DATE, 0x927C: b"maker's note", 0xA005: {1: "R03", 2: b"0100"}}
    (tmp_path / "in.jpg").write_bytes(base.saved(base.SMOOTH, "JPEG", exif=exif))
    path = tmp_path / f"out{suffix}"
    images.write_image(path, images.read_image(tmp_path / "in.jpg"))
    with Pillow.open(path) as written:
        found = written.getexif()
        assert found.get_ifd(0x8769)[0x927C] == b"maker's note"
        assert found.get_ifd(0xA005)[1] == "R03"


def test_bmp_keeps_the_resolution_and_says_what_it_loses(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(PHOTOGRAPHS["photo.png"])
    path = tmp_path / "written.bmp"
    with pytest.warns(UserWarning, match=r"\.bmp cannot hold EXIF, XMP, a color profile$"):
        images.write_image(path, images.read_image(tmp_path / "photo.png"))
    assert struct.unpack_from("<II", path.read_bytes(), 38) == (11811, 11811)
    assert np.array_equal(elsewhere(path), base.SMOOTH)


def test_an_enlarged_photograph_is_shown_in_the_same_colors(tmp_path: Path) -> None:
    for name in ("photo.jpg", "photo_16.tif"):
        (tmp_path / name).write_bytes(PHOTOGRAPHS[name])
        image = images.read_image(tmp_path / name)
        larger = replace(image, pixels=image.pixels.repeat(3, 2).repeat(3, 3))
        images.write_image(tmp_path / f"larger_{name}", larger)
        before, after = _seen(tmp_path / name), _seen(tmp_path / f"larger_{name}")
        assert after.shape == (3 * base.H, 3 * base.W, 3)
        shown = after[1::3, 1::3].astype(int)
        if "16" not in name:
            before = np.rot90(before, -1)  # as orientation 6 says
            assert np.abs(shown - before).mean() < 2
        else:
            assert np.abs(elsewhere(tmp_path / f"larger_{name}")[1::3, 1::3] - base.DEEP).max() == 0


def _seen(path: Path) -> np.ndarray:
    """What a viewer that knows of profiles shows, not turned."""
    if path.name.endswith("16.tif"):
        return tifffile.imread(path)
    shown = Pillow.open(path)
    source = ImageCms.ImageCmsProfile(io.BytesIO(shown.info["icc_profile"]))
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(shown.convert("RGB"), source, target))


def test_a_converted_picture_loses_its_printers_profile(tmp_path: Path) -> None:
    for name in ("cmyk_profile.jpg", "cmyk_profile.tif"):
        (tmp_path / name).write_bytes(ZOO[name].content)
        images.write_image(tmp_path / "out.png", images.read_image(tmp_path / name))
        assert picture_bytes.said_by((tmp_path / "out.png").read_bytes())["icc"] == b""


@pytest.mark.parametrize("name", ["palette.tif", "ycbcr.tif"])
def test_colors_written_in_another_way_keep_their_profile(tmp_path: Path, name: str) -> None:
    with Pillow.open(io.BytesIO(ZOO[name].content)) as picture:
        content = base.saved(picture, "TIFF", icc_profile=PROFILE)
    (tmp_path / name).write_bytes(content)
    images.write_image(tmp_path / "out.png", images.read_image(tmp_path / name))
    assert picture_bytes.said_by((tmp_path / "out.png").read_bytes())["icc"] == PROFILE
    found = elsewhere(tmp_path / "out.png").transpose(2, 0, 1)[None] / 255
    assert np.abs(found - ZOO[name].pixels).max() <= (ZOO[name].bound or 0) + 1e-6


def test_a_profile_of_gray_stays_with_gray(tmp_path: Path) -> None:
    profile, image = picture_bytes.gray_profile(), tmp_path / "gray.png"
    ImageCms.ImageCmsProfile(io.BytesIO(profile))  # it is one
    image.write_bytes(base.saved(base.GRAY, "PNG", icc_profile=profile))
    read = images.read_image(image)
    for suffix in (".png", ".tif", ".jpg"):
        images.write_image(tmp_path / f"out{suffix}", read)
        assert picture_bytes.said_by((tmp_path / f"out{suffix}").read_bytes())["icc"] == profile
    for name, given in (("out.webp", read), ("color.png", replace(read, is_gray=False))):
        with pytest.warns(UserWarning, match="cannot hold a profile of gray in color"):
            images.write_image(tmp_path / name, given)
        assert picture_bytes.said_by((tmp_path / name).read_bytes())["icc"] == b""


def test_what_reading_left_out_is_said_when_it_is_written(tmp_path: Path) -> None:
    left_out = {
        "pages_16.tif": "the pages after the first",
        "animated.gif": "the frames after the first",
        "animated.png": "the frames after the first",
        "animated.webp": "the frames after the first",
        "phone.jpg": "the frames after the first",
        "extra_8.tif": "a channel that is no alpha",
        "float_32.tif": "floating-point samples",
        "linear.png": "the gamma and primaries of its PNG",
        "damaged_exif.jpg": "EXIF, which is damaged",
    }
    for name, text in left_out.items():
        (tmp_path / name).write_bytes(ZOO[name].content)
        with pytest.warns(UserWarning, match=f"out.png is written without {text}$"):
            images.write_image(tmp_path / "out.png", images.read_image(tmp_path / name))


def test_most_files_are_written_without_a_warning(tmp_path: Path) -> None:
    for name in ("rgb_16.png", "gray_alpha_16.png", "plain.jpg", "lossless.webp", "rgba_16.tif"):
        (tmp_path / name).write_bytes(ZOO[name].content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            images.write_image(tmp_path / f"out_{name}", images.read_image(tmp_path / name))


def _tables(content: bytes) -> dict[int, list[int]]:
    return Pillow.open(io.BytesIO(content)).quantization  # type: ignore[attr-defined]


def test_quality_of_jpeg(tmp_path: Path) -> None:
    """A finer source keeps its tables; all others, of any format, are written at 95."""
    usual = _tables(base.saved(base.SMOOTH, "JPEG", quality=95))
    path = tmp_path / "out.jpg"
    for quality in (30, 75, 95, 97, 100):
        content = base.saved(base.SMOOTH, "JPEG", quality=quality, subsampling=2)
        (tmp_path / "in.jpg").write_bytes(content)
        images.write_image(path, images.read_image(tmp_path / "in.jpg"))
        assert _tables(path.read_bytes()) == (_tables(content) if quality > 95 else usual)
    images.write_image(path, images.from_array(base.SMOOTH))
    assert _tables(path.read_bytes()) == usual
    images.write_image(path, images.from_array(base.SMOOTH), quality=60)
    assert _tables(path.read_bytes()) == _tables(base.saved(base.SMOOTH, "JPEG", quality=60))
    # A gray source has one table, which serves all channels once it has colors.
    (tmp_path / "in.jpg").write_bytes(base.saved(base.GRAY, "JPEG", quality=98))
    colored = replace(images.read_image(tmp_path / "in.jpg"), is_gray=False)
    images.write_image(path, replace(colored, pixels=images.from_array(base.SMOOTH).pixels))
    assert np.abs(elsewhere(path) / 255 - base.SMOOTH / 255).max() < 0.02


def test_quality_is_a_number_of_percent() -> None:
    for quality in (0, 101):
        with pytest.raises(InputError, match=f"expected 1 to 100, got {quality}"):
            images.write_image("out.jpg", images.from_array(base.RGB), quality=quality)


def test_a_lossless_webp_stays_so(tmp_path: Path) -> None:
    for name in ("lossless.webp", "lossless_alpha.webp", "animated.webp", "turned_3.webp"):
        (tmp_path / name).write_bytes(ZOO[name].content)
        image = images.read_image(tmp_path / name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images.write_image(tmp_path / "out.webp", image)
        right = base.RGBA if image.alpha is not None else base.RGB
        assert np.array_equal(elsewhere(tmp_path / "out.webp"), right)
    images.write_image(tmp_path / "out.webp", image, quality=90)
    assert b"VP8L" not in (tmp_path / "out.webp").read_bytes()
    (tmp_path / "in.webp").write_bytes(ZOO["lossy.webp"].content)
    images.write_image(tmp_path / "out.webp", images.read_image(tmp_path / "in.webp"))
    assert b"VP8 " in (tmp_path / "out.webp").read_bytes()
    off = np.abs(elsewhere(tmp_path / "out.webp").astype(int) - base.SMOOTH)
    assert off.mean() < 2


def test_a_picture_with_nan_is_refused_with_their_number(tmp_path: Path) -> None:
    holed = base.RGB.astype(np.float32) / 255
    holed[0, 0], holed[1, 1, 0] = np.nan, np.inf
    with pytest.raises(InputError, match="got 4 that are NaN or infinite"):
        images.write_image(tmp_path / "out.png", images.from_array(holed))


def test_what_a_format_cannot_hold_is_an_error_in_one_line(tmp_path: Path) -> None:
    wide = images.Image(np.zeros((1, 3, 1, 70000), np.float32))
    for name in ("out.webp", "out.jpg"):
        with pytest.raises(
            InputError, match=r"got 70000x1 pixels: .+; write \.png or \.tif"
        ) as caught:
            images.write_image(tmp_path / name, wide)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    images.write_image(tmp_path / "out.png", wide)  # the advice
    assert elsewhere(tmp_path / "out.png").shape == (1, 70000, 3)


def test_exif_too_long_for_jpeg_is_left_out_and_said(tmp_path: Path) -> None:
    long = dict(BLOCKS[0x8769]) | {0x927C: ("b", b"x" * 70000)}
    block = picture_bytes.exif(TAGS, {0x8769: long}, thumbnail=THUMBNAIL)
    content = picture_bytes.png(base.RGB, 2, 8, before=[(b"eXIf", block[6:])])
    (tmp_path / "in.png").write_bytes(content)
    with pytest.warns(UserWarning, match=r"\.jpg cannot hold EXIF$"):
        images.write_image(tmp_path / "out.jpg", images.read_image(tmp_path / "in.png"))
    assert picture_bytes.said_by((tmp_path / "out.jpg").read_bytes())["exif"] == {}


def test_colors_of_a_gray_picture(tmp_path: Path) -> None:
    """A network makes the channels of gray differ a little, which is averaged; colors are said."""
    gray = images.from_array(base.GRAY)
    shifted = gray.pixels + np.float32([0.01, 0, -0.01]).reshape(1, 3, 1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.write_image(tmp_path / "out.png", replace(gray, pixels=shifted.clip(0, 1)))
    assert np.abs(elsewhere(tmp_path / "out.png")[..., 0].astype(int) - base.GRAY).max() <= 1
    colored = replace(gray, pixels=images.from_array(base.RGB).pixels)
    with pytest.warns(UserWarning, match=r"without its colors, 0\.\d\d apart: is_gray is set"):
        images.write_image(tmp_path / "out.png", colored)


def test_our_limit_of_size_counts_and_can_be_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 10)
    for name in ("rgb_8.png", "rgb_16.png", "lzw_rgb.tif", "little_16.tif"):
        (tmp_path / name).write_bytes(ZOO[name].content)
        assert images.read_image(tmp_path / name).pixels.shape == (1, 3, base.H, base.W)
        with pytest.raises(InputError, match=r"0 megapixels .*max_megapixels=\) allows more"):
            images.read_image(tmp_path / name, max_megapixels=1e-6)
    assert Pillow.MAX_IMAGE_PIXELS == 10


def test_memory_is_a_few_copies(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (1000, 1500, 3), dtype=np.uint16)
    pixels_bytes = 4 * samples.size
    for name in ("a.png", "a.tif"):
        image = images.from_array(samples)
        for step in ("write", "read"):
            tracemalloc.start()
            if step == "write":
                images.write_image(tmp_path / name, image)
            else:
                image = images.read_image(tmp_path / name)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 3 * pixels_bytes, f"{step} {name}: {peak / pixels_bytes:.1f} copies"


def test_advice_is_followed(tmp_path: Path) -> None:
    """Divide floats by the value that is white."""
    (tmp_path / "a.tif").write_bytes(ZOO["float_255.tif"].content)
    tifffile.imwrite(
        tmp_path / "b.tif", tifffile.imread(tmp_path / "a.tif") / 255, photometric="rgb"
    )
    assert images.read_image(tmp_path / "b.tif").bits == 16


_ABSENT = """
import sys
import restoration.images as images
loaded = {"cv2", "PIL", "tifffile"} & set(sys.modules)
assert not loaded, loaded
from restoration.errors import UnavailableError
import numpy as np
sys.modules[sys.argv[1]] = None
for act in (
    lambda: images.read_image(sys.argv[2]),
    lambda: images.write_image(sys.argv[2], images.Image(np.zeros((1, 3, 2, 2), np.float32))),
):
    try:
        act()
    except UnavailableError as problem:
        print(problem)
"""


@pytest.mark.parametrize("library", ["cv2", "PIL", "tifffile"])
def test_decoders_are_imported_late_and_missed_in_one_line(tmp_path: Path, library: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(ZOO["rgb_8.png"].content)
    command = [sys.executable, "-c", _ABSENT, library, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == (2 if library == "PIL" else 1)  # the others are not needed to write
    for line in lines:
        assert f"expected the package {library}, got none" in line
        assert "pip install 'restoration-suite[pictures]'" in line
