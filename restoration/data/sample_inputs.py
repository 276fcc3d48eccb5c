"""Inputs for parity runs and tests: the photographs that scikit-image ships, degraded by us."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from restoration.arrays import Arrays
from restoration.data import degradations
from restoration.data.photographs import photograph, sharp_and_blurred
from restoration.errors import picture_packages
from restoration.models import continuous
from restoration.models.continuous import ContinuousSpec
from restoration.models.encoder import EncoderSpec
from restoration.models.kernel_prediction import GAMMA
from restoration.models.model import Model
from restoration.models.nimbusr import NIMBUSRSpec, published_noise
from restoration.models.self_blind_vsr import SelfBlindVSRSpec
from restoration.models.spec import Spec

_VARYING_KERNELS = 4
_VARYING_KERNEL_PX = 9
_FASTEST_PX = 3.0  # of a moving picture, from frame to frame
_REDUCTION = 3.7


def build(
    model: Model, spec: Spec, *, height_px: int, width_px: int, names: Sequence[str], seed: int
) -> Arrays:
    """The inputs of a network from photographs, as its model says."""
    make = getattr(sys.modules[__name__], model.sample_inputs)
    inputs: Arrays = make(
        spec, height_px=height_px, width_px=width_px, names=tuple(names), seed=seed
    )
    return inputs


def beside(model: Model, spec: Spec, image: np.ndarray, *, seed: int) -> Arrays:
    """What a network needs beside pictures (n, 3, h, w), made up; empty for most."""
    if not model.needs:
        return {}
    height, width = model.result_size(spec, *image.shape[2:])
    return varying_kernels(len(image), height, width, seed=seed)


def linearized_photographs(
    spec: Spec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The input of kernel prediction: {"image": (n, 3, h, w) raised to 2.2, minus 0.5}."""
    _, blurred = sharp_and_blurred(names, height_px=height_px, width_px=width_px, seed=seed)
    return {"image": blurred**GAMMA - np.float32(0.5)}


def varying_blur(
    spec: NIMBUSRSpec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The inputs of NIMBUSR: photographs whose blur changes smoothly from place to place.

    The masks are soft and sum to one, the kernels are motion kernels. The photographs are blurred
    by one of them each, and reduced by leaving out pixels.
    """
    wide = spec.scale * height_px, spec.scale * width_px
    blur = varying_kernels(len(names), *wide, seed=seed)
    images = [
        degradations.blur(photograph(name, height_px=wide[0], width_px=wide[1]), kernels[0])
        for name, kernels in zip(names, blur["kernels"].astype(np.float64), strict=True)
    ]
    image = np.concatenate(images)[..., :: spec.scale, :: spec.scale].clip(0, 1)
    return {"image": image, **blur}


def varying_kernels(count: int, height: int, width: int, *, seed: int) -> Arrays:
    """A blur that changes smoothly over images of a size: masks, kernels and the noise `sigma`."""
    rng = np.random.default_rng(seed)
    size_px = min(_VARYING_KERNEL_PX, 2 * min(height, width) - 1)
    kernels = np.stack(
        [
            [degradations.motion_kernel(size_px, rng) for _ in range(_VARYING_KERNELS)]
            for _ in range(count)
        ]
    )
    heights = rng.standard_normal((count, _VARYING_KERNELS, height, width))
    with picture_packages():
        from scipy.ndimage import gaussian_filter
    smooth = gaussian_filter(heights, sigma=(0, 0, height / 8, width / 8))
    masks = np.exp(smooth * 4 / smooth.std())
    return {
        "masks": (masks / masks.sum(1, keepdims=True)).astype(np.float32),
        "kernels": kernels.astype(np.float32),
        "sigma": published_noise(count),
    }


def moving_clip(
    spec: SelfBlindVSRSpec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
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
    with picture_packages():
        from scipy.ndimage import shift
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


def normalized_photographs(
    spec: EncoderSpec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The input of an encoder: {"image": (n, 3 or 1, h, w)} with the intensities of the spec."""
    sharp = [photograph(name, height_px=height_px, width_px=width_px) for name in names]
    black, white = spec.intensities
    image = np.concatenate(sharp)[:, : spec.image_channels]
    return {"image": (white - black) * image + black}


def enlarged_photographs(
    spec: ContinuousSpec, *, height_px: int, width_px: int, names: tuple[str, ...], seed: int
) -> dict[str, np.ndarray]:
    """The inputs of a continuous network that enlarges photographs to a size, about 3.7 times."""
    height, width = (max(round(size / _REDUCTION), 5) for size in (height_px, width_px))
    small = [photograph(name, height_px=height, width_px=width) for name in names]
    image = 2 * np.concatenate(small) - 1
    return continuous.enlarge(spec, image, height=height_px, width=width_px)
