"""What pictures of the zoo are made of: arrays, what is in a file, and the right answer."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from tests.zoo import picture_bytes as by_definition

H, W = 21, 29
ORIENTATION = 0x0112
NEAR = 4 / 255  # of JPEG at quality 98, on a smooth picture
NEAR_HALF = 9 / 255  # of color at half the resolution: WebP, most JPEG

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


def noise(seed: int, channels: int, depth: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    dtype = np.uint16 if depth > 8 else np.uint8
    samples = rng.integers(0, 2**depth, (H, W, channels), dtype=dtype)
    samples[0, 0], samples[0, 1] = 0, 2**depth - 1
    return samples


def smooth(dtype: Any = np.uint8) -> np.ndarray:
    """A colored gradient, which a lossy format holds well."""
    y, x = np.mgrid[0:H, 0:W] / np.array([H, W]).reshape(2, 1, 1)
    color = np.stack([0.2 + 0.6 * x, 0.8 - 0.5 * y, 0.3 + 0.4 * x * y], axis=2)
    return np.rint(color * np.iinfo(dtype).max).astype(dtype)


RGB, RGBA, DEEP, DEEP_RGBA = noise(1, 3, 8), noise(2, 4, 8), noise(3, 3, 16), noise(4, 4, 16)
GRAY, DEEP_GRAY = noise(5, 1, 8)[..., 0], noise(6, 1, 16)[..., 0]
GRAY_ALPHA, DEEP_GRAY_ALPHA = noise(7, 2, 8), noise(8, 2, 16)
SMOOTH = smooth()
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


def split(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Colors and alpha in [0, 1]."""
    scaled = samples / np.iinfo(samples.dtype).max
    if samples.ndim == 2:
        return scaled, None
    alpha = scaled[..., -1] if samples.shape[2] in (2, 4) else None
    colors = scaled if alpha is None else scaled[..., :-1]
    return (colors[..., 0] if colors.shape[2] == 1 else colors), alpha


def printed_inks() -> tuple[np.ndarray, np.ndarray, bytes]:
    """Areas of full inks (h, w, 4), the sRGB colors that they print as, and the profile."""
    rng = np.random.default_rng(30)
    corners = rng.integers(70, 190, (2, 2, 2, 2, 3)) / 255
    corners[0, 0, 0, 0], corners[1, 1, 1, 1] = 1.0, 0.05
    on = np.repeat(np.repeat(rng.integers(0, 2, (2, 3, 4)), 16, 0), 16, 1)
    profile = by_definition.ink_profile(lab_of(corners))
    return (255 * on).astype(np.uint8), corners[tuple(on.transpose(2, 0, 1))], profile


def lzw_deep(samples: np.ndarray) -> bytes:
    """A TIFF of 16 bits by OpenCV, which compresses differences by LZW."""
    order = samples if samples.ndim == 2 else samples[..., [2, 1, 0, 3][: samples.shape[2]]]
    return cv2.imencode(".tif", np.ascontiguousarray(order))[1].tobytes()
