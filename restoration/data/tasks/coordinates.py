"""Continuous networks (LIIF, LTE, CiaoSR, LM-*): colors at places of a picture drawn by chance.

Source of the rules: HeZongyao/LMF, the data set `sr-implicit-downsampled`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.data.settings import DataSettings
from restoration.data.task import HeldOut
from restoration.data.tasks.base import PictureTask, unfit
from restoration.data.transforms import drawn_orientation, middle, oriented, to_intensities
from restoration.images.resize import pillow_resize
from restoration.models.continuous import ContinuousSpec, lookup, make_coord
from restoration.models.model import Model
from restoration.models.spec import Spec


class CoordinatesTask(PictureTask):
    """The network's inputs for a crop and some places, and "target" (1, q, 3) in [-1, 1].

    What is reduced is the crop itself, in 8 bits as Pillow does; given pairs are not used.
    """

    keys: ClassVar[frozenset[str]] = frozenset({"scale_range", "valid_scale", "queries"})
    kinds: ClassVar[tuple[str, ...]] = ("synthetic", "pictures", "list", "lmdb")
    needs_degraded: ClassVar[bool] = False

    spec: ContinuousSpec

    def __init__(self, model: Model, spec: Spec, data: DataSettings, *, seed: int):
        super().__init__(model, spec, data, seed=seed)
        self.queries = data.queries or data.crop_px**2
        if self.queries > data.crop_px**2 * data.scale_range[0] ** 2:
            most = math.floor(data.crop_px**2 * data.scale_range[0] ** 2)
            raise unfit("queries", f"at most {most}, the places of the smallest target",
                        str(self.queries), model.name)  # fmt: skip

    def sample(self, index: int, epoch: int) -> Arrays:
        whole = self.train.read(index % len(self.train))["target"]
        scale = self.rng("scale", index, epoch).uniform(*self.data.scale_range)
        side = round(self.data.crop_px * scale)
        rng = self.rng("crop", index, epoch)
        top, left = (int(rng.integers(max(length - side, 0) + 1)) for length in whole.shape[1:])
        crop = to_intensities(whole[:, top : top + side, left : left + side])
        number = drawn_orientation(self.data.augmentation, self.rng("turn", index, epoch))
        chosen = self.rng("queries", index, epoch).choice(
            side * side, self.queries, replace=False, shuffle=True
        )
        return self.asked(crop, number, chosen)

    def asked(self, crop: np.ndarray, orientation: int, chosen: np.ndarray) -> Arrays:
        """A sample from a crop (3, s, s), turned, and the numbers of the pixels that are asked."""
        n, side = self.data.crop_px, crop.shape[1]
        small = oriented(pillow_resize(crop, n, n), orientation)
        colors = oriented(crop, orientation).reshape(3, -1).T[chosen]
        coord, cell = make_coord(side, side)[chosen], np.array([[2 / side, 2 / side]])
        found = lookup(self.spec, coord[None], cell, height=n, width=n)
        inputs = {"image": np.ascontiguousarray(2 * small[None] - 1)}
        for name, array in found.items():
            is_float = np.issubdtype(array.dtype, np.floating)
            inputs[name] = array.astype(np.float32) if is_float else array
        return {**inputs, "target": np.ascontiguousarray(2 * colors[None] - 1)}

    def join(self, samples: Sequence[Arrays]) -> Arrays:
        """Samples as one part of a batch: pixels are numbered through all its images."""
        joined = super().join(samples)
        first = np.arange(len(samples), dtype=np.int32) * self.data.crop_px**2
        joined["index"] = joined["index"] + first.reshape(-1, 1, 1)
        return joined

    def hold_out(self, index: int) -> HeldOut:
        scale, longest = self.data.valid_scale, self.data.valid_px
        target = self.valid.read(index)["target"]
        target = middle(target, math.floor(longest * scale) if longest else None)
        height, width = (math.floor(side / scale + 1e-9) for side in target.shape[1:])
        rows, columns = round(height * scale), round(width * scale)
        truth = to_intensities(target[:, :rows, :columns])
        small = pillow_resize(truth, height, width)[None]
        return HeldOut(
            self.valid.name(index),
            self.model.to_inputs(self.spec, small, scale=scale),
            truth[None],
            small,
            round(scale),
        )

    @property
    def smallest_target_px(self) -> int:
        return round(self.data.crop_px * self.data.scale_range[1])
