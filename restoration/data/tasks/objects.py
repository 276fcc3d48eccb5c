"""Objects that move by themselves, each with a kernel of its own (NIMBUSR, kernel prediction).

Source: Laroche, Almansa, Tassano: Deep Model-Based Super-Resolution with Non-uniform Blur; and
GuillermoCarbajal/NonUniformBlurKernelEstimation, whose network J-MKPD trains on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.blur.kernel_field import KernelField
from restoration.data import degradations, kernels, streams
from restoration.data.settings import DataSettings
from restoration.data.task import HeldOut
from restoration.data.tasks.base import HELD_OUT_SEED, PictureTask, unfit
from restoration.data.transforms import cut, drawn_orientation, middle, oriented, to_intensities
from restoration.models.kernel_prediction import GAMMA, KernelPredictionSpec
from restoration.models.model import Model
from restoration.models.nimbusr import NIMBUSRSpec
from restoration.models.spec import Spec

_NO_NOISE = 1 / 9  # of the samples have none
_LEVELS = 255


@dataclass(frozen=True)
class Scene:
    """A true picture with its objects, before it is blurred; all of one size.

    sharp: (3, h, w). masks: (P, h, w), 1 where an object is, the last used one what is behind.
    """

    sharp: np.ndarray
    masks: np.ndarray


class ObjectTask(PictureTask):
    """Base: scenes of pictures and the masks of their objects, made up where there are none."""

    kinds: ClassVar[tuple[str, ...]] = ("synthetic", "pictures", "list", "lmdb")
    keys: ClassVar[frozenset[str]] = frozenset({"objects", "kernel_px"})
    needs_degraded: ClassVar[bool] = False
    smallest_object: ClassVar[float]

    @property
    def margin_px(self) -> int:
        """How far around a sample its blur comes from."""
        raise NotImplementedError

    @property
    def mask_count(self) -> int:
        """How many masks and kernels a sample has."""
        raise NotImplementedError

    def scene(self, index: int, epoch: int) -> Scene:
        """A part of a picture with its margin and its objects."""
        arrays = self.train.read(index % len(self.train))
        side, margin = self.smallest_target_px, self.margin_px
        rng = self.rng("crop", index, epoch)
        place = [
            int(rng.integers(max(whole - side, 0) + 1)) - margin
            for whole in arrays["target"].shape[1:]
        ]
        wide = side + 2 * margin
        number = drawn_orientation(self.data.augmentation, self.rng("turn", index, epoch))
        sharp = oriented(cut(arrays["target"], place[0], place[1], wide, wide), number)
        labels = arrays.get("mask")
        if labels is not None:
            labels = oriented(cut(labels, place[0], place[1], wide, wide), number)[0]
        return self._scene(sharp, labels, self.rng("objects", index, epoch))

    def held_out_scene(self, index: int) -> Scene:
        """A held-out picture, cut to its middle, with a symmetric margin and its objects."""
        arrays = self.valid.read(index)
        scale, margin = self.spec.magnification or 1, self.margin_px
        longest = self.data.valid_px * scale if self.data.valid_px else None
        parts = {name: middle(array, longest, scale) for name, array in arrays.items()}
        height, width = (side + 2 * margin for side in parts["target"].shape[1:])
        padded = {
            name: cut(array, -margin, -margin, height, width) for name, array in parts.items()
        }
        labels = padded["mask"][0] if "mask" in padded else None
        rng = streams.stream(HELD_OUT_SEED, "objects", 0, index)
        return self._scene(padded["target"], labels, rng)

    def _scene(
        self, sharp: np.ndarray, labels: np.ndarray | None, rng: np.random.Generator
    ) -> Scene:
        height, width = sharp.shape[1:]
        if labels is None:
            count = int(rng.integers(self.data.objects + 1))
            objects = [_ellipse(height, width, rng) for _ in range(count)]
        else:
            objects = [labels == label for label in np.unique(labels) if label]
        least = self.smallest_object * height * width
        objects = [one for one in objects if one.sum() > least][: self.data.objects]
        masks = np.zeros((self.mask_count, height, width))
        for place, one in enumerate(objects):
            masks[place] = one
        masks[len(objects)] = 1 - masks.sum(0).clip(0, 1)
        return Scene(to_intensities(sharp), masks)

    def inner(self, array: np.ndarray) -> np.ndarray:
        """An array without the margin."""
        margin = self.margin_px
        return array[..., margin:-margin, margin:-margin] if margin else array


class NonUniformTask(ObjectTask):
    """NIMBUSR: "image", "masks", "kernels", "sigma", and "target".

    Where noise is a range, one sample in nine has none, the others a whole level of 255 in it.
    """

    keys: ClassVar[frozenset[str]] = ObjectTask.keys | {"kernels", "noise"}
    smallest_object: ClassVar[float] = 400 / 304**2

    spec: NIMBUSRSpec

    def __init__(self, model: Model, spec: Spec, data: DataSettings, *, seed: int):
        super().__init__(model, spec, data, seed=seed)
        if data.kernels <= data.objects:
            raise unfit("kernels", "more than objects", str(data.kernels), model.name)

    @property
    def margin_px(self) -> int:
        return 24 if self.data.kernel_px > 17 else self.data.kernel_px

    @property
    def mask_count(self) -> int:
        return self.data.kernels

    def sample(self, index: int, epoch: int) -> Arrays:
        scene = self.scene(index, epoch)
        return self._blurred(scene, self.rng("degradation", index, epoch))

    def hold_out(self, index: int) -> HeldOut:
        scene = self.held_out_scene(index)
        arrays = self._blurred(scene, streams.stream(HELD_OUT_SEED, "held out", 0, index))
        truth, image = arrays.pop("target"), arrays["image"]
        scale = self.spec.scale
        return HeldOut(self.valid.name(index), arrays, truth, image, scale)

    def _blurred(self, scene: Scene, rng: np.random.Generator) -> Arrays:
        data, scale = self.data, self.spec.scale
        drawn = kernels.draw_object_kernels(data.kernels, data.kernel_px, rng, scale=scale)
        drawn = drawn.astype(np.float32)
        blurred, soft = degradations.blur_objects(scene.sharp, scene.masks, drawn)
        image = self.inner(blurred)[:, ::scale, ::scale]
        sigma = self._sigma(rng)
        noisy = image + sigma * rng.standard_normal(image.shape)
        return {
            "image": noisy.astype(np.float32)[None],
            "masks": np.ascontiguousarray(self.inner(soft)).astype(np.float32)[None],
            "kernels": drawn[None],
            "sigma": np.full((1, 1, 1, 1), sigma, np.float32),
            "target": np.ascontiguousarray(self.inner(scene.sharp))[None],
        }

    def _sigma(self, rng: np.random.Generator) -> float:
        low, high = self.data.noise_range
        if not isinstance(self.data.noise, tuple):
            return low
        is_clean = rng.random() < _NO_NOISE
        level = int(rng.integers(round(low * _LEVELS), round(high * _LEVELS) + 1))
        return 0.0 if is_clean else level / _LEVELS


@dataclass(frozen=True)
class BlurredItem(HeldOut):
    """A held-out picture whose sharp version, as light, is larger by a kernel's size less one."""

    sharp: np.ndarray | None = None


