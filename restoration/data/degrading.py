"""Degraded pictures from true ones, by name: what a network of a kind is to undo.

Each function takes the true picture (3, h, w) float32 in [0, 1] and gives "degraded", and "mask"
(1, h, w) where only a region is degraded. A margin around the picture is seen and cut off.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from restoration.arrays import Arrays
from restoration.data import degradations
from restoration.data.settings import DataSettings
from restoration.errors import picture_packages
from restoration.images.resize import matlab_resize, pillow_resize

# Jaffe's and McGlamery's model of water, much simplified: light is lost with the way it takes, red
# first, and replaced by the color of the water.
_WATER_LOSS = np.array([1.3, 0.5, 0.35])
_WATER_COLORS = np.array([[0.05, 0.45, 0.5], [0.1, 0.5, 0.35], [0.05, 0.3, 0.55]])
_WATER_WAY = (0.4, 1.6)


def margin_px(name: str, data: DataSettings) -> int:
    """How far beyond the border of a picture its degraded version depends on."""
    return data.kernel_px // 2 if name in ("motion", "panning", "local_motion") else 0


def degrade(
    name: str, picture: np.ndarray, data: DataSettings, rng: np.random.Generator, *, scale: int = 1
) -> Arrays:
    """A picture, with its margin, degraded, without; see the module. Noise is added and clipped."""
    arrays = _FUNCTIONS[name](picture, data, rng, scale)
    low, high = data.noise_range
    if high > 0 and name != "noise":
        sigma = rng.uniform(low, high)
        arrays["degraded"] = degradations.add_noise(arrays["degraded"], sigma=sigma, rng=rng)
    if name not in ("noise", "bicubic", "bicubic_pil"):
        arrays["degraded"] = arrays["degraded"].clip(0, 1)
    return arrays


def _motion(
    picture: np.ndarray, data: DataSettings, rng: np.random.Generator, scale: int
) -> Arrays:
    kernel = degradations.motion_kernel(data.kernel_px, rng)
    return {"degraded": degradations.blur_inside(picture, kernel)}


def _panning(
    picture: np.ndarray, data: DataSettings, rng: np.random.Generator, scale: int
) -> Arrays:
    length = rng.uniform(0.5 * data.kernel_px, data.kernel_px)
    kernel = degradations.straight_kernel(data.kernel_px, length_px=length)
    return {"degraded": degradations.blur_inside(picture, kernel)}


def _local_motion(
    picture: np.ndarray, data: DataSettings, rng: np.random.Generator, scale: int
) -> Arrays:
    """An ellipse of the picture moves. Its mask is 1 where the blur is seen."""
    height, width = picture.shape[1:]
    center = rng.uniform(0.2, 0.8, size=2) * (height, width)
    radii = rng.uniform(0.15, 0.45, size=2) * (height, width)
    y, x = np.ogrid[:height, :width]
    inside = ((y - center[0]) / radii[0]) ** 2 + ((x - center[1]) / radii[1]) ** 2 < 1
    kernel = degradations.motion_kernel(data.kernel_px, rng)
    both = np.concatenate([picture, inside[None].astype(np.float32)])
    blurred = degradations.blur_inside(both, kernel)
    share = blurred[3:].clip(0, 1)
    margin = data.kernel_px // 2
    seen = picture[:, margin : height - margin, margin : width - margin]
    degraded = share * blurred[:3] + (1 - share) * seen
    return {"degraded": degraded, "mask": (share > 0.05).astype(np.float32)}


def _underwater(
    picture: np.ndarray, data: DataSettings, rng: np.random.Generator, scale: int
) -> Arrays:
    ways = rng.uniform(*_WATER_WAY, size=2)
    height, width = picture.shape[1:]
    slope = np.linspace(ways[0], ways[1], height)[:, None] * np.ones(width)
    left = np.exp(-_WATER_LOSS[:, None, None] * slope)
    color = _WATER_COLORS[rng.integers(len(_WATER_COLORS))]
    return {"degraded": (picture * left + color[:, None, None] * (1 - left)).astype(np.float32)}


def _bicubic(
    picture: np.ndarray, data: DataSettings, rng: np.random.Generator, scale: int
) -> Arrays:
    height, width = (side // scale for side in picture.shape[1:])
    reduced = matlab_resize(picture, height, width).clip(0, 1)
    return {"degraded": (np.rint(reduced * 255) / 255).astype(np.float32)}


def _bicubic_pil(
    picture: np.ndarray, data: DataSettings, rng: np.random.Generator, scale: int
) -> Arrays:
    height, width = (side // scale for side in picture.shape[1:])
    return {"degraded": pillow_resize(picture, height, width)}


def _noise(picture: np.ndarray, data: DataSettings, rng: np.random.Generator, scale: int) -> Arrays:
    sigma = rng.uniform(*data.noise_range)
    return {"degraded": degradations.add_noise(picture, sigma=sigma, rng=rng)}


def _jpeg(picture: np.ndarray, data: DataSettings, rng: np.random.Generator, scale: int) -> Arrays:
    with picture_packages():
        from PIL import Image
    levels = np.rint(picture.transpose(1, 2, 0) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=data.jpeg_quality)
    decoded = np.asarray(Image.open(file))
    return {"degraded": decoded.transpose(2, 0, 1).astype(np.float32) / np.float32(255)}


_Function = Callable[[np.ndarray, DataSettings, np.random.Generator, int], Arrays]
_FUNCTIONS: dict[str, _Function] = {
    "motion": _motion,
    "panning": _panning,
    "local_motion": _local_motion,
    "underwater": _underwater,
    "bicubic": _bicubic,
    "bicubic_pil": _bicubic_pil,
    "noise": _noise,
    "jpeg": _jpeg,
}
