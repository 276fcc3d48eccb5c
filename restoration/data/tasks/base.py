"""What tasks have in common: the pictures of two splits, random streams, faults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, overload

import numpy as np

from restoration.arrays import Arrays
from restoration.data import datasets, degrading, faults, streams
from restoration.data.datasets import Pictures
from restoration.data.settings import DataSettings, SplitSettings
from restoration.data.task import Fault, HeldOut
from restoration.data.transforms import cut, middle, to_intensities
from restoration.errors import InputError, suggest
from restoration.models.model import Model
from restoration.models.spec import Spec

_ALL_KINDS = ("synthetic", "pairs", "pictures", "list", "lmdb", "npy")
_COMMON = frozenset(
    {"kind", "train", "valid", "crop_px", "valid_px", "augmentation", "samples", "drop_last"}
)
_CACHED = ("pairs", "pictures", "list")
_DEGRADATION_KEYS: Mapping[str, frozenset[str]] = {
    "motion": frozenset({"kernel_px"}),
    "panning": frozenset({"kernel_px"}),
    "local_motion": frozenset({"kernel_px"}),
    "jpeg": frozenset({"jpeg_quality"}),
}
_PLACES: Mapping[str, frozenset[str]] = {
    "synthetic": frozenset({"limit"}),
    "pairs": frozenset({"target", "degraded", "mask", "template", "list", "limit"}),
    "pictures": frozenset({"target", "mask", "list", "limit"}),
    "list": frozenset({"list", "limit"}),
    "video": frozenset({"target", "list", "limit"}),
    "lmdb": frozenset({"target", "degraded", "mask", "template", "limit"}),
    "npy": frozenset({"target", "limit"}),
}
"""What the two splits say of data of a kind."""

HELD_OUT_SEED = 0
"""Held-out pictures are degraded alike in every run, whatever its seed."""


class _HeldOut(Sequence[HeldOut]):
    """Held-out pictures, made one at a time; the synthetic ones, which are few, are kept."""

    def __init__(self, task: PictureTask):
        self._task = task
        self._kept: dict[int, HeldOut] = {}

    def __len__(self) -> int:
        return len(self._task.valid)

    @overload
    def __getitem__(self, index: int) -> HeldOut: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[HeldOut]: ...

    def __getitem__(self, index: int | slice) -> HeldOut | Sequence[HeldOut]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        item = self._kept.get(place)
        if item is None:
            item = self._task.hold_out(place)
            if self._task.data.kind == "synthetic":
                self._kept[place] = item
        return item


class PictureTask:
    """Base of tasks: samples are made of single pictures, or of what a subclass reads.

    Class variables: keys are those of the settings that a task takes beside the common ones; kinds
    those of its data; degradations what targets may be degraded by, the first one unless told.
    """

    keys: ClassVar[frozenset[str]] = frozenset()
    kinds: ClassVar[tuple[str, ...]] = _ALL_KINDS
    degradations: ClassVar[tuple[str, ...]] = ()
    needs_degraded: ClassVar[bool] = True
    uses_masks: ClassVar[bool] = False

    def __init__(self, model: Model, spec: Spec, data: DataSettings, *, seed: int):
        self.model, self.spec, self.data, self.seed = model, spec, data, seed
        self.degradation = data.degradation or (self.degradations or ("none",))[0]
        self._check()
        self.train, self.valid = self._open("train"), self._open("valid")
        self._held_out = _HeldOut(self)

    def __len__(self) -> int:
        return self.data.samples or len(self.train)

    @property
    def drop_last(self) -> bool:
        """Whether an epoch's incomplete last batch is left out."""
        return self.data.drop_last

    def sample(self, index: int, epoch: int) -> Arrays:
        """See `Task`."""
        raise NotImplementedError

    def join(self, samples: Sequence[Arrays]) -> Arrays:
        """Samples as one part of a batch."""
        return {name: np.concatenate([one[name] for one in samples]) for name in samples[0]}

    def files(self, index: int) -> tuple[str, ...]:
        """See `Task`."""
        return self.train.files(index % len(self.train))

    def faults(self) -> list[Fault]:
        """See `Task`."""
        return faults.of_pictures(
            self.train,
            self.valid,
            scale=self.spec.magnification or 1,
            smallest_px=self.smallest_target_px,
            is_scaled=self.data.resize_px is None,
        )

    def held_out(self) -> Sequence[HeldOut]:
        """See `Task`; each is made when it is asked for, small sets of them once."""
        return self._held_out

    def name(self, index: int) -> str:
        """See `Task`."""
        return self.valid.name(index)

    def hold_out(self, index: int) -> HeldOut:
        """One picture to score."""
        raise NotImplementedError

    def picture(self, item: HeldOut, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """See `Task`."""
        height, width = item.truth.shape[2:]
        return self.model.to_image(self.spec, outputs, height=height, width=width, is_clipped=False)

    @property
    def smallest_target_px(self) -> int:
        """The shortest side of a target that a sample can be cut from."""
        return self.data.crop_px * (self.spec.magnification or 1)

    def rng(self, purpose: str, index: int, epoch: int) -> np.random.Generator:
        """The random numbers of a sample for a purpose."""
        return streams.stream(self.seed, purpose, epoch, index)

    def noise(self, inputs: Arrays, index: int, epoch: int) -> Arrays:
        """The network's own random inputs."""
        return self.spec.training_noise(inputs, self.rng("network", index, epoch))

    def degraded_here(
        self, target: np.ndarray, place: tuple[int, int], side: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, Arrays]:
        """The square of a picture at a place, and its degraded version."""
        margin = degrading.margin_px(self.degradation, self.data)
        wide = side + 2 * margin
        part = to_intensities(cut(target, place[0] - margin, place[1] - margin, wide, wide))
        scale = self.spec.magnification or 1
        found = degrading.degrade(self.degradation, part, self.data, rng, scale=scale)
        return part[:, margin : margin + side, margin : margin + side], found

    def whole_degraded(self, index: int, multiple: int = 1) -> Arrays:
        """A held-out picture, cut to its middle, and its degraded version."""
        arrays = dict(self.valid.read(index))
        scale = self.spec.magnification or 1
        longest = self.data.valid_px
        if "degraded" in arrays:
            degraded = arrays["degraded"]
            top_left = middle(degraded, longest, multiple)
            wide = (longest * scale) if longest else None
            found = {
                "target": middle(arrays["target"], wide, multiple * scale),
                "degraded": top_left,
            }
            if "mask" in arrays:
                found["mask"] = middle(arrays["mask"], wide, multiple * scale)
            return {name: to_intensities(array) for name, array in found.items()}
        target = to_intensities(
            middle(arrays["target"], longest * scale if longest else None, multiple * scale)
        )
        margin = degrading.margin_px(self.degradation, self.data)
        height, width = target.shape[1:]
        padded = cut(target, -margin, -margin, height + 2 * margin, width + 2 * margin)
        rng = streams.stream(HELD_OUT_SEED, "held out", 0, index)
        return {
            "target": target,
            **degrading.degrade(self.degradation, padded, self.data, rng, scale=scale),
        }

    def _open(self, split: str) -> Pictures:
        return datasets.open_split(
            self.data.kind, split, getattr(self.data, split), is_cached=self.data.cache
        )

    @classmethod
    def taken_keys(cls, data: DataSettings, degradation: str) -> frozenset[str]:
        """The settings that change something."""
        keys = _COMMON | cls.keys
        if data.kind in _CACHED:
            keys |= {"cache"}
        if not data.train.degraded and data.kind not in ("npy", "list") and cls.degradations:
            keys |= {"degradation", "noise"} | _DEGRADATION_KEYS.get(degradation, frozenset())
        elif data.kind == "list" and cls.degradations:
            keys |= {"degradation", "noise", "kernel_px", "jpeg_quality"}
        return keys

    def _check(self) -> None:
        """Raise for settings that do not belong to the model or the kind of data."""
        data, name = self.data, self.model.name
        if data.kind not in self.kinds:
            raise unfit("kind", f"one of {', '.join(self.kinds)}", repr(data.kind), name)
        self._require_taken("data", data, DataSettings(), self.taken_keys(data, self.degradation))
        for split in ("train", "valid"):
            places = getattr(data, split)
            taken = _PLACES[data.kind] - (frozenset() if self.uses_masks else {"mask"})
            if not self.needs_degraded:
                taken -= {"degraded"}
            if not places.degraded:
                taken -= {"template"}
            self._require_taken(f"data.{split}", places, SplitSettings(), taken)
        if data.degradation and data.degradation not in self.degradations:
            known = ", ".join(self.degradations) or "none"
            raise unfit("degradation", f"one of {known}", repr(data.degradation), name)
        for split in ("train", "valid"):
            places = getattr(data, split)
            is_needed = self.needs_degraded and data.kind == "pairs"
            if is_needed and places.target and not places.degraded:
                raise unfit(f"{split}.degraded", "a folder of degraded pictures", "nothing", name)

    def _require_taken(self, section: str, given: Any, plain: Any, taken: frozenset[str]) -> None:
        """Raise for a key that changes nothing and yet is set."""
        kind = self.data.kind
        for one in dataclasses.fields(given):
            value = getattr(given, one.name)
            if value != getattr(plain, one.name) and one.name not in taken:
                raise InputError(
                    f"{section}.{one.name}",
                    expected=f"a key that {self.model.name} takes from data of kind {kind}",
                    got=repr(value),
                    where="recipe",
                    next_step=f"leave it out, or choose another data.kind; "
                    f"{suggest(one.name, taken)}",
                )


def unfit(key: str, expected: str, got: str, model: str) -> InputError:
    return InputError(
        f"data.{key}",
        expected=expected,
        got=got,
        where=f"recipe of {model}",
        next_step="docs/training.md says what each model is trained on",
    )