class KernelPredictionTask(ObjectTask):
    """Kernel prediction: "image", light less one half, "kernels", "masks" and "target".

    kernels (1, P, k, k), of the network's size, and masks (1, P, h, w) are true: the target (1, 3,
    h + k - 1, w + k - 1), sharp light less one half, correlated with them gives the image. P
    is the number of objects and one for what is behind, masks not used are zeros.
    """

    keys: ClassVar[frozenset[str]] = ObjectTask.keys | {"illumination"}
    smallest_object: ClassVar[float] = 0.05

    spec: KernelPredictionSpec

    def __init__(self, model: Model, spec: Spec, data: DataSettings, *, seed: int):
        super().__init__(model, spec, data, seed=seed)
        if data.kernel_px > self.spec.kernel_size:
            known = f"at most {self.spec.kernel_size}, the size of the network's kernels"
            raise unfit("kernel_px", known, str(data.kernel_px), model.name)

    @property
    def margin_px(self) -> int:
        # Half a kernel is cut off twice: what wraps around, and what the target has more.
        return 2 * (self.spec.kernel_size // 2)

    @property
    def mask_count(self) -> int:
        return self.data.objects + 1

    def sample(self, index: int, epoch: int) -> Arrays:
        scene = self.scene(index, epoch)
        return self._blurred(scene, self.rng("degradation", index, epoch))

    def hold_out(self, index: int) -> BlurredItem:
        scene = self.held_out_scene(index)
        arrays = self._blurred(scene, streams.stream(HELD_OUT_SEED, "held out", 0, index))
        shown, sharp = (displayed(arrays[name] + np.float32(0.5)) for name in ("image", "target"))
        half = self.spec.kernel_size // 2
        return BlurredItem(
            self.valid.name(index),
            {"image": arrays["image"]},
            shown,
            sharp[..., half:-half, half:-half],
            sharp=arrays["target"] + np.float32(0.5),
        )

    def picture(self, item: HeldOut, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The sharp picture, blurred by the kernels that the network finds in the blurred one."""
        assert isinstance(item, BlurredItem)
        assert item.sharp is not None
        field = KernelField(np.asarray(outputs["kernels"]), np.asarray(outputs["masks"]))
        return displayed(field.blur_inside(item.sharp))

    def _blurred(self, scene: Scene, rng: np.random.Generator) -> Arrays:
        data, size = self.data, self.spec.kernel_size
        drawn = np.stack(
            [
                kernels.fitted(degradations.motion_kernel(data.kernel_px, rng), size)
                for _ in range(self.mask_count)
            ]
        )
        brighter = 1 + data.illumination * rng.uniform(-1, 1)
        light = (scene.sharp * brighter).clip(0, 1) ** GAMMA
        blurred, soft = degradations.blur_objects(light, scene.masks, drawn)
        half = size // 2
        image = (self.inner(blurred).clip(0, 1) - 0.5).astype(np.float32)[None]
        return {
            "image": image,
            "kernels": np.ascontiguousarray(drawn[:, ::-1, ::-1]).astype(np.float32)[None],
            "masks": np.ascontiguousarray(self.inner(soft)).astype(np.float32)[None],
            "target": (light[:, half:-half, half:-half] - 0.5).astype(np.float32)[None],
        }


def displayed(light: np.ndarray) -> np.ndarray:
    """Light as intensities, both with white at 1."""
    return light.clip(0) ** np.float32(1 / GAMMA)


def _ellipse(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    center = rng.uniform(0.15, 0.85, size=2) * (height, width)
    radii = rng.uniform(0.1, 0.35, size=2) * (height, width)
    y, x = np.ogrid[:height, :width]
    inside: np.ndarray = ((y - center[0]) / radii[0]) ** 2 + ((x - center[1]) / radii[1]) ** 2 < 1
    return inside
