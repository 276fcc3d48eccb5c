"""The photographs that scikit-image ships, sharp and blurred by us; no download."""

from __future__ import annotations

import functools

import numpy as np

from restoration import images
from restoration.data import degradations
from restoration.errors import InputError, picture_packages, unknown_name

PHOTOGRAPHS = ("astronaut", "coffee", "cat", "rocket")

TRAINED_ON = (
    *("astronaut", "rocket", "motorcycle", "stained_tissue"),
    *("camera", "coins", "brick", "grass", "gravel"),  # gray
)
HELD_OUT = ("cat", "coffee")
"""Photographs of synthetic data, none of them in both."""

_LOADERS = {"motorcycle": "stereo_motorcycle", "stained_tissue": "immunohistochemistry"}
_KERNEL_PX = 15
_NOISE = 0.005


def photograph(name: str, *, height_px: int, width_px: int) -> np.ndarray:
    """The middle of a photograph, (1, 3, height_px, width_px) float32 in [0, 1].

    Raises:
        InputError: an unknown name, or a size larger than the photograph.
    """
    if name not in PHOTOGRAPHS:
        raise unknown_name("photograph", name, PHOTOGRAPHS, where="restoration/data/photographs.py")
    with picture_packages():
        import skimage.data
    pixels = images.from_array(getattr(skimage.data, name)()).pixels
    height, width = pixels.shape[2:]
    if height_px > height or width_px > width:
        raise InputError(
            f"photograph {name!r}",
            expected=f"at most {height}x{width}",
            got=f"{height_px}x{width_px}",
            where="size of the crop",
            next_step="choose a smaller size",
        )
    top, left = (height - height_px) // 2, (width - width_px) // 2
    return pixels[..., top : top + height_px, left : left + width_px]


@functools.lru_cache(maxsize=16)
def whole_photograph(name: str) -> np.ndarray:
    """A photograph as it is, (3, h, w) uint8, kept for the next one who asks."""
    with picture_packages():
        import skimage.data
    found = getattr(skimage.data, _LOADERS.get(name, name))()
    samples = found[0] if isinstance(found, tuple) else found  # of two views the left one
    if samples.ndim == 2:
        samples = np.repeat(samples[..., None], 3, axis=2)
    whole = np.ascontiguousarray(samples.transpose(2, 0, 1))
    whole.flags.writeable = False
    return whole


def sharp_and_blurred(
    names: tuple[str, ...], *, height_px: int, width_px: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Photographs and their blurred versions, both (n, 3, height_px, width_px).

    Each is blurred by a motion kernel and then by a narrow Gaussian, with a little noise.
    """
    rng = np.random.default_rng(seed)
    sharp = [photograph(name, height_px=height_px, width_px=width_px) for name in names]
    blurred = []
    for image in sharp:
        moved = degradations.blur(image, degradations.motion_kernel(_KERNEL_PX, rng))
        soft = degradations.blur(
            moved, degradations.gaussian_kernel(5, sigma_px=(0.8, 0.6), angle_rad=0.5)
        )
        blurred.append(degradations.add_noise(soft, sigma=_NOISE, rng=rng).clip(0, 1))
    return np.concatenate(sharp), np.concatenate(blurred)
