"""Pictures and degraded ones of the same size: deblurring, underwater pictures, denoising, JPEG."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.data.settings import DataSettings
from restoration.data.task import HeldOut
from restoration.data.tasks.base import PictureTask, unfit
from restoration.data.transforms import cut, drawn_orientation, oriented, to_intensities
from restoration.images.resize import pillow_resize
from restoration.models.model import Model
from restoration.models.spec import Spec


class PairsTask(PictureTask):
    """MIMO-UNet, Phaseformer, Spectroformer: "image" and "target"."""

    keys: ClassVar[frozenset[str]] = frozenset({"resize_px"})
    degradations: ClassVar[tuple[str, ...]] = (
        "motion",
        "panning",
        "local_motion",
        "underwater",
        "noise",
        "jpeg",
    )

    def __init__(self, model: Model, spec: Spec, data: DataSettings, *, seed: int):
        super().__init__(model, spec, data, seed=seed)
        side, multiple = data.resize_px or data.crop_px, spec.size_multiple
        if side % multiple:
            key = "resize_px" if data.resize_px else "crop_px"
            raise unfit(key, f"a multiple of {multiple}", str(side), model.name)

    def sample(self, index: int, epoch: int) -> Arrays:
        arrays = self.train.read(index % len(self.train))
        if self.data.resize_px:
            arrays = self._resized(arrays)
        else:
            arrays = self._cropped(arrays, index, epoch)
        number = drawn_orientation(self.data.augmentation, self.rng("turn", index, epoch))
        turned = {
            name: np.ascontiguousarray(oriented(array, number)[None])
            for name, array in arrays.items()
        }
        return self._finished(turned, index, epoch)

    def _finished(self, arrays: Arrays, index: int, epoch: int) -> Arrays:
        """A sample under the names of the network and the loss."""
        inputs = {"image": arrays["degraded"]}
        return {**inputs, **self.noise(inputs, index, epoch), "target": arrays["target"]}

    def hold_out(self, index: int) -> HeldOut:
        arrays = self.whole_degraded(index)
        if self.data.resize_px:
            arrays = self._resized(arrays)
        image, truth = arrays["degraded"][None], arrays["target"][None]
        return HeldOut(self.valid.name(index), self.model.to_inputs(self.spec, image), truth, image)

    @property
    def smallest_target_px(self) -> int:
        return 1 if self.data.resize_px else self.data.crop_px

    def place(self, arrays: Arrays, rng: np.random.Generator) -> tuple[int, int]:
        """Where a sample is cut out: row first."""
        side = self.data.crop_px
        height, width = arrays["target"].shape[1:]
        top = int(rng.integers(max(height - side, 0) + 1))
        return top, int(rng.integers(max(width - side, 0) + 1))

    def _cropped(self, arrays: Arrays, index: int, epoch: int) -> Arrays:
        side = self.data.crop_px
        place = self.place(arrays, self.rng("crop", index, epoch))
        if "degraded" not in arrays:
            rng = self.rng("degradation", index, epoch)
            target, made = self.degraded_here(arrays["target"], place, side, rng)
            return {"target": target, **made}
        return {
            name: to_intensities(cut(array, *place, side, side)) for name, array in arrays.items()
        }

    def _resized(self, arrays: Arrays) -> Arrays:
        side = self.data.resize_px
        assert side is not None
        return {
            name: pillow_resize(to_intensities(array), side, side, filter_name="bilinear")
            for name, array in arrays.items()
            if name != "mask"
        }


class LocalBlurTask(PairsTask):
    """LMD-ViT: also "mask", 1 where a picture is blurred, and crops with blur in them."""

    keys: ClassVar[frozenset[str]] = frozenset({"blurred_share"})
    uses_masks: ClassVar[bool] = True
    degradations: ClassVar[tuple[str, ...]] = ("local_motion", "motion")

    @classmethod
    def taken_keys(cls, data: DataSettings, degradation: str) -> frozenset[str]:
        keys = super().taken_keys(data, degradation)
        has_masks = bool(data.train.mask) or data.kind in ("npy", "list")
        return keys if has_masks else keys - {"blurred_share"}

    def place(self, arrays: Arrays, rng: np.random.Generator) -> tuple[int, int]:
        """In a share of the samples, the middle pixel is a blurred one."""
        is_forced = rng.random() < self.data.blurred_share
        place = super().place(arrays, rng)
        mask, side = arrays.get("mask"), self.data.crop_px
        if not is_forced or mask is None:
            return place
        places = places_around_blur(mask[0], side)
        if not len(places):
            return place
        top, left = places[rng.integers(len(places))]
        return int(top), int(left)

    def _finished(self, arrays: Arrays, index: int, epoch: int) -> Arrays:
        sample = super()._finished(arrays, index, epoch)
        mask = arrays.get("mask")
        if mask is None:
            mask = np.ones_like(arrays["target"][:, :1])
        return {**sample, "mask": (mask > 0).astype(np.float32)}


def places_around_blur(mask: np.ndarray, side: int) -> np.ndarray:
    """The crops of a side whose middle is blurred, (n, 2), by row and then column of their corner.

    mask: (h, w), above 0 where a picture is blurred.
    """
    height, width = mask.shape
    half = side // 2
    places = np.argwhere(mask[half : height - half, half : width - half])
    return places.clip(max=(height - side, width - side))
