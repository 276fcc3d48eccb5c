"""Inputs for parity runs and tests: the photographs that scikit-image ships, degraded by us."""

from __future__ import annotations

import numpy as np
import skimage.data
from scipy.ndimage import gaussian_filter, shift

from restoration import degrade, images, queries
from restoration.errors import InputError, unknown_name
from restoration.specs import ContinuousSpec, NimbusrSpec, SelfBlindVsrSpec, Spec

PHOTOGRAPHS = ("astronaut", "coffee", "cat", "rocket")
_KERNEL_PX = 15
_NOISE = 0.005
_VARYING_KERNELS = 4
_VARYING_KERNEL_PX = 9
_FASTEST_PX = 3.0  # of a moving picture, from frame to frame
_REDUCTION = 3.7


def photograph(name: str, *, height_px: int, width_px: int) -> np.ndarray:
    """The middle of a photograph, (1, 3, height_px, width_px) float32 in [0, 1].

    Raises:
        InputError: an unknown name, or a size larger than the photograph.
    """
    if name not in PHOTOGRAPHS:
        raise unknown_name("photograph", name, PHOTOGRAPHS, where="restoration/examples.py")
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
        moved = degrade.blur(image, degrade.motion_kernel(_KERNEL_PX, rng))
        soft = degrade.blur(moved, degrade.gaussian_kernel(5, sigma_px=(0.8, 0.6), angle_rad=0.5))
        blurred.append(degrade.add_noise(soft, sigma=_NOISE, rng=rng).clip(0, 1))
    return np.concatenate(sharp), np.concatenate(blurred)


def linearised_photographs(
    spec: Spec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The input of kernel prediction: {"image": (n, 3, h, w) raised to 2.2, minus 0.5}."""
    _, blurred = sharp_and_blurred(names, height_px=height_px, width_px=width_px, seed=seed)
    return {"image": blurred**2.2 - np.float32(0.5)}


def varying_blur(
    spec: NimbusrSpec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The inputs of NIMBUSR: photographs whose blur changes smoothly from place to place.

    The masks are soft and sum to one, the kernels are motion kernels. The photographs are blurred
    by one of them each, and reduced by leaving out pixels.
    """
    rng = np.random.default_rng(seed)
    size_px = min(_VARYING_KERNEL_PX, 2 * min(height_px, width_px) - 1)
    kernels = np.stack(
        [
            [degrade.motion_kernel(size_px, rng) for _ in range(_VARYING_KERNELS)]
            for _ in range(len(names))
        ]
    )
    wide = spec.scale * height_px, spec.scale * width_px
    heights = rng.standard_normal((len(names), _VARYING_KERNELS, *wide))
    smooth = gaussian_filter(heights, sigma=(0, 0, wide[0] / 8, wide[1] / 8))
    masks = np.exp(smooth * 4 / smooth.std())
    images = [
        degrade.blur(photograph(name, height_px=wide[0], width_px=wide[1]), kernel[0])
        for name, kernel in zip(names, kernels, strict=True)
    ]
    return {
        "image": np.concatenate(images)[..., :: spec.scale, :: spec.scale].clip(0, 1),
        "masks": (masks / masks.sum(1, keepdims=True)).astype(np.float32),
        "kernels": kernels.astype(np.float32),
        "sigma": np.full((len(names), 1, 1, 1), 0.01, np.float32),
    }


def moving_clip(
    spec: SelfBlindVsrSpec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The input of video super-resolution: {"frames": (n, t, 3, h, w)}."""
    frames = _moving(names, spec.frames, height_px=height_px, width_px=width_px, seed=seed)
    return {"frames": frames}


def moving_pair(
    spec: Spec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The inputs of optical flow: {"first": (n, 3, h, w), "second": (n, 3, h, w)}."""
    frames = _moving(names, 2, height_px=height_px, width_px=width_px, seed=seed)
    return {"first": frames[:, 0], "second": frames[:, 1]}


def _moving(
    names: tuple[str, ...], count: int, *, height_px: int, width_px: int, seed: int
) -> np.ndarray:
    """Clips of a window that moves over a photograph, not by whole pixels, (n, count, 3, h, w)."""
    speed_px = np.random.default_rng(seed).uniform(0.5, _FASTEST_PX, size=2)
    margin_px = int(count * _FASTEST_PX)
    clips = []
    for name in names:
        (scene,) = photograph(name, height_px=height_px + margin_px, width_px=width_px + margin_px)
        places = [place * speed_px for place in range(count)]
        views = [shift(scene, (0, -y, -x), order=1)[:, :height_px, :width_px] for y, x in places]
        clips.append(views)
    return np.array(clips, np.float32)


def blurred_photographs(
    spec: Spec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The input of a single-image deblurring network: {"image": (n, 3, h, w)}."""
    _, blurred = sharp_and_blurred(names, height_px=height_px, width_px=width_px, seed=seed)
    return {"image": blurred}


def normalised_photographs(
    spec: Spec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The input of an encoder: {"image": (n, 3, h, w) in [-1, 1]}."""
    sharp = [photograph(name, height_px=height_px, width_px=width_px) for name in names]
    return {"image": 2 * np.concatenate(sharp) - 1}


def enlarged_photographs(
    spec: ContinuousSpec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The inputs of a continuous network that enlarges photographs to a size, about 3.7 times."""
    height, width = (max(round(size / _REDUCTION), 5) for size in (height_px, width_px))
    small = [photograph(name, height_px=height, width_px=width) for name in names]
    image = 2 * np.concatenate(small) - 1
    return queries.enlarge(spec, image, height=height_px, width=width_px)
