"""Enlarging by a fixed factor (EDSR, RDN, SwinIR), and what encoders restore at the same size."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.data import degrading
from restoration.data.settings import DataSettings
from restoration.data.task import HeldOut
from restoration.data.tasks.base import PictureTask, unfit
from restoration.data.tasks.pairs import PairsTask
from restoration.data.transforms import cut, drawn_orientation, oriented, to_intensities
from restoration.models.encoder import EncoderSpec
from restoration.models.model import Model
from restoration.models.spec import Spec

_SEEN_PX = 3  # as far as a cubic sees, in pixels of the reduced picture
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def with_intensities(spec: EncoderSpec, picture: np.ndarray) -> np.ndarray:
    """Pictures (n, 3, h, w) in [0, 1] as a network has them; gray ones if it knows no color."""
    if spec.image_channels == 1:
        picture = np.einsum("nchw,c->nhw", picture, _LUMA)[:, None]
    black, white = spec.intensities
    return np.ascontiguousarray((white - black) * picture + black).astype(np.float32)


class EnlargeTask(PictureTask):
    """A picture and its target, `magnification` times as large, as the network has intensities."""

    degradations: ClassVar[tuple[str, ...]] = ("bicubic", "bicubic_pil")

    spec: EncoderSpec

    def __init__(self, model: Model, spec: Spec, data: DataSettings, *, seed: int):
        assert isinstance(spec, EncoderSpec)
        model.check_gives_picture(spec)
        super().__init__(model, spec, data, seed=seed)
        self.scale = spec.magnification or 1

    def sample(self, index: int, epoch: int) -> Arrays:
        arrays = self.train.read(index % len(self.train))
        side, scale = self.data.crop_px, self.scale
        height, width = (whole // scale for whole in arrays["target"].shape[1:])
        rng = self.rng("crop", index, epoch)
        top, left = (int(rng.integers(max(whole - side, 0) + 1)) for whole in (height, width))
        if "degraded" in arrays:
            small = to_intensities(cut(arrays["degraded"], top, left, side, side))
            wide = side * scale
            target = to_intensities(cut(arrays["target"], top * scale, left * scale, wide, wide))
        else:
            small, target = self._reduced(arrays["target"], (top, left), index, epoch)
        number = drawn_orientation(self.data.augmentation, self.rng("turn", index, epoch))
        image, truth = (
            with_intensities(self.spec, oriented(array, number)[None]) for array in (small, target)
        )
        inputs = {"image": image}
        return {**inputs, **self.noise(inputs, index, epoch), "target": truth}

    def _reduced(
        self, whole: np.ndarray, place: tuple[int, int], index: int, epoch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The part of a picture at a place, reduced as the whole picture would be, and whole."""
        scale, margin = self.scale, _SEEN_PX
        side = self.data.crop_px + 2 * margin
        top, left = (scale * (start - margin) for start in place)
        seen = to_intensities(cut(whole, top, left, scale * side, scale * side))
        rng = self.rng("degradation", index, epoch)
        made = degrading.degrade(self.degradation, seen, self.data, rng, scale=scale)
        inner = slice(margin, -margin)
        outer = slice(margin * scale, -margin * scale)
        return made["degraded"][:, inner, inner], seen[:, outer, outer]

    def hold_out(self, index: int) -> HeldOut:
        arrays = self.whole_degraded(index)
        image = arrays["degraded"][None]
        height, width = (self.scale * side for side in image.shape[2:])
        truth = arrays["target"][None, :, :height, :width]
        inputs = self.model.to_inputs(self.spec, image)
        return HeldOut(self.valid.name(index), inputs, truth, image, self.scale)


class SameSizeTask(PairsTask):
    """SwinIR for noise and JPEG: "image" and "target" as the network has intensities."""

    keys: ClassVar[frozenset[str]] = frozenset()
    degradations: ClassVar[tuple[str, ...]] = ("noise", "jpeg", "motion")

    def __init__(self, model: Model, spec: Spec, data: DataSettings, *, seed: int):
        super().__init__(model, spec, data, seed=seed)
        if self.degradation == "noise" and not data.train.degraded and data.noise_range[1] == 0:
            raise unfit("noise", "a standard deviation, as 0.098 for 25 of 255", "none", model.name)

    def _finished(self, arrays: Arrays, index: int, epoch: int) -> Arrays:
        assert isinstance(self.spec, EncoderSpec)
        inputs = {"image": with_intensities(self.spec, arrays["degraded"])}
        target = with_intensities(self.spec, arrays["target"])
        return {**inputs, **self.noise(inputs, index, epoch), "target": target}

    def hold_out(self, index: int) -> HeldOut:
        assert isinstance(self.spec, EncoderSpec)
        item = super().hold_out(index)
        if self.spec.image_channels == 3:
            return item
        assert item.degraded is not None
        gray = [
            np.repeat(np.einsum("nchw,c->nhw", one, _LUMA)[:, None], 3, axis=1)
            for one in (item.degraded, item.truth)
        ]
        inputs = self.model.to_inputs(self.spec, gray[0])
        return HeldOut(item.name, inputs, gray[1], gray[0])
